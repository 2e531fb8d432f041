package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

var hook = observers.Need{Type: observers.Hook, Name: "tp_btf/mark_victim", Why: "kills"}

// What does not work becomes a gap, and all the rest goes on.
func TestGaps(t *testing.T) {
	unsupported := &observers.Unsupported{Need: hook, Why: "this kernel has no BTF"}
	other := &observers.Unsupported{Need: observers.Need{Type: observers.Feature, Name: "/dev/kmsg"}, Why: "not permitted"}
	failing := func(err error) Entry {
		e := entry("bad", nil)
		e.Open = func() (observers.Observer, error) { return nil, err }
		return e
	}
	running := func(run func(context.Context, func(event.Event)) error) Entry {
		return entry("bad", &fake{run: run})
	}
	tests := []struct {
		name string
		bad  Entry
		want []wire.Gap
	}{
		{"unsupported", failing(unsupported), []wire.Gap{{Observer: "bad", Need: hook, Why: "this kernel has no BTF"}}},
		{"wrapped", failing(fmt.Errorf("open: %w", unsupported)), []wire.Gap{{Observer: "bad", Need: hook, Why: "this kernel has no BTF"}}},
		{"several", failing(errors.Join(unsupported, other)), []wire.Gap{
			{Observer: "bad", Need: hook, Why: "this kernel has no BTF"}, {Observer: "bad", Need: other.Need, Why: "not permitted"}}},
		{"plain error", failing(errors.New("out of memory")), []wire.Gap{{Observer: "bad", Why: "out of memory"}}},
		{"pages of text", failing(errors.New(strings.Repeat("x", 1<<20))), []wire.Gap{{Observer: "bad", Why: strings.Repeat("x", 2000) + " ..."}}},
		{"nothing opened", failing(nil), []wire.Gap{{Observer: "bad", Why: "it opened without an observer"}}},
		{"panic in Open", Entry{Spec: observers.Spec{Name: "bad"}, Open: func() (observers.Observer, error) { panic("boom") }},
			[]wire.Gap{{Observer: "bad", Why: "it panicked: boom"}}},
		{"partly", entry("bad", &gapped{gaps: func() []*observers.Unsupported { return []*observers.Unsupported{unsupported, other} }}), []wire.Gap{
			{Observer: "bad", Need: hook, Why: "this kernel has no BTF"}, {Observer: "bad", Need: other.Need, Why: "not permitted"}}},
		{"panic in Gaps", entry("bad", &gapped{gaps: func() []*observers.Unsupported { panic("boom") }}),
			[]wire.Gap{{Observer: "bad", Why: "it panicked: boom"}}},
		{"Run fails", running(func(context.Context, func(event.Event)) error { return unsupported }),
			[]wire.Gap{{Observer: "bad", Need: hook, Why: "this kernel has no BTF"}}},
		{"Run panics", running(func(context.Context, func(event.Event)) error { panic(errors.New("boom")) }),
			[]wire.Gap{{Observer: "bad", Why: "it panicked: boom"}}},
		{"Run returns", running(func(context.Context, func(event.Event)) error { return nil }),
			[]wire.Gap{{Observer: "bad", Why: "it ended before the run did"}}},
		{"panic in Stats", entry("bad", &fake{stats: func() observers.Stats { panic("boom") }}), nil},
		{"fine", entry("bad", &fake{}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, config(tt.bad, entry("good", emitting("good.a"))))
				c := p.join(t, goodStart())
				time.Sleep(beatEvery)
				synctest.Wait()
				frames, err := c.got()
				if err != nil {
					t.Fatal(err)
				}
				checkSeq(t, frames)
				if d := cmp.Diff(tt.want, gapsOf(frames)); d != "" {
					t.Errorf("gaps differ (-want +got):\n%s", d)
				}
				if d := cmp.Diff([]event.Kind{"good.a"}, kindsOf(frames)); d != "" {
					t.Errorf("events of the good one differ (-want +got):\n%s", d)
				}
				if beats := beatsOf(frames); len(beats) != 1 {
					t.Errorf("%d beats, want 1", len(beats))
				} else if _, ok := beats[0].Observers["good"]; !ok {
					t.Errorf("beat %+v lacks the good observer", beats[0])
				}
			})
		})
	}
}

func TestObserversByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("a", emitting("a.x")), entry("b", emitting("b.x")), entry("c", emitting("c.x"))))
		s := goodStart()
		s.Observers = []string{"c", "nosuch", "a"}
		c := p.join(t, s)
		time.Sleep(beatEvery)
		synctest.Wait()
		frames, _ := c.got()
		var names []string
		for _, sp := range frames[0].Hello.Specs {
			names = append(names, sp.Name)
		}
		if d := cmp.Diff([]string{"a", "c"}, names); d != "" {
			t.Errorf("specs differ (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]wire.Gap{{Observer: "nosuch", Why: "this probe has no observer of that name"}}, gapsOf(frames)); d != "" {
			t.Errorf("gaps differ (-want +got):\n%s", d)
		}
		if len(kindsOf(frames)) != 2 {
			t.Errorf("events of %v, want of a and c", kindsOf(frames))
		}
	})
}

