package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// scripted is an observer that does what a test says.
type scripted struct {
	run     func(ctx context.Context, emit func(event.Event)) error
	gaps    []*observers.Unsupported
	first   chan struct{}
	settled chan struct{}
}

func (s *scripted) Run(ctx context.Context, emit func(event.Event)) error { return s.run(ctx, emit) }
func (s *scripted) Stats() observers.Stats                                { return observers.Stats{Events: 2} }
func (s *scripted) Gaps() []*observers.Unsupported                        { return s.gaps }

type withFirst struct{ *scripted }

func (s withFirst) First() <-chan struct{} { return s.first }

type withSettled struct{ *scripted }

func (s withSettled) Settled() <-chan struct{} { return s.settled }

func entry(name string, o observers.Observer, err error) Entry {
	return Entry{observers.Spec{Name: name, Side: observers.Cluster}, func(Source) (observers.Observer, error) { return o, err }}
}

func fact(name string) event.Event {
	return event.Event{Kind: event.Kind(name), At: noon, Refs: []event.Ref{{Role: event.Subject, Key: event.NodeKey("n")}}}
}

func until(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// brief writes a frame as a word, for comparison.
func brief(f wire.Sourced) string {
	switch {
	case f.Hello != nil:
		var names []string
		for _, s := range f.Hello.Specs {
			names = append(names, s.Name)
		}
		return "hello " + strings.Join(names, ",")
	case f.Gap != nil:
		return strings.TrimSpace(fmt.Sprintf("gap %s %s: %s", f.Gap.Observer, f.Gap.Need.Name, f.Gap.Why))
	case f.Event != nil:
		return fmt.Sprintf("event %d %s", f.Event.Seq, f.Event.Kind)
	case f.Beat != nil:
		return fmt.Sprintf("beat %d dropped %d", len(f.Beat.Observers), f.Beat.Dropped)
	case f.Bye != nil:
		return "bye"
	}
	return "nothing"
}

func TestDrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		need := observers.Need{Type: observers.Verb, Name: "list things"}
		first := make(chan struct{})
		good := withFirst{&scripted{first: first, gaps: []*observers.Unsupported{{Need: need, Why: "no right"}, {Need: need, Why: "no right"}},
			run: func(ctx context.Context, emit func(event.Event)) error {
				time.Sleep(time.Second)
				emit(fact("good.one"))
				emit(fact("good.two"))
				close(first)
				return until(ctx)
			}}}
		settled := make(chan struct{})
		slow := withSettled{&scripted{settled: settled, run: func(ctx context.Context, emit func(event.Event)) error {
			time.Sleep(3 * time.Second)
			emit(fact("slow.one"))
			close(settled)
			return until(ctx)
		}}}
		run := Drive(ctx, FromObjects([]runtime.Object{newPod("a", nil, nil)}, nil, noon), []Entry{
			entry("good", good, nil),
			entry("refused", nil, &observers.Unsupported{Need: need, Why: "not here"}),
			entry("odd", nil, errors.New("an odd failure")),
			entry("slow", slow, nil),
			entry("fails", &scripted{run: func(context.Context, func(event.Event)) error { return errors.New("broke") }}, nil),
			entry("panics", &scripted{run: func(context.Context, func(event.Event)) error { panic("at the disco") }}, nil),
		})
		var mu sync.Mutex
		var got []string
		has := func(brief string) bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(got, brief)
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			var seq uint64
			for f := range run.Frames() {
				if seq++; f.Seq != seq {
					t.Errorf("frame %d has number %d", seq, f.Seq)
				}
				if f.Source != API {
					t.Errorf("source %v", f.Source)
				}
				mu.Lock()
				got = append(got, brief(f))
				mu.Unlock()
			}
		}()
		<-run.First()
		synctest.Wait()
		if !has("event 2 good.two") || has("event 3 slow.one") {
			t.Error("First came too early or too late")
		}
		<-run.Settled()
		synctest.Wait()
		if !has("event 3 slow.one") {
			t.Error("Settled came too early")
		}
		time.Sleep(6 * time.Second)
		cancel()
		<-over
		want := []string{
			"hello good,refused,odd,slow,fails,panics", "gap refused list things: not here", "gap odd : an odd failure", "gap good list things: no right",
			"gap fails : broke", "gap panics : the observer failed: at the disco",
			"event 1 good.one", "event 2 good.two", "event 3 slow.one", "beat 4 dropped 0", "beat 4 dropped 0", "bye",
		}
		for _, w := range want {
			if !has(w) {
				t.Errorf("%q is missing", w)
			}
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != "bye" {
			t.Errorf("got %q", got)
		}
	})
}

