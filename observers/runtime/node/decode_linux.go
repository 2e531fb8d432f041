package node

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/probe/host"
	"golang.org/x/sys/unix"
)

// isExec is what a record is that tells of a start (enum of bpf/runtime.bpf.c).
const isExec = 0

// decode reads one record of the ring buffer.
func decode(raw []byte) (*bpfProcess, error) {
	var p bpfProcess
	if want := binary.Size(&p); len(raw) < want {
		return nil, fmt.Errorf("the kernel program sent a process of %d bytes, expected %d: probe and program do not fit", len(raw), want)
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &p); err != nil {
		return nil, err
	}
	if p.Where.Depth > uint32(len(p.Where.Name)) {
		return nil, fmt.Errorf("the kernel program sent a process with %d cgroups, more than fit", p.Where.Depth)
	}
	return &p, nil
}

// record emits what a record of the ring tells, if it is of the run's pods.
func (o *observer) record(raw []byte, send func(event.Event)) error {
	r, err := decode(raw)
	if err != nil {
		return err
	}
	names := make([]string, r.Where.Depth)
	for i := range names {
		names[i] = unix.ByteSliceToString(r.Where.Name[i][:])
	}
	boot := time.Duration(r.BootNs)
	p := runtime.Process{
		At: o.host.Wall(boot), Node: o.host.Node(), Path: host.JoinCgroup(names, r.Where.Cut != 0),
		PID: int64(r.Pid.Asked), NSPID: int64(r.Pid.Own), Comm: unix.ByteSliceToString(r.Comm[:]),
	}
	p.PodUID, p.ContainerID, _ = host.ParseCgroup(p.Path)
	if p.PodUID == "" || !o.host.InScope(p.PodUID) {
		return nil
	}
	program := unix.ByteSliceToString(r.File[:])
	if r.What == isExec {
		if runtime.IsRuntime(p.Comm, program) {
			return nil
		}
		p.Main = o.mains.Started(r.Where.Id, p.PID)
		send(p.Started(program))
		return nil
	}
	if r.Status == 0 && runtime.IsRuntime(p.Comm, "") {
		return nil
	}
	p.Main = r.First != 0 && p.ContainerID != "" || o.mains.Is(r.Where.Id, p.PID)
	send(p.Ended(r.Status, r.Oom != 0, time.Duration(r.BootNs-r.StartNs)))
	return nil
}
