package node

import (
	"context"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/host"
)

// sample emits the memory use of each container at once when it is first seen
// and then again and again.
func (o *observer) sample(ctx context.Context, send func(event.Event)) error {
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	seen := map[uint64]bool{}
	for turn := 0; ; turn++ {
		seen = o.scan(seen, turn%int(sampleEvery/scanEvery) == 0, send)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// scan samples the containers that were not seen before, or all of them, and
// returns those that run.
func (o *observer) scan(seen map[uint64]bool, all bool, send func(event.Event)) map[uint64]bool {
	running, err := o.host.Containers()
	if err != nil {
		return nil // a gap says so
	}
	now := make(map[uint64]bool, len(running))
	for _, c := range running {
		now[c.Inode] = true
		if all || !seen[c.Inode] {
			o.sampleOne(c, send)
		}
	}
	return now
}

func (o *observer) sampleOne(c host.Container, send func(event.Event)) {
	at, _ := o.host.Clock()
	cgroup := memory.Cgroup{Path: c.Dir, Place: memory.Place{PodUID: c.PodUID, ContainerID: c.ID}}
	_, v2 := o.host.MemoryHierarchy()
	ev, err := memory.Sample(at, cgroup, o.host.Node(), v2, c.ReadFile)
	switch {
	case err == nil:
		send(ev)
	case !memory.Gone(err):
		o.lost.Add(1)
	}
}
