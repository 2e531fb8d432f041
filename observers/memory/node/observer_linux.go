// Package node observes the memory of one node: OOM kills as the kernel makes
// them and as its log remembers them, and the use of containers' cgroups.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/host"
	"golang.org/x/sync/errgroup"
)

const (
	scanEvery   = time.Second     // how soon a new container is seen
	sampleEvery = 2 * time.Second // how often each container is sampled
)

// observer is the opened observer. Sources that this node does not offer are
// nil and told as gaps.
type observer struct {
	host   *host.Host
	locate memory.Locate
	tracer *tracer
	log    *host.KernelLog
	gaps   []*observers.Unsupported

	mu     sync.Mutex // makes emit one at a time
	events atomic.Uint64
	lost   atomic.Uint64
}

// Open loads and attaches the kernel programs, so that no kill escapes between
// now and Run, and opens the kernel log. What the node does not offer becomes a
// gap; only when nothing is left to see the error, an *observers.Unsupported,
// says so. What Open took Run gives back.
func Open(h *host.Host) (observers.Observer, error) {
	o := &observer{host: h, locate: locate}
	var err error
	if o.tracer, err = openTracer(h.PIDNamespace()); err != nil {
		o.gap(err)
	}
	if o.log, err = h.KernelLog(); err != nil {
		o.gap(err)
	}
	if _, err = h.Containers(); err != nil {
		o.gap(err)
	}
	if o.tracer == nil && o.log == nil && err != nil {
		return nil, o.gaps[0]
	}
	return o, nil
}

func (o *observer) gap(err error) {
	var u *observers.Unsupported
	if !errors.As(err, &u) {
		u = &observers.Unsupported{Need: victimHook, Why: err.Error()}
	}
	o.gaps = append(o.gaps, u)
}

// locate reads a cgroup's path for Kubernetes.
func locate(path string) memory.Place {
	uid, id, _ := host.ParseCgroup(path)
	return memory.Place{PodUID: uid, ContainerID: id}
}

// Gaps lists what cannot be seen on this node.
func (o *observer) Gaps() []*observers.Unsupported { return o.gaps }

// Stats may be called at any time.
func (o *observer) Stats() observers.Stats {
	s := observers.Stats{Events: o.events.Load(), Lost: o.lost.Load()}
	if o.tracer != nil {
		c := o.tracer.cost()
		s.Lost, s.CPU, s.Bytes = s.Lost+c.lost, c.cpu, c.bytes
	}
	return s
}

// Run tells the past first and then what happens.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	defer o.close()
	send := func(ev event.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events.Add(1)
		emit(ev)
	}
	if err := o.past(send); err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	if o.tracer != nil {
		all.Go(func() error { return o.follow(ctx, send) })
	} else if o.log != nil {
		reader := &memory.Reader{}
		all.Go(func() error {
			return o.log.Follow(ctx, func(rec host.Record) { o.logged(reader, rec, send) })
		})
	}
	all.Go(func() error { return o.sample(ctx, send) })
	return all.Wait()
}

func (o *observer) close() {
	if o.tracer != nil {
		o.tracer.close()
	}
	if o.log != nil {
		o.log.Close()
	}
}

// follow emits the kills that the programs report. When ctx ends the programs
// are detached first and what they reported until then is still told.
func (o *observer) follow(ctx context.Context, send func(event.Event)) error {
	stop := context.AfterFunc(ctx, func() { _ = o.tracer.detach() })
	defer stop()
	return o.tracer.each(true, func(k *bpfKill) error {
		o.traced(k, send)
		return nil
	})
}

// traced emits a kill that the programs reported if it is of this node.
func (o *observer) traced(k *bpfKill, send func(event.Event)) {
	ev, victims := o.kill(k)
	if o.ours(ev, func(root uint64, _ string) bool {
		for _, l := range victims {
			if l.ID == root {
				return true
			}
		}
		return false
	}) {
		send(ev)
	}
}

// ours tells whether a kill matters here: it touches a pod of this node, or the
// whole node ran out of memory. Where nodes share a kernel, below decides
// whether the victim is in the cgroup that this node's kubelet keeps its pods
// in.
func (o *observer) ours(ev event.Event, below func(root uint64, path string) bool) bool {
	if limit, _ := memory.Constraint.Get(ev); limit == memory.ByNode {
		return true
	}
	touches := false
	for _, ref := range ev.Refs {
		_, pod := ref.Key.PodUID()
		touches = touches || pod
	}
	if !touches {
		return false
	}
	root, path := o.host.KubeletRoot()
	return root == 0 || below(root, path)
}

// past emits the kills from before the programs were attached: the kernel log
// is read to its end, and what the programs reported meanwhile is told once.
func (o *observer) past(send func(event.Event)) error {
	var reports []memory.Report
	if o.log != nil {
		reader := &memory.Reader{}
		for {
			rec, err := o.log.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("the node's kernel log broke off: %w", err)
			}
			if rep, done := reader.Add(line(rec)); done {
				reports = append(reports, rep)
			}
		}
	}
	var traced []bpfKill
	if o.tracer != nil {
		if err := o.tracer.each(false, func(k *bpfKill) error {
			traced = append(traced, *k)
			return nil
		}); err != nil {
			return err
		}
	}
	for _, rep := range reports {
		if !known(rep, traced) {
			o.report(rep, send)
		}
	}
	for i := range traced {
		o.traced(&traced[i], send)
	}
	return nil
}
