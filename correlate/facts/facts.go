// Package facts builds facts for tests of rules and stories, in the shapes
// that the observers emit.
package facts

import (
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/observers/services"
	"github.com/yairfalse/tapio/observers/signals"
)

// Epoch is second 0 of every test.
var Epoch = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// At is Epoch plus seconds.
func At(seconds float64) time.Time {
	return Epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// Set collects facts. Sequence numbers count in the order of the calls.
type Set struct {
	List []window.Fact
	seq  uint64
}

func (s *Set) add(side observers.Side, e event.Event) {
	s.seq++
	e.Seq = s.seq
	source := "api"
	if side == observers.Node {
		source = "node/n1"
	}
	s.List = append(s.List, window.Fact{Event: e, Source: source, Side: side})
}

// Pod is one pod of a Deployment with its only container "app".
type Pod struct {
	UID, Name, Namespace, Workload string
	ContainerID                    string
	Limit                          int64
	Created                        float64
}

// Key is the pod's key.
func (p Pod) Key() event.Key { return event.PodKey(p.UID) }

// App is the key of the pod's container.
func (p Pod) App() event.Key { return event.ContainerKey(p.UID, "app") }

func (p Pod) cgroup() event.Key { return event.CgroupKey(p.UID, p.ContainerID) }

// State describes a container.
type State struct {
	State, Reason string
	Ready         bool
	Started       float64
	Restarts      int64
}

// Pod adds the pod and its container as the API tells them at a moment.
func (s *Set) Pod(p Pod, at float64, st State) {
	refs := []event.Ref{{Role: event.Subject, Key: p.Key()}}
	if p.Workload != "" {
		refs = append(refs, event.Ref{Role: event.Owner, Key: event.WorkloadKey("Deployment", p.Namespace, p.Workload)})
	}
	refs = append(refs, event.Ref{Role: event.Host, Key: event.NodeKey("n1")})
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: refs}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Running")
	lifecycle.Ready.Set(&e, st.Ready)
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
	c := event.Event{Kind: lifecycle.Container, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Name.Set(&c, "app")
	lifecycle.Role.Set(&c, lifecycle.Main)
	lifecycle.ContainerID.Set(&c, p.ContainerID)
	lifecycle.State.Set(&c, st.State)
	if st.Reason != "" {
		lifecycle.Reason.Set(&c, st.Reason)
	}
	lifecycle.Ready.Set(&c, st.Ready)
	if st.State == lifecycle.Running {
		lifecycle.Started.Set(&c, At(st.Started).Unix())
	}
	lifecycle.Restarts.Set(&c, st.Restarts)
	if p.Limit > 0 {
		lifecycle.MemoryLimit.Set(&c, p.Limit)
	}
	s.add(observers.Cluster, c)
}

// Leaving marks the pod as asked to end.
func (s *Set) Leaving(p Pod, at float64) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Running")
	lifecycle.Deleted.Set(&e, At(at).Unix())
	s.add(observers.Cluster, e)
}

// Unknown is the start of an instance that the API does not tell.
const Unknown = -1e9

// Ended adds the end of an instance of the pod's container.
func (s *Set) Ended(p Pod, started, at float64, reason string, code int64, message string) {
	e := event.Event{Kind: lifecycle.Ended, At: At(at).Truncate(time.Second), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Name.Set(&e, "app")
	lifecycle.Reason.Set(&e, reason)
	lifecycle.ExitCode.Set(&e, code)
	if started > Unknown {
		lifecycle.Started.Set(&e, At(started).Unix())
	}
	if message != "" {
		lifecycle.Message.Set(&e, message)
	}
	s.add(observers.Cluster, e)
}

// None is the NSPID of a kill of which the log does not tell it.
const None = -1

// Kill describes an OOM kill.
type Kill struct {
	PID, NSPID   int64
	Usage, Limit int64
	Life         time.Duration
	By           string // memory.Constraint; "" is the container's own limit
	Log          bool   // told by the kernel log
}

// Kill adds an OOM kill in the pod's container, triggered by the victim.
func (s *Set) Kill(p Pod, at float64, k Kill) {
	limiter := p.cgroup()
	switch k.By {
	case "":
		k.By = memory.ByContainer
	case memory.ByPod:
		limiter = event.CgroupKey(p.UID, "")
	case memory.ByNode:
		limiter = event.NodeKey("n1")
	case memory.ByAncestor:
		limiter = event.Key{Type: event.Cgroup, ID: "/kubepods"}
	}
	e := event.Event{Kind: memory.OOMKill, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: p.cgroup()}, {Role: event.Owner, Key: p.Key()},
		{Role: event.Culprit, Key: p.cgroup()}, {Role: event.Limiter, Key: limiter}, {Role: event.Host, Key: event.NodeKey("n1")},
	}}
	memory.VictimPID.Set(&e, k.PID)
	if k.NSPID != None {
		memory.VictimNSPID.Set(&e, max(k.NSPID, 1))
	}
	memory.VictimComm.Set(&e, "server")
	memory.TriggerPID.Set(&e, k.PID)
	memory.TriggerComm.Set(&e, "server")
	memory.Constraint.Set(&e, k.By)
	memory.LimiterUsage.Set(&e, k.Usage)
	memory.LimiterLimit.Set(&e, k.Limit)
	memory.Origin.Set(&e, memory.FromTracepoint)
	if k.Log {
		memory.Origin.Set(&e, memory.FromKernelLog)
	}
	if k.Life > 0 {
		memory.VictimLife.Set(&e, int64(k.Life))
	}
	s.add(observers.Node, e)
}

