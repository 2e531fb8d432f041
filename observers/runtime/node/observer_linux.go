// Package node observes the processes of containers on one node.
package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/probe/host"
)

// needs has the need behind each program of bpf/runtime.bpf.c.
var needs = map[string]observers.Need{
	bpfProgEnded:   {Type: observers.Hook, Name: "tp_btf/sched_process_exit", Why: "how processes of containers end"},
	bpfProgStarted: {Type: observers.Hook, Name: "tp_btf/sched_process_exec", Why: "what is started in containers", Optional: true},
}

type observer struct {
	host     *host.Host
	programs *host.Programs
	gaps     []*observers.Unsupported
	mains    runtime.Mains
	seeded   time.Time

	events atomic.Uint64
	lost   atomic.Uint64 // beyond the budget
}

// Open loads and attaches the kernel programs, so that no end escapes between
// now and Run, which gives back what Open took.
func Open(h *host.Host) (observers.Observer, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	p, refused, err := h.Attach(spec, needs)
	if err != nil {
		for _, u := range refused {
			err = errors.Join(err, u)
		}
		return nil, host.Refused(needs[bpfProgEnded], err)
	}
	o := &observer{host: h, programs: p, gaps: refused}
	if _, err := h.PodCgroups(); err != nil {
		o.gaps = append(o.gaps, host.Refused(host.MemoryCgroup, err))
	}
	o.seed()
	return o, nil
}

// Gaps lists what cannot be seen on this node.
func (o *observer) Gaps() []*observers.Unsupported { return o.gaps }

// Stats may be called at any time.
func (o *observer) Stats() observers.Stats {
	c := o.programs.Cost()
	return observers.Stats{Events: o.events.Load(), Lost: o.lost.Load() + c.Lost, CPU: c.CPU, Bytes: c.Bytes}
}

// seedEvery is how often the containers that run are looked through.
const seedEvery = 10 * time.Second

// Run emits what is started and what ends.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	defer o.programs.Close()
	budget := host.Budget{PerSecond: runtime.Spec.Budget.EventsPerSecond}
	send := func(ev event.Event) {
		if !budget.Pass(time.Now()) {
			o.lost.Add(1)
			return
		}
		o.events.Add(1)
		emit(ev)
	}
	return o.programs.Follow(ctx, o.host,
		func() time.Duration { return time.Second },
		func(raw []byte) error { return o.record(raw, send) },
		func() {
			if time.Since(o.seeded) >= seedEvery {
				o.seed()
			}
		})
}

// seed learns the first process of each container that runs.
func (o *observer) seed() {
	o.seeded = time.Now()
	running, err := o.host.Containers()
	if err != nil {
		return // a gap says so
	}
	now := map[uint64]bool{}
	for _, c := range running {
		now[c.Inode] = true
		if pid, ok := c.Main(); ok {
			o.mains.Seed(c.Inode, int64(pid))
		}
	}
	o.mains.Keep(now)
}
