package node

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"golang.org/x/sys/unix"
)

// decode reads one record of the ring buffer.
func decode(raw []byte) (*bpfKill, error) {
	var k bpfKill
	if want := binary.Size(&k); len(raw) < want {
		return nil, fmt.Errorf("the kernel program sent an OOM kill of %d bytes, expected %d: probe and program do not fit", len(raw), want)
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &k); err != nil {
		return nil, err
	}
	if k.Victim.Depth > uint32(len(k.Victim.Level)) || k.Trigger.Depth > uint32(len(k.Trigger.Level)) {
		return nil, fmt.Errorf("the kernel program sent an OOM kill with %d and %d cgroups, more than fit", k.Victim.Depth, k.Trigger.Depth)
	}
	return &k, nil
}

// chain turns the cgroups of a task into portable form.
func chain(c *bpfCgroupChain) memory.Chain {
	levels := make(memory.Chain, c.Depth)
	for i := range levels {
		l := &c.Level[i]
		levels[i] = memory.Level{
			ID: l.Id, Name: unix.ByteSliceToString(l.Name[:]),
			Usage: l.Usage, Max: l.Max, Failcnt: l.Failcnt, OOM: l.Oom != 0,
		}
	}
	return levels
}

// kill states what the kernel reported.
func (o *observer) kill(k *bpfKill) (event.Event, memory.Chain) {
	victims, page := chain(&k.Victim), uint64(os.Getpagesize())
	limit, limited := victims.Limiting(k.OomKnown != 0)
	boot := time.Duration(k.BootNs)
	kill := memory.Kill{
		At: o.host.Wall(boot), Boot: boot, Node: o.host.Node(), Origin: memory.FromTracepoint,
		Victim:   o.locate.At(victims.Path(0, k.Victim.Cut != 0)),
		NodeWide: !limited,
	}
	if limited {
		limiter := o.locate.At(victims.Path(limit, k.Victim.Cut != 0))
		kill.Limiter = &limiter
	}
	if k.TriggerKthread == 0 {
		trigger := o.locate.At(chain(&k.Trigger).Path(0, k.Trigger.Cut != 0))
		kill.Trigger = &trigger
	}
	ev := kill.Event()
	pid := func(f event.Field[int64], n uint32) {
		if n != 0 { // 0 is a process that the namespace does not hold
			f.Set(&ev, int64(n))
		}
	}
	pid(memory.VictimPID, k.VictimPid.Asked)
	pid(memory.VictimNSPID, k.VictimPid.Own)
	pid(memory.TriggerPID, k.TriggerPid.Asked)
	memory.VictimComm.Set(&ev, memory.Clean(unix.ByteSliceToString(k.VictimComm[:])))
	memory.TriggerComm.Set(&ev, memory.Clean(unix.ByteSliceToString(k.TriggerComm[:])))
	memory.VictimAnon.Set(&ev, pages(k.AnonPages, page))
	memory.VictimFile.Set(&ev, pages(k.FilePages, page))
	memory.VictimShmem.Set(&ev, pages(k.ShmemPages, page))
	memory.OOMScoreAdj.Set(&ev, int64(k.OomScoreAdj))
	memory.VictimLife.Set(&ev, int64(k.BootNs-k.StartNs))
	if limited {
		l := victims[limit]
		memory.LimiterUsage.Set(&ev, int64(l.Usage*page))
		memory.LimiterLimit.Set(&ev, int64(l.Max*page))
		memory.LimiterFailcnt.Set(&ev, int64(l.Failcnt))
	}
	return ev, victims
}

// pages turns one of a process's counters into bytes. The kernel keeps parts of
// them for each CPU, so a small one can read below zero.
func pages(n int64, size uint64) int64 { return max(n, 0) * int64(size) }
