package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/observers/signals"
)

// Signal describes a signal to the pod's container.
type Signal struct {
	Number             int64
	Sender             string    // signals.Sender
	From               event.Key // cgroup of the sender, zero for none
	Comm               string    // of the sender
	PID, NSPID         int64     // of the target; 0 reads as 900 and 1
	Target             string    // its command; "" is server
	Result             string    // "" is delivered
	Disposition        string    // "" is default
	Fault, Address     string
	FirstOfItsPIDSpace bool
}

// Signal adds a signal that the kernel saw.
func (s *Set) Signal(p Pod, at float64, x Signal) {
	or(&x.PID, 900)
	or(&x.NSPID, 1)
	orText(&x.Target, "server")
	orText(&x.Result, signals.Delivered)
	orText(&x.Disposition, signals.ByDefault)
	e := event.Event{Kind: signals.Sent, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.cgroup()}, {Role: event.Owner, Key: p.Key()}}}
	if !x.From.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Culprit, Key: x.From})
	}
	e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey("n1")})
	signals.Signal.Set(&e, x.Number)
	signals.Sender.Set(&e, x.Sender)
	signals.Result.Set(&e, x.Result)
	signals.Disposition.Set(&e, x.Disposition)
	signals.First.Set(&e, x.FirstOfItsPIDSpace)
	signals.TargetPID.Set(&e, x.PID)
	signals.TargetNSPID.Set(&e, x.NSPID)
	signals.TargetComm.Set(&e, x.Target)
	if x.Comm != "" {
		signals.SenderComm.Set(&e, x.Comm)
		signals.SenderPID.Set(&e, 77)
		signals.SenderNSPID.Set(&e, 23)
	}
	if x.Fault != "" {
		signals.Fault.Set(&e, x.Fault)
	}
	if x.Address != "" {
		signals.Address.Set(&e, x.Address)
	}
	s.add(observers.Node, e)
}

// Logged adds a fault of which only the kernel log of n1 tells.
func (s *Set) Logged(at float64, signal int64, comm, fault, address string) {
	n1 := event.NodeKey("n1")
	e := event.Event{Kind: signals.Sent, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: n1}, {Role: event.Host, Key: n1}}}
	signals.Signal.Set(&e, signal)
	signals.Sender.Set(&e, signals.ByKernel)
	signals.Result.Set(&e, signals.Delivered)
	signals.TargetComm.Set(&e, comm)
	signals.Fault.Set(&e, fault)
	signals.Address.Set(&e, address)
	signals.Origin.Set(&e, signals.FromKernelLog)
	s.add(observers.Node, e)
}

// ProcessEnd describes the end of a process of the pod's container.
type ProcessEnd struct {
	Signal, Code int64 // Signal 0: it exited with Code
	PID, NSPID   int64 // 0 reads as 900 and 1
	Comm         string
	Child        bool // not the container's first process
	OOM          bool
	Life         time.Duration
}

// ProcessEnd adds an end that the kernel saw.
func (s *Set) ProcessEnd(p Pod, at float64, x ProcessEnd) {
	or(&x.PID, 900)
	or(&x.NSPID, 1)
	orText(&x.Comm, "server")
	e := event.Event{Kind: runtime.Exit, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.cgroup()}, {Role: event.Owner, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	runtime.PID.Set(&e, x.PID)
	runtime.NSPID.Set(&e, x.NSPID)
	runtime.Comm.Set(&e, x.Comm)
	runtime.Main.Set(&e, !x.Child)
	if x.Signal > 0 {
		runtime.Signal.Set(&e, x.Signal)
	} else {
		runtime.Code.Set(&e, x.Code)
	}
	if x.OOM {
		runtime.OOM.Set(&e, true)
	}
	if x.Life > 0 {
		runtime.Life.Set(&e, int64(x.Life))
	}
	s.add(observers.Node, e)
}

// Grace says how long the pod's containers have to end.
func (s *Set) Grace(p Pod, at, seconds float64) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Running")
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	lifecycle.Grace.Set(&e, int64(seconds))
	s.add(observers.Cluster, e)
}

// Evicted says that the kubelet evicted the pod.
func (s *Set) Evicted(p Pod, at float64, message string) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Failed")
	lifecycle.Reason.Set(&e, "Evicted")
	lifecycle.Message.Set(&e, message)
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
}

// Stops adds the kubelet's report that it stops the pod's container.
func (s *Set) Stops(p Pod, at float64, message string) {
	e := event.Event{Kind: lifecycle.Report, At: At(at).Truncate(time.Second), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}}}
	lifecycle.Type.Set(&e, "Normal")
	lifecycle.Reason.Set(&e, "Killing")
	lifecycle.Message.Set(&e, message)
	lifecycle.Component.Set(&e, "kubelet")
	lifecycle.FieldPath.Set(&e, "spec.containers{app}")
	s.add(observers.Cluster, e)
}

func or(n *int64, def int64) {
	if *n == 0 {
		*n = def
	}
}

func orText(s *string, def string) {
	if *s == "" {
		*s = def
	}
}
