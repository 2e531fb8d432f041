package collect

import (
	"context"
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/wire"
)

var (
	n1  = wire.Source{Name: "node/n1", Side: observers.Node}
	api = wire.Source{Name: "api", Side: observers.Cluster}
	t0  = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
)

func fact(at time.Time) wire.Frame {
	return wire.Frame{Event: &event.Event{Kind: memory.Usage, At: at, Refs: []event.Ref{{Role: event.Subject, Key: event.CgroupKey("u", "c")}}}}
}

func TestWindowAlignsClocks(t *testing.T) {
	c := New()
	c.Add(wire.Sourced{Source: n1, Frame: wire.Frame{Hello: &wire.Hello{Specs: []observers.Spec{memory.Spec}, Clock: wire.Clock{Wall: t0.Add(2 * time.Second)}}}})
	c.Add(wire.Sourced{Source: n1, Frame: fact(t0.Add(3 * time.Second))})
	c.Add(wire.Sourced{Source: api, Frame: fact(t0.Add(3 * time.Second))})
	c.Align(n1.Name, 2*time.Second)
	w := c.Window(window.Target{}, t0, time.Time{})
	if got := w.Facts[0].At; !got.Equal(t0.Add(time.Second)) || w.Facts[0].Source != "node/n1" {
		t.Errorf("node fact at %v from %s", got, w.Facts[0].Source)
	}
	if got := w.Facts[1].At; !got.Equal(t0.Add(3 * time.Second)) {
		t.Errorf("API fact at %v", got)
	}
	if got := w.Nodes[0].Attached; !got.Equal(t0) {
		t.Errorf("attached at %v", got)
	}
	if !w.To.Equal(t0.Add(3 * time.Second)) {
		t.Errorf("now is %v, want the newest time", w.To)
	}
}

func TestCoverage(t *testing.T) {
	c := New()
	need := observers.Need{Type: observers.Feature, Name: "/dev/kmsg", Optional: true}
	for _, f := range []wire.Frame{
		{Hello: &wire.Hello{Specs: []observers.Spec{memory.Spec}, Clock: wire.Clock{Wall: t0}}},
		{Gap: &wire.Gap{Observer: "memory", Need: need, Why: "not there"}},
		{Gap: &wire.Gap{Observer: "memory", Need: need, Why: "not there"}},
		{Beat: &wire.Beat{Dropped: 2, Observers: map[string]observers.Stats{"memory": {Events: 5, Lost: 1}}}},
		{Pong: &wire.Pong{}}, {}, {Bye: &wire.Bye{Reason: "stopped"}},
	} {
		c.Add(wire.Sourced{Source: n1, Frame: f})
	}
	w := c.Window(window.Target{}, t0, t0)
	n := w.Nodes[0]
	if n.Name != "n1" || n.Ended != "stopped" || len(n.Observers) != 1 || n.Observers[0].State != window.Partial {
		t.Errorf("node %+v", n)
	}
	if w.Lost() != 3 || w.Ceiling() >= 0.97 {
		t.Errorf("lost %d, ceiling %v", w.Lost(), w.Ceiling())
	}
	if len(w.Gaps) != 1 {
		t.Errorf("the same gap twice is one: %+v", w.Gaps)
	}
}

func TestRefusedObserver(t *testing.T) {
	c := New()
	c.Add(wire.Sourced{Source: n1, Frame: wire.Frame{Gap: &wire.Gap{Observer: "memory", Need: observers.Need{Type: observers.Hook, Name: "tp_btf/mark_victim"}, Why: "no BTF"}}})
	if s := c.Window(window.Target{}, t0, t0).Nodes[0].Observers[0].State; s != window.Refused {
		t.Errorf("state %s", s)
	}
}

func TestFactsAreBounded(t *testing.T) {
	c := New()
	c.facts = make([]window.Fact, maxFacts)
	c.Add(wire.Sourced{Source: api, Frame: fact(t0)})
	if c.dropped != 1 || len(c.facts) != maxFacts {
		t.Errorf("dropped %d of %d", c.dropped, len(c.facts))
	}
}

func TestMerge(t *testing.T) {
	a, b := make(chan wire.Sourced), make(chan wire.Sourced)
	out := Merge(context.Background(), a, b)
	go func() {
		for range 10 {
			a <- wire.Sourced{Source: api}
		}
		close(a)
	}()
	go func() {
		for range 10 {
			b <- wire.Sourced{Source: n1}
		}
		close(b)
	}()
	n := 0
	for range out {
		n++
	}
	if n != 20 {
		t.Errorf("%d of 20 frames", n)
	}
}

func TestMergeEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	out := Merge(ctx, make(chan wire.Sourced))
	cancel()
	for range out {
		t.Error("a frame from nowhere")
	}
}
