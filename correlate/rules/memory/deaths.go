package memory

import (
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// death is one OOM kill in a container, with what the kernel and what
// Kubernetes say of it. At least one of the two is there.
type death struct {
	at   time.Time
	kill *window.Fact // memory.oom_kill
	end  *window.Fact // lifecycle.container_ended
}

// Reasons that the kubelet gives for an end by the OOM killer.
const (
	reasonOOMKilled  = "OOMKilled"
	reasonStartError = "StartError"
)

// The API gives ends in whole seconds, written after the runtime noticed the
// exit; a kill and an end this close together are the same death.
const (
	endBeforeKill = 1500 * time.Millisecond
	endAfterKill  = 5 * time.Second
)

// deathsOf lists the OOM deaths of a container in order of time, each once.
func deathsOf(w *window.Window, container event.Key) []death {
	var out []death
	for _, k := range w.About(memory.OOMKill, container) {
		if n := len(out); n > 0 && k.At.Sub(out[n-1].kill.At) < oneDeath {
			if ofMain(k) && !ofMain(*out[n-1].kill) {
				out[n-1].kill = &k
			}
			continue
		}
		out = append(out, death{at: k.At, kill: &k})
	}
	for _, e := range w.About(lifecycle.Ended, container) {
		best, distance := -1, time.Duration(0)
		for i, d := range out {
			lag := e.At.Sub(d.at)
			if d.end != nil || d.kill == nil || lag < -endBeforeKill || lag > endAfterKill {
				continue
			}
			if best < 0 || lag.Abs() < distance {
				best, distance = i, lag.Abs()
			}
		}
		switch {
		case best >= 0:
			out[best].end = &e
		case endedByOOM(e):
			out = append(out, death{at: e.At, end: &e})
		}
	}
	slices.SortStableFunc(out, func(a, b death) int { return a.at.Compare(b.at) })
	return out
}

// oneDeath is the time within which kills in a container are one death: all
// processes of a container die together where the kubelet sets
// memory.oom.group, which it does on cgroup v2, and two sources may tell of one
// kill. No container is started and killed again this fast.
const oneDeath = time.Second

// ofMain tells whether the victim is the container's first process.
func ofMain(kill window.Fact) bool {
	return memory.VictimNSPID.Or(kill.Event, 0) == 1
}

// ofChild tells whether only a process below the first one died, as far as is
// known: the container itself lives on.
func (d death) ofChild() bool {
	pid, ok := int64(0), false
	if d.kill != nil {
		pid, ok = memory.VictimNSPID.Get(d.kill.Event)
	}
	return ok && pid != 1 && d.end == nil
}

// endedByOOM tells whether the kubelet ascribes the end to the OOM killer, be
// it that the process ran or that the runtime could not start it.
func endedByOOM(e window.Fact) bool {
	reason := lifecycle.Reason.Or(e.Event, "")
	return reason == reasonOOMKilled || initOOM(e)
}

// initOOM tells whether the runtime's own init was killed for want of memory
// before the container's process could start. The runtime has no typed reason
// for it: the reason is StartError and only its message tells.
func initOOM(e window.Fact) bool {
	return lifecycle.Reason.Or(e.Event, "") == reasonStartError &&
		containsFold(lifecycle.Message.Or(e.Event, ""), "oom")
}

// life is how long the instance lived; ok is false when nobody knows.
func (d death) life() (time.Duration, bool) {
	if d.kill != nil {
		if ns, ok := memory.VictimLife.Get(d.kill.Event); ok && ns > 0 {
			return time.Duration(ns), true
		}
	}
	if d.end != nil {
		if s, ok := lifecycle.Started.Get(d.end.Event); ok && s > 0 {
			return d.end.At.Sub(time.Unix(s, 0)), true
		}
		if initOOM(*d.end) {
			return 0, true
		}
	}
	return 0, false
}

// byOwnLimit tells whether the limit that was hit is the container's or its
// pod's own. known is false when only the runtime's OOM flag tells of the
// death, which is also set when the node ran out.
func (d death) byOwnLimit() (own, known bool) {
	if d.kill == nil {
		return false, false
	}
	c, ok := memory.Constraint.Get(d.kill.Event)
	return c == memory.ByContainer || c == memory.ByPod, ok
}

// limit is the limit that was hit, in bytes, 0 when unknown.
func (d death) limit(w *window.Window, container event.Key) int64 {
	if d.kill != nil {
		if l, ok := memory.LimiterLimit.Get(d.kill.Event); ok {
			return l
		}
	}
	return w.Graph.Limit(container)
}

// containers lists every container that an OOM fact is about, sorted.
func containers(w *window.Window) []event.Key {
	seen := map[event.Key]bool{}
	var out []event.Key
	add := func(k event.Key) {
		if !seen[k] && (k.Type == event.Container || k.Type == event.Cgroup) {
			if _, inPod := k.PodUID(); inPod {
				seen[k] = true
				out = append(out, k)
			}
		}
	}
	for _, f := range w.Of(memory.OOMKill) {
		add(f.Subject())
	}
	for _, f := range w.Of(lifecycle.Ended) {
		if endedByOOM(f) {
			add(f.Subject())
		}
	}
	slices.SortFunc(out, event.Key.Compare)
	return out
}
