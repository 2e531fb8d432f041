package node

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/host"
)

// victimHook is the need behind all that happens from now on.
var victimHook = observers.Need{Type: observers.Hook, Name: "tp_btf/mark_victim", Why: "OOM kills as they happen"}

// tracer is the kernel side: two attached programs and their ring buffer.
type tracer struct {
	objects bpfVariables
	coll    *ebpf.Collection
	links   []link.Link
	ring    *ringbuf.Reader

	mu    sync.Mutex
	final *cost // what it was when it was closed
}

// cost is what the kernel side did and holds.
type cost struct {
	lost  uint64
	cpu   time.Duration
	bytes uint64
}

// openTracer loads and attaches. Nothing stays behind when it fails; the error
// is an *observers.Unsupported.
func openTracer(pidNS uint64) (*tracer, error) {
	t, err := load(pidNS)
	if err != nil {
		return nil, host.Refused(victimHook, err)
	}
	return t, nil
}

func load(pidNS uint64) (_ *tracer, err error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	if err := chooseProgram(spec); err != nil {
		return nil, err
	}
	if err := spec.Variables[bpfVarPidNs].Set(uint32(pidNS)); err != nil {
		return nil, err
	}
	t := &tracer{}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.coll, err = ebpf.NewCollection(spec); err != nil {
		return nil, err
	}
	if err := t.coll.Assign(&t.objects); err != nil {
		return nil, err
	}
	if t.ring, err = ringbuf.NewReader(t.coll.Maps[bpfMapRing]); err != nil {
		return nil, err
	}
	for _, prog := range t.coll.Programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return nil, err
		}
		t.links = append(t.links, l)
	}
	return t, nil
}

// chooseProgram keeps, of the two programs for mark_victim, the one for the
// arguments that the running kernel passes: the task, or before 6.8 and its
// backports only its pid.
func chooseProgram(spec *ebpf.CollectionSpec) error {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return err
	}
	var proto *btf.Typedef
	if err := kernel.TypeByName("btf_trace_mark_victim", &proto); err != nil {
		return err
	}
	byTask, err := passesTask(proto)
	if err != nil {
		return err
	}
	if byTask {
		delete(spec.Programs, bpfProgOomKillByPid)
	} else {
		delete(spec.Programs, bpfProgOomKill)
	}
	return nil
}

// passesTask reads the type of the tracepoint's handlers, whose first argument
// is the handler's own data.
func passesTask(proto *btf.Typedef) (bool, error) {
	if ptr, ok := proto.Type.(*btf.Pointer); ok {
		if fn, ok := ptr.Target.(*btf.FuncProto); ok && len(fn.Params) > 1 {
			_, task := btf.UnderlyingType(fn.Params[1].Type).(*btf.Pointer)
			return task, nil
		}
	}
	return false, fmt.Errorf("the tracepoint mark_victim of this kernel has the unknown form %v", proto.Type)
}

// each hands over the kills that the kernel has reported. With wait it goes on
// until stop is called, without it ends when there is no more.
func (t *tracer) each(wait bool, do func(*bpfKill) error) error {
	deadline := time.Time{}
	if !wait {
		deadline = time.Unix(1, 0)
	}
	t.ring.SetDeadline(deadline)
	var rec ringbuf.Record
	for {
		err := t.ring.ReadInto(&rec)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		kill, err := decode(rec.RawSample)
		if err != nil {
			return err
		}
		if err := do(kill); err != nil {
			return err
		}
	}
}

// detach stops the programs; what they have reported can still be read, and a
// reader that waits ends after it.
func (t *tracer) detach() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	if t.ring != nil {
		errs = append(errs, t.ring.Flush())
	}
	return errors.Join(errs...)
}

// close ends everything; cost goes on to tell what it was.
func (t *tracer) close() {
	last := t.cost()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final != nil {
		return
	}
	t.final = &last
	for _, l := range t.links {
		l.Close()
	}
	if t.ring != nil {
		t.ring.Close()
	}
	if t.coll != nil {
		t.coll.Close()
	}
}

// cost reads the kernel's own counters. The time is 0 unless the node's
// administrator enabled kernel.bpf_stats_enabled.
func (t *tracer) cost() cost {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final != nil {
		return *t.final
	}
	var c cost
	if t.coll == nil {
		return c
	}
	if t.objects.Lost != nil {
		// The variable is mapped memory; a kernel that could not map it has no
		// loss to tell and the count stays 0.
		_ = t.objects.Lost.Get(&c.lost)
	}
	for name, prog := range t.coll.Programs {
		if s, err := prog.Stats(); err == nil {
			c.cpu += s.Runtime
			if name != bpfProgKernelKill {
				c.lost += s.RecursionMisses
			}
		}
	}
	for _, m := range t.coll.Maps {
		if info, err := m.Info(); err == nil {
			n, _ := info.Memlock()
			if m.Type() == ebpf.RingBuf { // before 6.4 the kernel left its pages out
				n = max(n, uint64(m.MaxEntries()))
			}
			c.bytes += n
		}
	}
	return c
}
