// Package cluster reads the last log lines of the target's containers, and of
// those that name a Service of the target, for failures to reach a peer. The
// lines themselves never leave it.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
)

const (
	maxPods       = 20
	maxContainers = 8 // of one pod
	parallel      = 4
	limitBytes    = 256 << 10
	readTimeout   = 5 * time.Second
	every         = 10 * time.Second
)

// tails are the numbers of lines asked for. The API cuts what exceeds the bytes
// at the end, where the newest lines are; then fewer lines are asked for.
var tails = []int64{400, 100, 25}

type observer struct {
	src     source.Source
	settled chan struct{}
	done    map[string]*progress // by instance
	events  atomic.Uint64

	mu      sync.Mutex
	gaps    []*observers.Unsupported
	refused bool
}

// progress is how far the log of one instance was read.
type progress struct {
	cursor
	complete bool // the instance ended before the last read
}

// Open makes the observer. It needs the list of pods to know whose logs to read.
func Open(src source.Source) (observers.Observer, error) {
	var u *source.Unknown
	if errors.As(src.Known(source.Pods), &u) && u.Final {
		return nil, &observers.Unsupported{Need: logs.Spec.Needs[0], Why: u.Error()}
	}
	return &observer{src: src, settled: make(chan struct{}), done: map[string]*progress{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	wait, cancel := context.WithTimeout(ctx, source.SyncTimeout)
	_ = o.src.Wait(wait, source.Pods, source.Services, source.EndpointSlices) // without them the scope is smaller
	cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for first := true; ctx.Err() == nil; first = false {
		err := o.round(ctx, emit)
		if first {
			close(o.settled)
		}
		if err != nil {
			return err
		}
		if o.src.Static() || o.isRefused() {
			<-ctx.Done()
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// Settled is closed when all logs of the scope have been read once.
func (o *observer) Settled() <-chan struct{} { return o.settled }

// Stats implements observers.Observer.
func (o *observer) Stats() observers.Stats { return observers.Stats{Events: o.events.Load()} }

// Gaps implements observers.Gapper: logs that may not or could not be read, and
// pods that were left out. They become known while it runs.
func (o *observer) Gaps() []*observers.Unsupported {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.gaps)
}

func (o *observer) gap(why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps = append(o.gaps, &observers.Unsupported{Need: logs.Spec.Needs[0], Why: why})
}

func (o *observer) isRefused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// round reads what is new in all logs of the scope and tells it.
func (o *observer) round(ctx context.Context, emit func(event.Event)) error {
	scope, err := newScope(o.src)
	if err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	if why := scope.leftOut(); why != "" && len(o.done) == 0 {
		o.gap(why)
	}
	var tasks []*task
	for _, in := range scope.instances() {
		p := o.done[in.id]
		if p == nil {
			p = &progress{}
			o.done[in.id] = p
		}
		if !p.complete {
			tasks = append(tasks, &task{instance: in, progress: p})
		}
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, t := range tasks {
		if ctx.Err() != nil || o.isRefused() {
			break
		}
		g.Go(func() error {
			if !o.isRefused() {
				o.read(ctx, t)
			}
			return nil
		})
	}
	_ = g.Wait() // failures stay with their task
	o.tellFailures(ctx, tasks)
	for _, e := range o.facts(scope, tasks) {
		o.events.Add(1)
		emit(source.Timed(e, o.src.Now()))
	}
	return nil
}

// task is the reading of one instance's log.
type task struct {
	instance
	*progress
	groups []group
	err    error
}

func (o *observer) facts(sc *scope, tasks []*task) []event.Event {
	var out []event.Event
	for _, t := range tasks {
		for _, g := range t.groups {
			uid := string(source.UID(t.pod))
			e := event.Event{
				Kind: logs.Failure, At: g.first, Span: g.last.Sub(g.first), Count: g.count,
				Refs: []event.Ref{
					{Role: event.Subject, Key: event.ContainerKey(uid, t.container)},
					{Role: event.Owner, Key: event.PodKey(uid)},
				},
			}
			if g.Own {
				e.Kind = logs.Trouble
			} else if peer, ok := sc.peer(t.pod.Namespace, g.Target); ok {
				e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: peer})
			}
			logs.What.Set(&e, g.What)
			logs.Target.Set(&e, g.Target)
			logs.Previous.Set(&e, t.previous)
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Subject().ID, b.Subject().ID))
	})
	return out
}
