package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/nodes"
	"github.com/yairfalse/tapio/observers/services"
)

// NodeFact adds a fact of the node observer about a node, or about another
// entity when key is not zero.
func (s *Set) NodeFact(kind event.Kind, at float64, key event.Key, set func(*event.Event)) {
	e := event.Event{Kind: kind, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: key}}}
	set(&e)
	s.add(observers.Cluster, e)
}

// NodeState tells of a node's Ready condition and of the target's pods on it.
func (s *Set) NodeState(name, ready string, at float64, pods, unready int64, more func(*event.Event)) {
	s.NodeFact(nodes.State, at, event.NodeKey(name), func(e *event.Event) {
		nodes.Ready.Set(e, ready)
		nodes.Pods.Set(e, pods)
		nodes.Unready.Set(e, unready)
		if more != nil {
			more(e)
		}
	})
}

// PodOn adds a running pod on a node of its own choice, without a container.
func (s *Set) PodOn(p Pod, host string, at float64) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: p.Key()}, {Role: event.Owner, Key: event.WorkloadKey("Deployment", p.Namespace, p.Workload)},
		{Role: event.Host, Key: event.NodeKey(host)},
	}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Running")
	lifecycle.Ready.Set(&e, true)
	s.add(observers.Cluster, e)
}

// ReadyService adds a Service with ready pods behind it.
func (s *Set) ReadyService(namespace, name string, ready int64, pods ...Pod) {
	e := event.Event{Kind: services.Selects, At: Epoch.Add(-time.Hour), Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey(namespace, name)}}}
	services.ReadyPods.Set(&e, ready)
	for _, p := range pods {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: p.Key()})
	}
	s.add(observers.Cluster, e)
}
