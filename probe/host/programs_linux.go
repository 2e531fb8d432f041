package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/yairfalse/tapio/observers"
)

// Names that bpf/lib gives to what every object has.
const (
	ringMap      = "ring"         // lib/ring.h
	lostVariable = "lost"         // lib/ring.h
	watchedMap   = "watched"      // lib/where.h
	onlyWatched  = "only_watched" // lib/where.h
	pidNSName    = "pid_ns"
)

// Programs are the attached kernel programs of one object (one file below
// bpf/) and its ring buffer. Each program stands for itself: one that the
// kernel refuses does not stop the others.
type Programs struct {
	coll  *ebpf.Collection
	links []link.Link
	ring  *ringbuf.Reader

	mu    sync.Mutex
	final *Cost // what it was when it was closed
}

// Cost is what kernel programs did and hold.
type Cost struct {
	Lost  uint64        // events that did not fit, or whose program could not run
	CPU   time.Duration // 0 unless the node's administrator enabled kernel.bpf_stats_enabled
	Bytes uint64        // kernel memory of the maps
}

// Attach loads an object and attaches its programs, all of tracing type. needs
// has the need behind each program by its name. What the kernel refuses is told
// in refused; the error says that nothing could be attached. The object's own
// settings must have been made; pid namespace and watched cgroups are set here.
func (h *Host) Attach(spec *ebpf.CollectionSpec, needs map[string]observers.Need) (p *Programs, refused []*observers.Unsupported, err error) {
	for name := range spec.Programs {
		if _, known := needs[name]; !known {
			return nil, nil, fmt.Errorf("no need is declared for program %s", name)
		}
	}
	if v := spec.Variables[pidNSName]; v != nil {
		if err := v.Set(uint32(h.PIDNamespace())); err != nil {
			return nil, nil, err
		}
	}
	ids, unknown := h.PodCgroups()
	if v := spec.Variables[onlyWatched]; v != nil && unknown == nil {
		if err := v.Set(uint32(1)); err != nil {
			return nil, nil, err
		}
	}
	made := &Programs{}
	p = made
	defer func() {
		if err != nil {
			made.Close()
		}
	}()
	if refused, err = p.load(spec, needs); err != nil {
		return nil, refused, err
	}
	if p.ring, err = ringbuf.NewReader(p.coll.Maps[ringMap]); err != nil {
		return nil, refused, err
	}
	if err = p.Watch(ids); err != nil {
		return nil, refused, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.coll.Programs)) {
		l, err := link.AttachTracing(link.TracingOptions{Program: p.coll.Programs[name]})
		if err != nil {
			refused = append(refused, Refused(needs[name], err))
			p.coll.Programs[name].Close()
			delete(p.coll.Programs, name)
			continue
		}
		p.links = append(p.links, l)
	}
	if len(p.links) == 0 {
		return nil, refused, errors.New("the kernel took none of the programs")
	}
	return p, refused, nil
}

// load loads the object as a whole or, when the kernel refuses that, its maps
// and then each program with them.
func (p *Programs) load(spec *ebpf.CollectionSpec, needs map[string]observers.Need) (refused []*observers.Unsupported, err error) {
	if p.coll, err = ebpf.NewCollection(spec); err == nil {
		return nil, nil
	}
	bare := spec.Copy()
	bare.Programs = nil
	if p.coll, err = ebpf.NewCollection(bare); err != nil {
		for _, name := range slices.Sorted(maps.Keys(needs)) {
			refused = append(refused, Refused(needs[name], err))
		}
		return refused, err
	}
	if p.coll.Programs == nil {
		p.coll.Programs = map[string]*ebpf.Program{}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		one := spec.Copy()
		one.Programs = map[string]*ebpf.ProgramSpec{name: one.Programs[name]}
		part, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: p.coll.Maps})
		if err != nil {
			refused = append(refused, Refused(needs[name], err))
			continue
		}
		p.coll.Programs[name] = part.DetachProgram(name)
		part.Close()
	}
	return refused, nil
}

