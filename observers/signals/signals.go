// Package signals holds the facts about signals that can end a process: who
// sent which to whom, and whether the kernel delivered it.
package signals

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Sent is the only kind.
const Sent event.Kind = "signals.sent"

// Fields of Sent. Subject is the target's cgroup, Owner its pod; Culprit is the
// cgroup of the process that sent it, absent when the kernel did; Host the node.
var (
	Signal      = event.Field[int64]{Name: "signal", Doc: "number of the signal"}
	Code        = event.Field[int64]{Name: "code", Doc: "si_code: 0 and below are of processes, above of the kernel"}
	Fault       = event.Field[string]{Name: "fault", Doc: "what the code says of a fault, for example SEGV_MAPERR"}
	Address     = event.Field[string]{Name: "address", Doc: "address of a fault, hexadecimal"}
	Syscall     = event.Field[int64]{Name: "syscall", Doc: "number of the system call that a seccomp filter answered with SIGSYS"}
	Result      = event.Field[string]{Name: "result", Doc: "delivered, ignored, pending (one was already) or lost"}
	Disposition = event.Field[string]{Name: "disposition", Doc: "what the target does with the signal: default, ignored or handled"}
	First       = event.Field[bool]{Name: "first", Doc: "the target is the first process of its pid namespace, which gets only signals that it handles"}
	Dying       = event.Field[bool]{Name: "dying", Doc: "the signal was ignored because the target was ending already"}
	TargetPID   = event.Field[int64]{Name: "target_pid", Unit: event.PID, Doc: "process id of the target, as the probe's pid namespace numbers it"}
	TargetNSPID = event.Field[int64]{Name: "target_ns_pid", Unit: event.PID, Doc: "process id of the target inside its own container"}
	TargetComm  = event.Field[string]{Name: "target_comm", Doc: "command name of the target"}
	TargetLife  = event.Field[int64]{Name: "target_life", Unit: event.Nanos, Doc: "time from the target's start to the signal"}
	Sender      = event.Field[string]{Name: "sender", Doc: "who sent it: kernel, oom_killer, runtime, kubelet, self, container, pod, other_pod or host"}
	SenderPID   = event.Field[int64]{Name: "sender_pid", Unit: event.PID, Doc: "process id of the sender, as the probe's pid namespace numbers it"}
	SenderNSPID = event.Field[int64]{Name: "sender_ns_pid", Unit: event.PID, Doc: "process id of the sender inside its own container"}
	Origin      = event.Field[string]{Name: "origin", Doc: "kernel_log when only the node's kernel log tells of it; then the subject is the node, and only faults are told"}
	SenderComm  = event.Field[string]{Name: "sender_comm", Doc: "command name of the sender"}
)

// Values of Result (include/trace/events/signal.h).
const (
	Delivered = "delivered"
	Ignored   = "ignored"
	Pending   = "pending"
	Lost      = "lost"
)

// Values of Disposition.
const (
	ByDefault = "default"
	IsIgnored = "ignored"
	IsHandled = "handled"
)

// Values of Sender.
const (
	ByKernel    = "kernel"
	ByOOMKiller = "oom_killer"
	ByRuntime   = "runtime"   // the container runtime or its shim
	ByKubelet   = "kubelet"   //
	BySelf      = "self"      // the target's own process
	ByContainer = "container" // another process of the same container
	ByPod       = "pod"       // another container of the same pod
	ByOtherPod  = "other_pod" //
	ByHost      = "host"      // any other process of the node
)

// FromKernelLog is the only value of Origin.
const FromKernelLog = "kernel_log"

// Numbers of the signals that rules look at.
const (
	SIGHUP  = 1
	SIGINT  = 2
	SIGQUIT = 3
	SIGILL  = 4
	SIGTRAP = 5
	SIGABRT = 6
	SIGBUS  = 7
	SIGFPE  = 8
	SIGKILL = 9
	SIGSEGV = 11
	SIGTERM = 15
	SIGSYS  = 31
)

// Spec declares the observer. MapBytes is the ring buffer.
var Spec = observers.Spec{
	Name: "signals",
	Side: observers.Node,
	Doc:  "signals that can end a process, to or from the target's containers: sender, target, whether delivered or ignored, and what a fault was",
	Emits: []observers.Schema{
		{Kind: Sent, Meaning: "a signal that can end a process was sent",
			Fields: event.Fields(Signal, Code, Fault, Address, Syscall, Result, Disposition, First, Dying, TargetPID, TargetNSPID, TargetComm, TargetLife,
				Sender, SenderPID, SenderNSPID, SenderComm, Origin)},
	},
	Needs: []observers.Need{
		{Type: observers.Hook, Name: "tp_btf/signal_generate", Why: "who sent which signal to whom"},
		{Type: observers.Hook, Name: "tp_btf/mark_victim", Why: "telling the OOM killer from other senders in the kernel", Optional: true},
		{Type: observers.Feature, Name: "/dev/kmsg", Why: "faults from before the probe", Optional: true},
		{Type: observers.Feature, Name: "memory cgroup", Why: "which signals are of the target's containers", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200, MapBytes: 512 << 10},
}