func TestNodeCannotBeOpened(t *testing.T) {
	for name, open := range map[string]func(wire.Start) (*Machine, error){
		"it panicked: boom": func(wire.Start) (*Machine, error) { panic("boom") },
		"no /proc":          func(wire.Start) (*Machine, error) { return nil, errors.New("no /proc") },
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config()
			cfg.Open = open
			p := serve(t, cfg)
			frames, err := p.join(t, goodStart()).got()
			if got := byeOf(t, frames); got != "the node cannot be observed: "+name || err != io.EOF {
				t.Errorf("bye %q, %v", got, err)
			}
			if len(p.done) > 0 {
				t.Error("the probe ended")
			}
		})
	}
}

// An event that has no encoding is lost alone.
func TestUnencodableEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("odd", &fake{run: func(ctx context.Context, emit func(event.Event)) error {
			emit(event.Event{Kind: "odd.nan", Attrs: event.Attrs{"x": event.ValueOf(math.NaN())}})
			emit(event.Event{Kind: "odd.large", Attrs: event.Attrs{"x": event.ValueOf(strings.Repeat("x", wire.MaxFrame))}})
			emit(event.Event{Kind: "odd.fine"})
			<-ctx.Done()
			return nil
		}})))
		c := p.join(t, goodStart())
		c.send(wire.Frame{Stop: &wire.Stop{}})
		if err := p.ended(t); err != nil {
			t.Fatal(err)
		}
		frames, _ := c.got()
		checkSeq(t, frames)
		if d := cmp.Diff([]event.Kind{"odd.fine"}, kindsOf(frames)); d != "" {
			t.Errorf("events differ (-want +got):\n%s", d)
		}
		if beats := beatsOf(frames); beats[len(beats)-1].Dropped != 2 {
			t.Errorf("%d dropped, want 2", beats[len(beats)-1].Dropped)
		}
	})
}

const lateEvents = 8192

// The last events of an observer, emitted when it is told to end, arrive.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("late", &fake{run: func(ctx context.Context, emit func(event.Event)) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			for range 3 * lateEvents / 2 {
				emit(event.Event{Kind: "late.x"})
				time.Sleep(time.Microsecond)
			}
			return nil
		}})))
		c := p.join(t, goodStart())
		c.send(wire.Frame{Stop: &wire.Stop{}})
		<-p.done
		synctest.Wait()
		frames, _ := c.got()
		if got := len(kindsOf(frames)); got != 3*lateEvents/2 {
			t.Errorf("%d last events, want %d", got, 3*lateEvents/2)
		}
	})
}

// An observer that does not end is left behind.
func TestStubbornObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := serve(t, config(entry("stubborn", &fake{run: func(context.Context, func(event.Event)) error { <-release; return nil }})))
		c := p.join(t, goodStart())
		began := time.Now()
		c.send(wire.Frame{Stop: &wire.Stop{}})
		if err := <-p.done; err != nil || time.Since(began) > closeTimeout {
			t.Errorf("Serve returned %v after %v", err, time.Since(began))
		}
		synctest.Wait()
		frames, _ := c.got()
		byeOf(t, frames)
	})
}

// An observer that was opened is run, whatever happens, because its Run is what
// frees it.
func TestOpenedObserversAreRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, freed atomic.Int64
		slow := Entry{Spec: observers.Spec{Name: "slow"}, Open: func() (observers.Observer, error) {
			time.Sleep(time.Second)
			opened.Add(1)
			return &fake{run: func(ctx context.Context, _ func(event.Event)) error { <-ctx.Done(); freed.Add(1); return nil }}, nil
		}}
		p := serve(t, config(slow, slow, slow))
		c := p.join(t, goodStart())
		time.Sleep(1500 * time.Millisecond)
		c.send(wire.Frame{Stop: &wire.Stop{}})
		<-p.done
		if opened.Load() != 2 || freed.Load() != 2 {
			t.Errorf("%d opened and %d freed, want 2 and 2", opened.Load(), freed.Load())
		}
	})
}

// A client that pings but reads nothing is given up.
func TestStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		c := newPeer(t, p.dial())
		s := goodStart()
		c.send(wire.Frame{Start: &s})
		began := time.Now()
		for {
			time.Sleep(time.Second)
			if errors.Join(c.w.Write(wire.Frame{Ping: &wire.Ping{}}), c.w.Flush()) != nil {
				break
			}
		}
		if waited := time.Since(began); waited > DefaultSilence+2*time.Second {
			t.Errorf("given up after %v", waited)
		}
	})
}

func TestSplitHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entries []Entry
		for i := range 40 {
			e := entry(fmt.Sprint("o", i), &fake{})
			e.Spec.Doc = strings.Repeat("d", 3000)
			entries = append(entries, e)
		}
		frames, _ := serve(t, config(entries...)).join(t, goodStart()).got()
		specs := 0
		for _, f := range frames {
			if f.Hello != nil {
				specs += len(f.Hello.Specs)
			}
		}
		if specs != len(entries) || len(frames) != 2 {
			t.Errorf("%d specs in %d frames, want %d in 2", specs, len(frames), len(entries))
		}
	})
}
