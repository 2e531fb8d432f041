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

// What the stream could not take lowers the confidence, names the observers
// whose silence means nothing, and says when, by the client's clock.
func TestLosses(t *testing.T) {
	hello := wire.Frame{Hello: &wire.Hello{Specs: []observers.Spec{memory.Spec}, Clock: wire.Clock{Wall: t0}}}
	lost := func(n uint64, by map[string]uint64, from, to int) wire.Frame {
		return wire.Frame{Lost: &wire.Lost{Events: n, Observers: by, From: t0.Add(time.Duration(from) * time.Second), To: t0.Add(time.Duration(to) * time.Second)}}
	}
	beat := wire.Frame{Beat: &wire.Beat{Observers: map[string]observers.Stats{"memory": {Events: 9, Lost: 2}}}}
	var many []wire.Frame
	for i := range maxLosses + 5 {
		many = append(many, lost(1, map[string]uint64{"memory": 1}, i+10, i+11))
	}
	for name, tt := range map[string]struct {
		frames  []wire.Frame
		lost    uint64
		memory  uint64 // lost by that observer
		losses  int
		resumed int
	}{
		"none":                     {[]wire.Frame{hello, beat}, 2, 2, 0, 0},
		"one":                      {[]wire.Frame{hello, lost(7, map[string]uint64{"memory": 7}, 1, 4), beat}, 9, 9, 1, 0},
		"after the beat":           {[]wire.Frame{hello, beat, lost(7, map[string]uint64{"memory": 7}, 1, 4)}, 9, 9, 1, 0},
		"of no observer":           {[]wire.Frame{hello, lost(7, nil, 1, 4)}, 7, 0, 1, 0},
		"of more than there were":  {[]wire.Frame{hello, lost(7, map[string]uint64{"memory": 1 << 60}, 1, 4)}, 7, 7, 1, 0},
		"resumed without loss":     {[]wire.Frame{hello, {Hello: &wire.Hello{Resumed: true, Clock: wire.Clock{Wall: t0.Add(time.Minute)}}}}, 0, 0, 0, 1},
		"more than are told apart": {append([]wire.Frame{hello}, many...), maxLosses + 5, maxLosses + 5, maxLosses, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := New()
			c.Align(n1.Name, time.Second)
			for _, f := range tt.frames {
				c.Add(wire.Sourced{Source: n1, Frame: f})
			}
			w := c.Window(window.Target{}, t0, t0)
			n := w.Nodes[0]
			if w.Lost() != tt.lost || n.Observers[0].Lost != tt.memory || len(n.Losses) != tt.losses || n.Resumed != tt.resumed {
				t.Errorf("lost %d, node %+v", w.Lost(), n)
			}
			if (w.Ceiling() < 0.97) != (tt.lost > 0) || !n.Attached.Equal(t0.Add(-time.Second)) {
				t.Errorf("ceiling %v, attached %v", w.Ceiling(), n.Attached)
			}
			sum := uint64(0)
			for _, l := range n.Losses {
				sum += l.Events
			}
			if len(n.Losses) > 0 && (sum < 7 || !n.Losses[0].From.Before(n.Losses[0].To)) {
				t.Errorf("losses %+v", n.Losses)
			}
			if tt.losses == 1 && !n.Losses[0].From.Equal(t0) {
				t.Errorf("the loss began at %v by the node's clock", n.Losses[0].From)
			}
			if tt.losses == maxLosses && !n.Losses[maxLosses-1].To.Equal(t0.Add(time.Duration(maxLosses+5+10-1)*time.Second)) {
				t.Errorf("the last loss is %+v", n.Losses[maxLosses-1])
			}
		})
	}
}

// A probe that was lost on the way has not watched to the end; one that begins
// anew has.
func TestGoneProbe(t *testing.T) {
	hello := wire.Frame{Hello: &wire.Hello{Specs: []observers.Spec{memory.Spec}, Clock: wire.Clock{Wall: t0}}}
	gap := func(need string) wire.Frame {
		return wire.Frame{Gap: &wire.Gap{Observer: wire.GapOfProbe, Need: observers.Need{Type: observers.Feature, Name: need}, Why: "x"}}
	}
	for name, tt := range map[string]struct {
		frames []wire.Frame
		gone   bool
	}{
		"alive":         {[]wire.Frame{hello}, false},
		"lost":          {[]wire.Frame{hello, gap(wire.WholeProbe + "n1")}, true},
		"a gap of it":   {[]wire.Frame{hello, gap("an unbroken stream")}, false},
		"lost and back": {[]wire.Frame{hello, gap(wire.WholeProbe + "n1"), hello}, false},
	} {
		c := New()
		for _, f := range tt.frames {
			c.Add(wire.Sourced{Source: n1, Frame: f})
		}
		if got := c.Window(window.Target{}, t0, t0).Nodes[0].Gone; got != tt.gone {
			t.Errorf("%s: gone %v", name, got)
		}
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