// Watch makes the programs report on tasks below these memory cgroups too.
// Objects that do not tell cgroups apart have none to watch.
func (p *Programs) Watch(ids []uint64) error {
	m := p.coll.Maps[watchedMap]
	if m == nil {
		return nil
	}
	for _, id := range ids {
		if err := m.Put(id, uint32(1)); err != nil {
			return fmt.Errorf("the kernel map of watched cgroups took no more: %w", err)
		}
	}
	return nil
}

// Attached tells whether the program of that name runs.
func (p *Programs) Attached(name string) bool { return p.coll.Programs[name] != nil }

// Counter reads a global variable of the object that counts something; 0 where
// the kernel cannot map it.
func (p *Programs) Counter(name string) (n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.coll.Variables[name]; v != nil && p.final == nil {
		_ = v.Get(&n)
	}
	return n
}

// watchEvery is how soon a pod whose cgroup was made after the start is watched.
const watchEvery = time.Second

// Follow hands over the records of the ring buffer until ctx ends; then the
// programs are detached and what they reported until then is still told. After
// each record batch, and at the latest after the time that patience gives, idle
// is called. Pods that come are watched.
func (p *Programs) Follow(ctx context.Context, h *Host, patience func() time.Duration, do func(raw []byte) error, idle func()) error {
	stop := context.AfterFunc(ctx, p.Detach)
	defer stop()
	for looked := time.Now(); ; {
		switch err := p.each(min(patience(), watchEvery), do); {
		case errors.Is(err, errDetached):
			return nil
		case err != nil:
			return err
		}
		idle()
		if time.Since(looked) >= watchEvery {
			looked = time.Now()
			if ids, err := h.PodCgroups(); err == nil {
				if err := p.Watch(ids); err != nil {
					return err
				}
			}
		}
	}
}

// each hands over records for the given time.
func (p *Programs) each(wait time.Duration, do func(raw []byte) error) error {
	p.ring.SetDeadline(time.Now().Add(wait))
	var rec ringbuf.Record
	for {
		err := p.ring.ReadInto(&rec)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, os.ErrClosed):
			return errDetached
		case err != nil:
			return err
		}
		if err := do(rec.RawSample); err != nil {
			return err
		}
	}
}

var errDetached = errors.New("the kernel programs are detached")

// Detach stops the programs; what they have reported can still be read, and a
// Follow ends after it.
func (p *Programs) Detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.Close()
	}
	p.links = nil
	if p.ring != nil && p.final == nil {
		_ = p.ring.Flush()
	}
}

// Close ends everything; Cost goes on to tell what it was.
func (p *Programs) Close() {
	last := p.Cost()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.final != nil {
		return
	}
	p.final = &last
	for _, l := range p.links {
		l.Close()
	}
	if p.ring != nil {
		p.ring.Close()
	}
	if p.coll != nil {
		p.coll.Close()
	}
}

// Cost reads the kernel's own counters. It may be called at any time.
func (p *Programs) Cost() Cost {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.final != nil {
		return *p.final
	}
	var c Cost
	if p.coll == nil {
		return c
	}
	if v := p.coll.Variables[lostVariable]; v != nil {
		// The variable is mapped memory; a kernel that could not map it has no
		// loss to tell and the count stays 0.
		_ = v.Get(&c.Lost)
	}
	for _, prog := range p.coll.Programs {
		if s, err := prog.Stats(); err == nil {
			c.CPU += s.Runtime
			c.Lost += s.RecursionMisses
		}
	}
	for _, m := range p.coll.Maps {
		if info, err := m.Info(); err == nil {
			n, _ := info.Memlock()
			if m.Type() == ebpf.RingBuf { // before 6.4 the kernel left its pages out
				n = max(n, uint64(m.MaxEntries()))
			}
			c.Bytes += n
		}
	}
	return c
}
