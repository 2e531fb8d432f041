package signals

import (
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Process is one end of a signal. PodUID and ContainerID are what the path of
// its cgroup says; numbers of 0 are not known.
type Process struct {
	PodUID, ContainerID string
	Path                string // of its memory cgroup, from the root of the hierarchy
	PID, NSPID          int64
	Comm                string
}

// Key is the process's cgroup.
func (p Process) Key() event.Key { return event.CgroupAt(p.PodUID, p.ContainerID, p.Path) }

// runtimes are the names of the programs that start and end containers, as the
// kernel cuts them. A name alone proves nothing, so a process inside a
// container is never taken for one of them.
var runtimes = []string{
	"containerd-shim", "containerd", "runc", "crun", "youki", "kata-runtime", "conmon", "conmonrs", "crio", "dockerd", "docker-init", "docker-containe", "cri-dockerd",
}

// Who classifies the sender of a signal that a process sent.
func Who(sender, target Process) string {
	switch {
	case sender.PID != 0 && sender.PID == target.PID:
		return BySelf
	case sender.ContainerID != "" && sender.PodUID == target.PodUID && sender.ContainerID == target.ContainerID:
		return ByContainer
	case sender.ContainerID != "" && sender.PodUID == target.PodUID:
		return ByPod
	case sender.ContainerID != "":
		return ByOtherPod
	case isRuntime(sender.Comm):
		return ByRuntime
	case sender.Comm == "kubelet":
		return ByKubelet
	}
	return ByHost
}

func isRuntime(comm string) bool {
	// "runc:[2:INIT]" is runc on its way into a container.
	name, _, _ := strings.Cut(comm, ":[")
	for _, r := range runtimes {
		if name == r {
			return true
		}
	}
	return false
}

// Signalled is one signal before it becomes an event.
type Signalled struct {
	At          time.Time
	Node        string
	Signal      int32
	Code        int32
	Result      int32 // TRACE_SIGNAL_* of include/trace/events/signal.h
	Disposition uint8 // 0 default, 1 ignored, 2 handled
	First       bool
	Dying       bool
	Address     uint64
	Syscall     int32 // -1 for none
	Life        time.Duration
	Target      Process
	From        Process
	Kernel      bool // the kernel sent it: From is whoever ran at that moment
	OOM         bool // ... for want of memory
}

// Event states the signal.
func (s Signalled) Event() event.Event {
	ev := event.Event{Kind: Sent, At: s.At, Count: 1, Refs: []event.Ref{{Role: event.Subject, Key: s.Target.Key()}}}
	if s.Target.PodUID != "" {
		ev.Refs = append(ev.Refs, event.Ref{Role: event.Owner, Key: event.PodKey(s.Target.PodUID)})
	}
	if !s.Kernel {
		ev.Refs = append(ev.Refs, event.Ref{Role: event.Culprit, Key: s.From.Key()})
	}
	ev.Refs = append(ev.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(s.Node)})
	Signal.Set(&ev, int64(s.Signal))
	Code.Set(&ev, int64(s.Code))
	text := func(f event.Field[string], v string) {
		if v != "" {
			f.Set(&ev, v)
		}
	}
	pid := func(f event.Field[int64], n int64) {
		if n > 0 { // 0 is a process that the namespace does not hold
			f.Set(&ev, n)
		}
	}
	text(Fault, FaultName(s.Signal, s.Code))
	if hasAddress(s.Signal, s.Code) {
		Address.Set(&ev, hex(s.Address))
	}
	if s.Syscall >= 0 {
		Syscall.Set(&ev, int64(s.Syscall))
	}
	text(Result, resultName(s.Result))
	text(Disposition, dispositionName(s.Disposition))
	First.Set(&ev, s.First)
	if s.Result == traceIgnored && s.Dying { // else it is this signal that ends it
		Dying.Set(&ev, true)
	}
	pid(TargetPID, s.Target.PID)
	pid(TargetNSPID, s.Target.NSPID)
	text(TargetComm, clean(s.Target.Comm))
	if s.Life > 0 {
		TargetLife.Set(&ev, int64(s.Life))
	}
	switch {
	case s.OOM:
		Sender.Set(&ev, ByOOMKiller)
	case s.Kernel:
		Sender.Set(&ev, ByKernel)
	default:
		Sender.Set(&ev, Who(s.From, s.Target))
		pid(SenderPID, s.From.PID)
		pid(SenderNSPID, s.From.NSPID)
		text(SenderComm, clean(s.From.Comm))
	}
	return ev
}

// clean makes a name that a program gave itself fit for events.
func clean(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
