// Package collect gathers the frames of all sources of a run and makes the
// window that rules look at. It is the one place where node clocks are aligned
// with the client's.
package collect

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/wire"
)

// maxFacts bounds the memory of a run; what comes after is counted as lost.
const maxFacts = 500_000

// Collector is safe for concurrent use.
type Collector struct {
	mu         sync.Mutex
	facts      []window.Fact
	gaps       []window.Gap
	nodes      map[string]*node
	offsets    map[string]time.Duration
	boots      map[string]string // boot ids by source
	dropped    uint64
	apiDropped uint64
}

// maxLosses bounds the losses of a node that are told one by one; further ones
// widen the last.
const maxLosses = 16

type node struct {
	window.Node
	states map[string]*window.ObserverState
	// What losses say, beside what the beats count: by observer, and the rest.
	lost    map[string]uint64
	unnamed uint64
}

// New returns an empty collector.
func New() *Collector {
	return &Collector{nodes: map[string]*node{}, offsets: map[string]time.Duration{}, boots: map[string]string{}}
}

// Merge passes on the frames of all sources until each is closed or ctx ends.
func Merge(ctx context.Context, sources ...<-chan wire.Sourced) <-chan wire.Sourced {
	out := make(chan wire.Sourced, 256)
	var wg sync.WaitGroup
	for _, src := range sources {
		wg.Go(func() {
			for {
				select {
				case f, ok := <-src:
					if !ok {
						return
					}
					select {
					case out <- f:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	return out
}

// Align says by how much a source's clock is ahead of the client's.
func (c *Collector) Align(source string, ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offsets[source] = ahead
}

// Add takes one frame. Frames of kinds that say nothing about the cluster are
// passed over.
func (c *Collector) Add(f wire.Sourced) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.Event != nil:
		if len(c.facts) >= maxFacts {
			c.dropped++
			return
		}
		e := *f.Event
		if e.Seq == 0 {
			e.Seq = f.Seq
		}
		c.facts = append(c.facts, window.Fact{Event: e, Source: f.Source.Name, Side: f.Source.Side})
	case f.Gap != nil:
		c.gaps = append(c.gaps, window.Gap{Source: sourceLabel(f.Source), Side: f.Source.Side, Observer: f.Gap.Observer, Need: f.Gap.Need, Why: f.Gap.Why})
		if f.Source.Side == observers.Node && f.Gap.Observer != "" {
			n := c.node(f.Source)
			n.observer(f.Gap.Observer).State = stateOf(f.Gap.Need)
			n.Gone = n.Gone || f.Gap.Ends()
		}
	case f.Source.Side != observers.Node:
		c.addFromAPI(f)
	case f.Hello != nil && f.Hello.Resumed:
		c.node(f.Source).Resumed++
	case f.Lost != nil:
		c.node(f.Source).addLoss(*f.Lost)
	case f.Hello != nil:
		n := c.node(f.Source)
		c.boots[f.Source.Name] = f.Hello.BootID
		n.Gone = false
		n.Attached, n.Ended = f.Hello.Clock.Wall, ""
		for _, s := range f.Hello.Specs {
			n.observer(s.Name)
		}
	case f.Beat != nil:
		n := c.node(f.Source)
		n.Dropped = f.Beat.Dropped
		for name, stats := range f.Beat.Observers {
			n.observer(name).Stats = stats
		}
	case f.Bye != nil:
		c.node(f.Source).Ended = f.Bye.Reason
	}
}

// addFromAPI keeps what an API source had to drop; it is no node, so the rest
// of its frames says nothing about coverage.
func (c *Collector) addFromAPI(f wire.Sourced) {
	if f.Beat != nil {
		c.apiDropped = f.Beat.Dropped
	}
}

func stateOf(need observers.Need) string {
	if need.Optional {
		return window.Partial
	}
	return window.Refused
}

func (c *Collector) node(s wire.Source) *node {
	n := c.nodes[s.Name]
	if n == nil {
		n = &node{Node: window.Node{Name: sourceLabel(s)}, states: map[string]*window.ObserverState{}, lost: map[string]uint64{}}
		c.nodes[s.Name] = n
	}
	return n
}

func (n *node) observer(name string) *window.ObserverState {
	o := n.states[name]
	if o == nil {
		o = &window.ObserverState{Name: name, State: window.Attached}
		n.states[name] = o
	}
	return o
}

// addLoss takes what a probe says it had to drop. Events of no known observer
// count for the node as a whole.
func (n *node) addLoss(l wire.Lost) {
	rest := l.Events
	for name, k := range l.Observers {
		if k = min(k, rest); k > 0 {
			n.observer(name)
			n.lost[name] += k
			rest -= k
		}
	}
	n.unnamed += rest
	if len(n.Losses) < maxLosses {
		n.Losses = append(n.Losses, window.Loss{Events: l.Events, From: l.From, To: l.To})
		return
	}
	last := &n.Losses[maxLosses-1]
	last.Events += l.Events
	if l.From.Before(last.From) {
		last.From = l.From
	}
	if l.To.After(last.To) {
		last.To = l.To
	}
}

// sourceLabel is the node's name for a node's source, else the source's own.
func sourceLabel(s wire.Source) string {
	return strings.TrimPrefix(s.Name, "node/")
}

// Seen counts the facts so far.
func (c *Collector) Seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.facts)
}

// Window makes the window over everything collected so far. A zero now is the
// newest time among the facts.
func (c *Collector) Window(target window.Target, from, now time.Time) *window.Window {
	c.mu.Lock()
	in := window.Input{Target: target, From: from, Now: now, Gaps: append([]window.Gap(nil), c.gaps...)}
	in.Facts = twins(slices.Clone(c.facts), c.boots)
	for i := range in.Facts {
		f := &in.Facts[i]
		f.At = f.At.Add(-c.offsets[f.Source])
	}
	for name, n := range c.nodes {
		copied := n.Node
		copied.Dropped += n.unnamed
		copied.Losses = slices.Clone(n.Losses)
		for i := range copied.Losses {
			copied.Losses[i].From = copied.Losses[i].From.Add(-c.offsets[name])
			copied.Losses[i].To = copied.Losses[i].To.Add(-c.offsets[name])
		}
		if !copied.Attached.IsZero() {
			copied.Attached = copied.Attached.Add(-c.offsets[name])
		}
		for name, o := range n.states {
			state := *o
			state.Lost += n.lost[name]
			copied.Observers = append(copied.Observers, state)
		}
		in.Nodes = append(in.Nodes, copied)
	}
	in.Dropped = c.dropped + c.apiDropped
	c.mu.Unlock()
	return window.New(in)
}