// KillOfNobody adds an OOM kill of which the kernel log of n1 does not tell the
// cgroup.
func (s *Set) KillOfNobody(at float64, pid int64) {
	n1 := event.NodeKey("n1")
	e := event.Event{Kind: memory.OOMKill, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: n1}, {Role: event.Host, Key: n1}}}
	memory.VictimPID.Set(&e, pid)
	memory.Origin.Set(&e, memory.FromKernelLog)
	s.add(observers.Node, e)
}

// Usage adds a sample of the pod's container.
func (s *Set) Usage(p Pod, at float64, anon, cache, peak int64) {
	e := event.Event{Kind: memory.Usage, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.cgroup()}, {Role: event.Owner, Key: p.Key()}}}
	memory.Used.Set(&e, anon+cache)
	memory.Anon.Set(&e, anon)
	memory.Cache.Set(&e, cache)
	memory.Peak.Set(&e, peak)
	if p.Limit > 0 {
		memory.Limit.Set(&e, p.Limit)
	}
	s.add(observers.Node, e)
}

// Service adds a Service that selects the pods; all of them are ready.
func (s *Set) Service(namespace, name string, pods ...Pod) {
	s.ServiceWith(namespace, name, len(pods), pods...)
}

// ServiceWith adds a Service that selects the pods, of which some are ready.
func (s *Set) ServiceWith(namespace, name string, ready int, pods ...Pod) {
	e := event.Event{Kind: services.Selects, At: Epoch, Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey(namespace, name)}}}
	services.ReadyPods.Set(&e, int64(ready))
	services.Selecting.Set(&e, true)
	for _, p := range pods {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: p.Key()})
	}
	s.add(observers.Cluster, e)
}

// Names says that the pod's configuration names a Service.
func (s *Set) Names(p Pod, namespace, name string) {
	s.add(observers.Cluster, event.Event{Kind: services.Names, At: Epoch, Refs: []event.Ref{
		{Role: event.Subject, Key: p.Key()}, {Role: event.Peer, Key: event.ServiceKey(namespace, name)},
	}})
}

// Complains says that the log of the pod's container complains of a Service.
func (s *Set) Complains(p Pod, from, to float64, count uint32, what, namespace, service string) {
	e := event.Event{Kind: logs.Failure, At: At(from), Span: At(to).Sub(At(from)), Count: count, Refs: []event.Ref{
		{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}, {Role: event.Peer, Key: event.ServiceKey(namespace, service)},
	}}
	logs.What.Set(&e, what)
	logs.Target.Set(&e, service+":8080")
	s.add(observers.Cluster, e)
}

// Window makes a window whose target is the given pods' Deployment, or the one
// pod when it has none, with a probe on n1 from second 0 on when watched.
func (s *Set) Window(now float64, watched bool, pods ...Pod) *window.Window {
	p := pods[0]
	t := window.Target{Kind: "Pod", Key: p.Key(), Namespace: p.Namespace, Name: p.Name}
	if p.Workload != "" {
		t = window.Target{Kind: "Deployment", Key: event.WorkloadKey("Deployment", p.Namespace, p.Workload), Namespace: p.Namespace, Name: p.Workload}
	}
	for _, p := range pods {
		t.Pods = append(t.Pods, p.Key())
	}
	in := window.Input{Target: t, From: At(-3600), Now: At(now), Facts: s.List}
	if watched {
		in.Nodes = []window.Node{{Name: "n1", Attached: At(0), Observers: []window.ObserverState{
			{Name: memory.Spec.Name, State: window.Attached}, {Name: signals.Spec.Name, State: window.Attached}, {Name: runtime.Spec.Name, State: window.Attached},
		}}}
	}
	return window.New(in)
}

// Workload adds a Deployment as the API tells it.
func (s *Set) Workload(namespace, name string, desired, available int64, created float64) {
	e := event.Event{Kind: lifecycle.Workload, At: At(created), Refs: []event.Ref{{Role: event.Subject, Key: event.WorkloadKey("Deployment", namespace, name)}}}
	lifecycle.Namespace.Set(&e, namespace)
	lifecycle.Name.Set(&e, name)
	lifecycle.Desired.Set(&e, desired)
	lifecycle.Available.Set(&e, available)
	lifecycle.Created.Set(&e, At(created).Unix())
	s.add(observers.Cluster, e)
}