// TestDriveMarksDespiteFailure must not leave a caller waiting for an observer
// that cannot have a first look.
func TestDriveMarksDespiteFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		broken := withFirst{&scripted{first: make(chan struct{}), run: func(context.Context, func(event.Event)) error { return errors.New("broke") }}}
		run := Drive(ctx, FromObjects(nil, nil, noon), []Entry{entry("broken", broken, nil)})
		go func() {
			for range run.Frames() {
			}
		}()
		<-run.First()
		<-run.Settled()
	})
}

// TestDriveCountsLoss has a reader that takes nothing: emitting must not block,
// and what does not fit is counted.
func TestDriveCountsLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		emitted := make(chan struct{})
		flood := &scripted{run: func(ctx context.Context, emit func(event.Event)) error {
			for range maxQueued + 10 {
				emit(fact("flood.drop"))
			}
			close(emitted)
			return until(ctx)
		}}
		run := Drive(ctx, FromObjects(nil, nil, noon), []Entry{entry("flood", flood, nil)})
		<-emitted
		cancel()
		var events, dropped uint64
		for f := range run.Frames() {
			if f.Event != nil {
				events++
			}
			if f.Beat != nil {
				dropped = f.Beat.Dropped
			}
		}
		if events+dropped != maxQueued+10 || dropped == 0 {
			t.Errorf("%d events and %d dropped do not add up to %d", events, dropped, maxQueued+10)
		}
	})
}

func TestLoop(t *testing.T) {
	spec := observers.Spec{Name: "x", Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Optional: true},
		{Type: observers.Verb, Name: "get pods/log"},
	}}
	_, err := NewLoop(FromObjects(nil, nil, noon), spec)
	if u := (*observers.Unsupported)(nil); !errors.As(err, &u) || !errors.Is(err, observers.ErrUnsupported) || u.Need.Name != "list pods" {
		t.Errorf("without pods: %v", err)
	}
	l, err := NewLoop(FromObjects([]runtime.Object{newPod("a", nil, nil)}, nil, noon), spec)
	if err != nil || len(l.Gaps()) != 1 || l.Gaps()[0].Need.Name != "list events" {
		t.Fatalf("without Events: %v, %v", err, l.Gaps())
	}
	l.Lost(3)
	var got event.Event
	l.Counted(func(e event.Event) { got = e })(event.Event{})
	if st := l.Stats(); st.Events != 1 || st.Lost != 3 || !got.At.Equal(noon) {
		t.Errorf("%+v, %+v", st, got)
	}
}

// TestLoopTellsLateAndCutLists makes gaps of what becomes known only later.
func TestLoopTellsLateAndCutLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newSource("shop", nil, time.Now)
		src.stores[Pods].set(nil)
		src.setBounded(Pods, "the newest few")
		l, err := NewLoop(src, observers.Spec{Needs: []observers.Need{
			{Type: observers.Verb, Name: "list pods"}, {Type: observers.Verb, Name: "list services"},
		}})
		if err != nil || len(l.Gaps()) != 0 {
			t.Fatalf("%v, %v", err, l.Gaps())
		}
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		done := make(chan error)
		go func() { done <- l.Follow(ctx, func() error { looks++; return nil }) }()
		<-l.First()
		var why []string
		for _, g := range l.Gaps() {
			why = append(why, g.Need.Name+": "+g.Why)
		}
		if want := []string{"list pods: the newest few", "list services: the list has not arrived yet"}; !slices.Equal(why, want) {
			t.Errorf("got %q, want %q", why, want)
		}
		for range 50 { // a burst is one look
			src.notify()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if looks != 2 {
			t.Errorf("%d looks", looks)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.Follow(t.Context(), func() error { return errors.New("no") }); err == nil {
			t.Error("the error of a look was lost")
		}
	})
}
