// Package node reads what one node's kernel has counted since the target's
// pods and containers were started.
package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/past"
	"github.com/yairfalse/tapio/probe/host"
	"golang.org/x/sys/unix"
)

const (
	// again is how often the counters are read; they are told only when they
	// changed.
	again = 10 * time.Second
	// Bounds of one reading: what a container has beyond is left out of the sums.
	maxContainers = 128
	maxProcesses  = 64
	maxThreads    = 256
	fileLimit     = 64 << 10
)

type observer struct {
	host *host.Host
	told map[event.Key]map[event.Kind]event.Attrs

	events atomic.Uint64
}

// Open tells whether the node shows its containers.
func Open(h *host.Host) (observers.Observer, error) {
	if _, err := h.Containers(); err != nil {
		return nil, err
	}
	return &observer{host: h, told: map[event.Key]map[event.Kind]event.Attrs{}}, nil
}

// Stats may be called at any time.
func (o *observer) Stats() observers.Stats { return observers.Stats{Events: o.events.Load()} }

// Run tells the counters at once and then when they changed.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		o.look(emit)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *observer) look(emit func(event.Event)) {
	running, err := o.host.Containers()
	if err != nil {
		return
	}
	tell := func(ev event.Event) {
		key := ev.Subject()
		if maps.Equal(o.told[key][ev.Kind], ev.Attrs) {
			return
		}
		if o.told[key] == nil {
			o.told[key] = map[event.Kind]event.Attrs{}
		}
		o.told[key][ev.Kind] = ev.Attrs
		o.events.Add(1)
		emit(ev)
	}
	oldest := map[string]process{} // by pod
	for i, c := range running {
		if i == maxContainers {
			break
		}
		pid, ok := c.Main()
		if !ok {
			continue
		}
		start, ok := o.host.Started(pid)
		if !ok {
			continue
		}
		if p, seen := oldest[c.PodUID]; !seen || start.Before(p.start) {
			oldest[c.PodUID] = process{pid, start}
		}
		if ev := o.event(past.CPU, c, start); o.throttling(&ev, c) {
			tell(ev)
		}
		ev := o.event(past.Tasks, c, start)
		o.tasks(&ev, c)
		tell(ev)
	}
	for uid, p := range oldest {
		if ev, ok := o.network(uid, p); ok {
			tell(ev)
		}
	}
}

// process is the oldest process of a pod: its sandbox's.
type process struct {
	pid   int
	start time.Time
}

// event begins a fact that counts since start.
func (o *observer) event(kind event.Kind, c host.Container, start time.Time) event.Event {
	now, _ := o.host.Clock()
	return event.Event{Kind: kind, At: start, Span: max(now.Sub(start), 0), Count: 1, Refs: []event.Ref{
		{Role: event.Subject, Key: event.CgroupKey(c.PodUID, c.ID)},
		{Role: event.Owner, Key: event.PodKey(c.PodUID)},
		{Role: event.Host, Key: event.NodeKey(o.host.Node())},
	}}
}

// throttling reads the container's CPU limit and what it did; without a limit
// there is nothing to tell.
func (o *observer) throttling(ev *event.Event, c host.Container) bool {
	cpu, ok := o.host.Of(c, "cpu")
	if !ok {
		return false
	}
	quota, period := text(cpu, "cpu.cfs_quota_us"), text(cpu, "cpu.cfs_period_us")
	if _, v2 := o.host.MemoryHierarchy(); v2 {
		quota, period, _ = strings.Cut(text(cpu, "cpu.max"), " ")
	}
	return past.ReadLimit(ev, quota, period) && past.ReadThrottling(ev, text(cpu, "cpu.stat"))
}

// tasks sums up the processes of the container.
func (o *observer) tasks(ev *event.Event, c host.Container) {
	pids := c.Processes()
	var times past.Times
	var faults, threads int64
	for i, pid := range pids {
		if i == maxProcesses {
			break
		}
		dir := "/proc/" + strconv.Itoa(pid)
		faults += past.MajorFaultsOf(file(dir + "/stat"))
		entries, _ := os.ReadDir(dir + "/task") // gone: it has none
		for _, e := range entries {
			if threads++; threads <= maxThreads {
				times.Add(file(filepath.Join(dir, "task", e.Name(), "schedstat")))
			}
		}
	}
	past.Processes.Set(ev, int64(len(pids)))
	past.Threads.Set(ev, threads)
	past.Ran.Set(ev, times.Ran)
	past.Waited.Set(ev, times.Waited)
	past.MajorFaults.Set(ev, faults)
	if p, ok := o.host.Of(c, "pids"); ok {
		past.ReadPIDs(ev, text(p, "pids.max"), text(p, "pids.events"))
	}
}

// network reads the counters of the pod's network namespace, unless that is the
// node's own.
func (o *observer) network(uid string, p process) (event.Event, bool) {
	dir := "/proc/" + strconv.Itoa(p.pid)
	var own, nodes unix.Stat_t
	parent, ok := past.ParentOf(file(dir + "/stat")) // the runtime's shim, which is in the node's network
	if !ok || unix.Stat(dir+"/ns/net", &own) != nil || unix.Stat(fmt.Sprintf("/proc/%d/ns/net", parent), &nodes) != nil || own.Ino == nodes.Ino {
		return event.Event{}, false
	}
	now, _ := o.host.Clock()
	ev := event.Event{Kind: past.Network, At: p.start, Span: max(now.Sub(p.start), 0), Count: 1, Refs: []event.Ref{
		{Role: event.Subject, Key: event.PodKey(uid)}, {Role: event.Host, Key: event.NodeKey(o.host.Node())},
	}}
	found := past.ReadNetwork(&ev, file(dir+"/net/snmp"))
	found += past.ReadNetwork(&ev, file(dir+"/net/netstat"))
	return ev, found > 0
}

// text is a file of a container's cgroup; one that is not there is empty.
func text(c host.Container, name string) string {
	b, err := c.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// file is a file of /proc; one that is not there or too long is empty.
func file(path string) string {
	b, err := host.ReadSmall(path, fileLimit)
	if err != nil {
		return ""
	}
	return string(b)
}
