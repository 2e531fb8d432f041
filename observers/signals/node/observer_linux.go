// Package node observes the signals of one node that can end a process.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/signals"
	"github.com/yairfalse/tapio/probe/host"
)

// holdFor is how long a kill by the kernel waits for the mark that tells it from
// one by the OOM killer. The kernel makes both within microseconds.
const holdFor = 100 * time.Millisecond

// needs has the need behind each program of bpf/signals.bpf.c.
var needs = map[string]observers.Need{
	bpfProgSignalSent: {Type: observers.Hook, Name: "tp_btf/signal_generate", Why: "who sent which signal to whom"},
	bpfProgOomMarked:  {Type: observers.Hook, Name: "tp_btf/mark_victim", Why: "telling the OOM killer from other senders in the kernel", Optional: true},
}

type observer struct {
	host     *host.Host
	programs *host.Programs
	log      *host.KernelLog // nil where the node does not show it
	gaps     []*observers.Unsupported
	marks    bool      // the OOM killer's marks are seen
	held     []bpfSent // kills by the kernel, oldest first

	events atomic.Uint64
	lost   atomic.Uint64 // beyond the budget
}

// Open loads and attaches the kernel programs, so that no signal escapes
// between now and Run, which gives back what Open took.
func Open(h *host.Host) (observers.Observer, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	p, refused, err := h.Attach(spec, needs)
	if err != nil {
		return nil, host.Refused(needs[bpfProgSignalSent], errors.Join(err, first(refused)))
	}
	o := &observer{host: h, programs: p, gaps: refused, marks: p.Attached(bpfProgOomMarked)}
	if !p.Attached(bpfProgSignalSent) {
		p.Close()
		return nil, first(refused)
	}
	if o.log, err = h.KernelLog(); err != nil {
		o.gaps = append(o.gaps, host.Refused(host.KernelLogFile, err))
	}
	if _, err := h.PodCgroups(); err != nil {
		o.gaps = append(o.gaps, host.Refused(host.MemoryCgroup, err))
	}
	return o, nil
}

func first(refused []*observers.Unsupported) error {
	if len(refused) == 0 {
		return nil
	}
	return refused[0]
}

// Gaps lists what cannot be seen on this node.
func (o *observer) Gaps() []*observers.Unsupported { return o.gaps }

// Stats may be called at any time.
func (o *observer) Stats() observers.Stats {
	c := o.programs.Cost()
	return observers.Stats{Events: o.events.Load(), Lost: o.lost.Load() + c.Lost, CPU: c.CPU, Bytes: c.Bytes}
}

// Run tells the faults that the kernel log remembers and then the signals as
// they are sent.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	defer o.programs.Close()
	budget := host.Budget{PerSecond: signals.Spec.Budget.EventsPerSecond}
	send := func(ev event.Event) {
		if !budget.Pass(time.Now()) {
			o.lost.Add(1)
			return
		}
		o.events.Add(1)
		emit(ev)
	}
	if err := o.past(send); err != nil {
		return err
	}
	defer o.release(0, send)
	return o.programs.Follow(ctx, o.host, o.patience,
		func(raw []byte) error { return o.record(raw, send) },
		func() {
			_, boot := o.host.Clock()
			o.release(boot, send)
		})
}

// patience is how long to wait for the next record.
func (o *observer) patience() time.Duration {
	if len(o.held) > 0 {
		return holdFor
	}
	return time.Second
}

// mostLogged bounds how many faults of the log are told: the newest.
const mostLogged = 100

// past tells the faults that the kernel log remembers, and gives the log back.
func (o *observer) past(send func(event.Event)) error {
	if o.log == nil {
		return nil
	}
	defer o.log.Close()
	var found []event.Event
	for {
		rec, err := o.log.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the node's kernel log broke off: %w", err)
		}
		if l, ok := signals.LineOf(rec.Text); ok && !rec.Continues {
			found = append(found, l.Event(o.host.Wall(rec.At), o.host.Node(), o.host.InitPIDNamespace()))
		}
	}
	for _, ev := range found[max(0, len(found)-mostLogged):] {
		send(ev)
	}
	return nil
}
