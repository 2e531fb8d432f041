package node

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/signals"
	"github.com/yairfalse/tapio/probe/host"
	"golang.org/x/sys/unix"
)

// What a record is (enum of bpf/signals.bpf.c).
const (
	isSignal  = 0
	isOOMMark = 1
)

// decode reads one record of the ring buffer.
func decode(raw []byte) (*bpfSent, error) {
	var s bpfSent
	if want := binary.Size(&s); len(raw) < want {
		return nil, fmt.Errorf("the kernel program sent a signal of %d bytes, expected %d: probe and program do not fit", len(raw), want)
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &s); err != nil {
		return nil, err
	}
	if s.Target.Depth > uint32(len(s.Target.Name)) || s.Sender.Depth > uint32(len(s.Sender.Name)) {
		return nil, fmt.Errorf("the kernel program sent a signal with %d and %d cgroups, more than fit", s.Target.Depth, s.Sender.Depth)
	}
	return &s, nil
}

// record takes one record of the ring. A kill by the kernel is held until it is
// known whether it was the OOM killer's.
func (o *observer) record(raw []byte, send func(event.Event)) error {
	s, err := decode(raw)
	if err != nil {
		return err
	}
	if s.What == isOOMMark {
		for i, h := range o.held {
			if h.TargetGlobal == s.TargetGlobal {
				o.held = append(o.held[:i], o.held[i+1:]...)
				o.tell(&h, true, send)
				break
			}
		}
		return nil
	}
	o.release(time.Duration(s.BootNs), send)
	if s.FromKernel != 0 && s.Sig == signals.SIGKILL && o.marks {
		o.held = append(o.held, *s)
		return nil
	}
	o.tell(s, false, send)
	return nil
}

// release tells the kills that were held long enough at a time since boot; 0
// tells all.
func (o *observer) release(boot time.Duration, send func(event.Event)) {
	for len(o.held) > 0 {
		h := o.held[0]
		if boot != 0 && boot-time.Duration(h.BootNs) < holdFor {
			return
		}
		o.held = o.held[1:]
		o.tell(&h, false, send)
	}
}

// tell emits a signal that is of the run's pods: target or sender.
func (o *observer) tell(s *bpfSent, oom bool, send func(event.Event)) {
	boot := time.Duration(s.BootNs)
	sig := signals.Signalled{
		At: o.host.Wall(boot), Node: o.host.Node(),
		Signal: s.Sig, Code: s.Code, Result: s.Result, Disposition: s.Disposition,
		First: s.First != 0, Dying: s.Dying != 0, Address: s.Address, Syscall: s.Syscall,
		Life:   time.Duration(s.BootNs - s.StartNs),
		Kernel: s.FromKernel != 0, OOM: oom,
		Target: process(&s.Target, s.TargetPid, s.TargetComm[:]),
		From:   process(&s.Sender, s.SenderPid, s.SenderComm[:]),
	}
	if o.concerns(sig.Target) || !sig.Kernel && o.concerns(sig.From) {
		send(sig.Event())
	}
}

func (o *observer) concerns(p signals.Process) bool {
	return p.PodUID != "" && o.host.InScope(p.PodUID)
}

func process(at *bpfCgroupPath, pid bpfPidNumbers, comm []byte) signals.Process {
	names := make([]string, at.Depth)
	for i := range names {
		names[i] = unix.ByteSliceToString(at.Name[i][:])
	}
	path := host.JoinCgroup(names, at.Cut != 0)
	uid, id, _ := host.ParseCgroup(path)
	return signals.Process{
		PodUID: uid, ContainerID: id, Path: path,
		PID: int64(pid.Asked), NSPID: int64(pid.Own), Comm: unix.ByteSliceToString(comm),
	}
}
