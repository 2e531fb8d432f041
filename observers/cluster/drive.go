package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// Entry is one observer of the catalog of cluster observers.
type Entry struct {
	Spec observers.Spec
	Open func(Source) (observers.Observer, error)
}

// API is the source of all frames that come from Kubernetes objects.
var API = wire.Source{Name: "api", Side: observers.Cluster}

const (
	maxQueued = 1 << 18 // events; a namespace of 5,000 pods makes about 30,000 at once
	beatEvery = 5 * time.Second
)

// Run is a set of cluster observers at work.
type Run struct {
	frames  chan wire.Sourced
	first   chan struct{}
	settled chan struct{}

	mu      sync.Mutex
	queue   []wire.Frame
	events  int
	eventNo uint64
	dropped uint64
	closed  bool
	marks   []chan struct{} // to be closed once the queue ran empty
	wake    chan struct{}
}

// Drive opens the observers and runs them until ctx ends. Their facts become
// frames of the source API that begin with a Hello and end with a Bye; what
// cannot be read becomes Gap frames, the failure of one observer too. The
// caller reads Frames until it is closed.
func Drive(ctx context.Context, src Source, entries []Entry) *Run {
	r := &Run{
		frames: make(chan wire.Sourced), first: make(chan struct{}), settled: make(chan struct{}),
		wake: make(chan struct{}, 1),
	}
	hello := &wire.Hello{Protocol: wire.Protocol, Clock: wire.Clock{Wall: src.Now()}}
	for _, e := range entries {
		hello.Specs = append(hello.Specs, e.Spec)
	}
	r.put(wire.Frame{Hello: hello})
	go r.write()
	go r.supervise(ctx, src, entries)
	return r
}

// Frames are the facts and gaps in the order they were found. It is closed
// after ctx ended and everything was handed over.
func (r *Run) Frames() <-chan wire.Sourced { return r.frames }

// First is closed when everything that the objects told at the start has been
// received from Frames: a first answer from the API can be given.
func (r *Run) First() <-chan struct{} { return r.first }

// Settled is closed when the slower observers (those that read logs) have had
// their first complete look as well, and the frames of it were received.
func (r *Run) Settled() <-chan struct{} { return r.settled }

// running is an opened observer.
type running struct {
	spec observers.Spec
	obs  observers.Observer
	told map[string]bool // gaps that were told
	over chan struct{}   // closed when Run returned
}

func (r *Run) supervise(ctx context.Context, src Source, entries []Entry) {
	var live []*running
	var wg sync.WaitGroup
	for _, e := range entries {
		obs, err := e.Open(src)
		if err != nil {
			r.put(gapFrame(e.Spec.Name, err))
			continue
		}
		o := &running{spec: e.Spec, obs: obs, told: map[string]bool{}, over: make(chan struct{})}
		live = append(live, o)
		r.tellGaps(o)
		wg.Go(func() {
			defer close(o.over)
			if err := guarded(ctx, o.obs, r.emit); err != nil && ctx.Err() == nil {
				r.put(gapFrame(o.spec.Name, err))
			}
		})
	}
	wg.Go(func() { r.watchMarks(ctx, live) })
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			r.beat(src, live)
		}
	}
	wg.Wait()
	r.beat(src, live)
	r.put(wire.Frame{Bye: &wire.Bye{Reason: "the run ended"}})
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.poke()
}

// guarded runs an observer and turns its panic into an error: one observer's
// fault must not take the others' facts with it.
func guarded(ctx context.Context, o observers.Observer, emit func(event.Event)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the observer failed: %v", p)
		}
	}()
	return o.Run(ctx, emit)
}

// watchMarks closes First and Settled in their time.
func (r *Run) watchMarks(ctx context.Context, live []*running) {
	await := func(ch <-chan struct{}, o *running) bool {
		select {
		case <-ch:
		case <-o.over:
		case <-ctx.Done():
			return false
		}
		r.tellGaps(o)
		return true
	}
	for _, o := range live {
		if f, ok := o.obs.(interface{ First() <-chan struct{} }); ok && !await(f.First(), o) {
			return
		}
	}
	r.mark(r.first)
	for _, o := range live {
		if s, ok := o.obs.(interface{ Settled() <-chan struct{} }); ok && !await(s.Settled(), o) {
			return
		}
	}
	r.mark(r.settled)
}

func (r *Run) beat(src Source, live []*running) {
	stats := map[string]observers.Stats{}
	for _, o := range live {
		r.tellGaps(o)
		stats[o.spec.Name] = o.obs.Stats()
	}
	r.mu.Lock()
	dropped := r.dropped
	r.mu.Unlock()
	r.put(wire.Frame{Beat: &wire.Beat{Clock: wire.Clock{Wall: src.Now()}, Observers: stats, Dropped: dropped}})
}

// tellGaps puts each gap of an observer into the stream once. Only supervise
// and watchMarks call it, which never work on one observer at the same time
// without the lock.
func (r *Run) tellGaps(o *running) {
	g, ok := o.obs.(observers.Gapper)
	if !ok {
		return
	}
	for _, u := range g.Gaps() {
		r.mu.Lock()
		told := o.told[u.Error()]
		o.told[u.Error()] = true
		r.mu.Unlock()
		if !told {
			r.put(gapFrame(o.spec.Name, u))
		}
	}
}

func gapFrame(name string, err error) wire.Frame {
	gap := &wire.Gap{Observer: name, Why: err.Error()}
	if u := (*observers.Unsupported)(nil); errors.As(err, &u) {
		gap.Need, gap.Why = u.Need, u.Why
	}
	return wire.Frame{Gap: gap}
}
