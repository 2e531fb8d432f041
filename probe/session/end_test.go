package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/launch"
)

func TestRefusedNodesAreGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Plan{times: newTimes()}
		s := p.start(t.Context(), func(context.Context) (fleet, []member) {
			return &fakeFleet{}, []member{
				{node: launch.Target{Node: "a"}, refused: &launch.Refused{Reason: launch.NoRight, What: "no right to create jobs in kube-system"}},
				{node: launch.Target{Node: "b"}, refused: &launch.Refused{Reason: launch.BadNode, What: "node b is not ready"}, hidden: []string{"pod x runs in gVisor"}},
			}
		})
		frames := collect(s)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		types := map[string]observers.NeedType{}
		for _, f := range frames {
			types[f.Source.Name+" "+f.Gap.Why] = f.Gap.Need.Type
			if f.Gap.Observer != GapObserver {
				t.Errorf("observer %q", f.Gap.Observer)
			}
		}
		if len(types) != 3 || types["node/a no right to create jobs in kube-system"] != observers.Verb ||
			types["node/b node b is not ready"] != observers.Feature || types["node/b pod x runs in gVisor"] != observers.Feature {
			t.Errorf("got %v", types)
		}
	})
}

func TestNobodyReadsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProbe{name: "a", serve: func(p *peer) {
			p.hello()
			for p.send(kill(time.Now())) == nil {
			}
		}}
		s := begin(t, t.Context(), &fakeFleet{}, f)
		time.Sleep(time.Minute)
		began := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > stopBound+closeBound {
			t.Errorf("closing took %s", took)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProbe{name: "a", wait: func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Hour); return ctx.Err() }}
		s := begin(t, t.Context(), &fakeFleet{}, f)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "by themselves") {
			t.Errorf("got %v", err)
		}
		<-s.Done()
	})
}

func TestCloseReportsLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := &launch.Leftovers{Namespace: "kube-system", Jobs: []string{"tapio-1"}, Err: errors.New("no route")}
		s := begin(t, t.Context(), &fakeFleet{err: left}, &fakeProbe{name: "a", serve: func(p *peer) { p.hello(); p.serve() }})
		if err := s.Close(context.Background()); !errors.Is(err, left) {
			t.Errorf("got %v", err)
		}
		if err := s.Close(context.Background()); !errors.Is(err, left) {
			t.Errorf("a second Close: %v", err)
		}
	})
}
