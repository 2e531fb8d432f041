// Package runtime holds the facts about the processes of containers as the
// node's kernel sees them: what was started in a container from outside, and
// how it ended.
package runtime

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Exec event.Kind = "runtime.exec"
	Exit event.Kind = "runtime.exit"
)

// Fields of both kinds. Subject is the cgroup that the process is in, Owner its
// pod, Host the node.
var (
	PID   = event.Field[int64]{Name: "pid", Unit: event.PID, Doc: "process id, as the probe's pid namespace numbers it"}
	NSPID = event.Field[int64]{Name: "ns_pid", Unit: event.PID, Doc: "process id inside the container"}
	Comm  = event.Field[string]{Name: "comm", Doc: "command name"}
	Main  = event.Field[bool]{Name: "main", Doc: "the container's first process, with which the container ends"}
)

// Program is a field of Exec.
var Program = event.Field[string]{Name: "program", Doc: "path of the program, as it was given, at most 127 bytes"}

// Fields of Exit.
var (
	Code   = event.Field[int64]{Name: "exit_code", Doc: "exit code of the process; absent when a signal ended it"}
	Signal = event.Field[int64]{Name: "signal", Doc: "signal that ended the process; absent when it exited"}
	Core   = event.Field[bool]{Name: "core", Doc: "a core was dumped"}
	OOM    = event.Field[bool]{Name: "oom", Doc: "the OOM killer had chosen the process"}
	Life   = event.Field[int64]{Name: "life", Unit: event.Nanos, Doc: "time from the start of the process to its end"}
)

// Spec declares the observer. MapBytes is the ring buffer.
var Spec = observers.Spec{
	Name: "runtime",
	Side: observers.Node,
	Doc:  "processes of the target's containers: what was started in them from outside, and how these and all that a signal ended came to their end",
	Emits: []observers.Schema{
		{Kind: Exec, Meaning: "a program was started in a container from outside of it: the container's own, that of a probe or of an exec",
			Fields: event.Fields(PID, NSPID, Comm, Main, Program)},
		{Kind: Exit, Meaning: "a process that was started from outside ended, or a signal ended any process of a container",
			Fields: event.Fields(PID, NSPID, Comm, Main, Code, Signal, Core, OOM, Life)},
	},
	Needs: []observers.Need{
		{Type: observers.Hook, Name: "tp_btf/sched_process_exit", Why: "how processes of containers end"},
		{Type: observers.Hook, Name: "tp_btf/sched_process_exec", Why: "what is started in containers", Optional: true},
		{Type: observers.Feature, Name: "memory cgroup", Why: "which processes are of the target's containers", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200, MapBytes: 512 << 10},
}

// Process is what a record tells of a process, before it becomes an event.
type Process struct {
	At                  time.Time
	Node                string
	PodUID, ContainerID string
	Path                string // of its memory cgroup
	PID, NSPID          int64  // 0: not known
	Comm                string
	Main                bool
}

func (p Process) event(kind event.Kind) event.Event {
	ev := event.Event{Kind: kind, At: p.At, Count: 1, Refs: []event.Ref{
		{Role: event.Subject, Key: event.CgroupAt(p.PodUID, p.ContainerID, p.Path)},
	}}
	if p.PodUID != "" {
		ev.Refs = append(ev.Refs, event.Ref{Role: event.Owner, Key: event.PodKey(p.PodUID)})
	}
	ev.Refs = append(ev.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(p.Node)})
	if p.PID > 0 {
		PID.Set(&ev, p.PID)
	}
	if p.NSPID > 0 {
		NSPID.Set(&ev, p.NSPID)
	}
	Comm.Set(&ev, clean(p.Comm))
	Main.Set(&ev, p.Main)
	return ev
}

// Started states that a program was started.
func (p Process) Started(program string) event.Event {
	ev := p.event(Exec)
	if program != "" {
		Program.Set(&ev, clean(program))
	}
	return ev
}

// Ended states the end of the process. status is as wait(2) gives it: a signal
// in the low seven bits, 0x80 for a core, the exit code above.
func (p Process) Ended(status uint32, oom bool, life time.Duration) event.Event {
	ev := p.event(Exit)
	if sig := status & 0x7f; sig != 0 {
		Signal.Set(&ev, int64(sig))
		Core.Set(&ev, status&0x80 != 0)
	} else {
		Code.Set(&ev, int64(status>>8&0xff))
	}
	if oom {
		OOM.Set(&ev, true)
	}
	if life > 0 {
		Life.Set(&ev, int64(life))
	}
	return ev
}
