package claims

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/observers/signals"
)

// Signal is the name of a signal, "signal 40" for one without.
func Signal(n int64) string {
	if name, ok := signalNames[n]; ok {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}

// Sent is a signal as the kernel saw it (signals.sent).
func Sent(w *window.Window, f window.Fact) finding.Evidence {
	claim := fmt.Sprintf("%s to %s%s from %s", Signal(signals.Signal.Or(f.Event, 0)), signals.TargetComm.Or(f.Event, "a process"),
		inContainer(signals.TargetNSPID.Or(f.Event, 0)), Sender(w, f))
	if fault := signals.Fault.Or(f.Event, ""); fault != "" {
		claim += ", " + Fault(f)
	}
	return finding.Evidence{
		Observer: signals.Spec.Name, Kind: signals.Sent, Entity: f.Subject(), At: f.At, Trust: finding.Seen,
		Claim: claim + ": " + Outcome(f),
	}
}

// Sender names who sent a signal, with its number where that is known.
func Sender(w *window.Window, f window.Fact) string {
	return sender(w, f, inContainer(signals.SenderNSPID.Or(f.Event, 0)))
}

// SenderShort names who sent a signal without its number.
func SenderShort(w *window.Window, f window.Fact) string { return sender(w, f, "") }

func sender(w *window.Window, f window.Fact, pid string) string {
	comm := signals.SenderComm.Or(f.Event, "a process")
	culprit, _ := f.Ref(event.Culprit)
	n := w.Graph.Name(culprit)
	switch signals.Sender.Or(f.Event, "") {
	case signals.ByKernel:
		return "the kernel"
	case signals.ByOOMKiller:
		return "the kernel's OOM killer"
	case signals.ByRuntime:
		return "the container runtime (" + comm + ")"
	case signals.ByKubelet:
		return "the kubelet"
	case signals.BySelf:
		return "itself"
	case signals.ByContainer:
		return comm + pid + " of the same container"
	case signals.ByPod:
		if n.Container == "" {
			return comm + pid + " of another container of the pod"
		}
		return comm + pid + " of container " + n.Container + " of the same pod"
	case signals.ByOtherPod:
		return comm + pid + " of pod " + strings.TrimSuffix(n.Name+"/"+n.Container, "/")
	}
	node, _ := f.Ref(event.Host)
	return fmt.Sprintf("%s (pid %d) of node %s, no container", comm, signals.SenderPID.Or(f.Event, 0), node.ID)
}

func inContainer(pid int64) string {
	if pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d in the container)", pid)
}

// nullPage is what lies below every address that a program may map
// (vm.mmap_min_addr is 64 KiB by default): who ends up there followed a null
// pointer.
const nullPage = 1 << 16

// Fault says what a fault was: "SEGV_MAPERR at 0x0, a null pointer".
func Fault(f window.Fact) string {
	out := signals.Fault.Or(f.Event, "")
	if n, ok := signals.Syscall.Get(f.Event); ok {
		return fmt.Sprintf("%s on system call %d", out, n)
	}
	address, ok := signals.Address.Get(f.Event)
	if !ok {
		return out
	}
	out += " at " + address
	var n uint64
	if _, err := fmt.Sscanf(address, "0x%x", &n); err == nil && n < nullPage && signals.Signal.Or(f.Event, 0) == signals.SIGSEGV {
		out += ", a null pointer"
	}
	return out
}

// Outcome says what became of a signal.
func Outcome(f window.Fact) string {
	switch signals.Result.Or(f.Event, "") {
	case signals.Delivered:
		if signals.Disposition.Or(f.Event, "") == signals.IsHandled {
			return "delivered to its handler"
		}
		return "delivered"
	case signals.Ignored:
		switch {
		case signals.Dying.Or(f.Event, false):
			return "too late, it was ending already"
		case signals.Disposition.Or(f.Event, "") == signals.IsIgnored:
			return "ignored, as the program asked"
		case signals.First.Or(f.Event, false):
			return "ignored, because a first process gets only signals that it handles"
		}
		return "ignored"
	case signals.Pending:
		return "one was pending already"
	}
	return "not delivered"
}

// ProcessEnd is the end of a process as the kernel saw it (runtime.exit).
func ProcessEnd(f window.Fact) finding.Evidence {
	claim := runtime.Comm.Or(f.Event, "a process") + inContainer(runtime.NSPID.Or(f.Event, 0))
	if sig, ok := runtime.Signal.Get(f.Event); ok {
		claim += " was ended by " + Signal(sig)
	} else {
		claim += fmt.Sprintf(" exited with %d", runtime.Code.Or(f.Event, 0))
	}
	if life, ok := runtime.Life.Get(f.Event); ok {
		claim += ", lived " + words.Span(time.Duration(life))
	}
	return finding.Evidence{
		Observer: runtime.Spec.Name, Kind: runtime.Exit, Entity: f.Subject(), At: f.At, Trust: finding.Seen, Claim: claim,
	}
}

// Logged is a fault of which only the kernel log tells (signals.sent).
func Logged(f window.Fact) finding.Evidence {
	return finding.Evidence{
		Observer: signals.Spec.Name, Kind: signals.Sent, Entity: f.Subject(), At: f.At, Trust: finding.Seen, Origin: "kernel log",
		Claim: fmt.Sprintf("%s of %s, %s: the only such fault on the node in that second", Signal(signals.Signal.Or(f.Event, 0)), signals.TargetComm.Or(f.Event, "a process"), Fault(f)),
	}
}
