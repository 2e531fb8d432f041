package cluster

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// scene is what one look knows of Services and pods.
type scene struct {
	selections []topology.Selection
	living     map[string][]*corev1.Pod // by namespace: pods that nobody asked to end and that have not ended
	owner      map[*corev1.Pod]event.Key
	selectedBy map[*corev1.Pod][]*corev1.Service
	callers    map[event.Key][]*corev1.Pod // by Service: pods that name it
}

// maxNear bounds the pods that a fault cites.
const maxNear = 20

// lookFaults tells where selectors, ports and protocols do not meet.
func (o *observer) lookFaults(selections []topology.Selection, pods []*corev1.Pod, emit func(event.Event)) {
	s := o.sceneOf(selections, pods)
	o.faults.Begin()
	for _, sel := range selections {
		if !source.Plausible(sel.Service.Namespace, sel.Service.Name) {
			continue
		}
		o.lookSelector(s, sel, emit)
		o.lookPorts(s, sel, emit)
		o.lookForeign(s, sel, emit)
		o.lookLocal(s, sel, emit)
	}
	o.faults.End(services.Over, o.src.Now(), emit)
}

func (o *observer) sceneOf(selections []topology.Selection, pods []*corev1.Pod) *scene {
	s := &scene{
		selections: selections, living: map[string][]*corev1.Pod{}, owner: map[*corev1.Pod]event.Key{},
		selectedBy: map[*corev1.Pod][]*corev1.Service{}, callers: map[event.Key][]*corev1.Pod{},
	}
	for _, p := range pods {
		if alive(p) {
			s.living[p.Namespace] = append(s.living[p.Namespace], p)
			if key, ok := o.src.Workload(p); ok {
				s.owner[p] = key
			} else {
				s.owner[p] = event.PodKey(string(uidOf(p)))
			}
		}
	}
	for ns := range s.living {
		slices.SortFunc(s.living[ns], func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, sel := range selections {
		for _, p := range sel.Pods {
			s.selectedBy[p] = append(s.selectedBy[p], sel.Service)
		}
	}
	for _, m := range o.mentions {
		if m.round != o.round || !alive(m.pod) {
			continue
		}
		for svc := range m.told {
			s.callers[svc] = append(s.callers[svc], m.pod)
		}
	}
	return s
}

func alive(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// strangersTo counts the pods that name the Service and are not of the owner.
func (s *scene) strangersTo(svc event.Key, owner event.Key) int64 {
	n := int64(0)
	for _, p := range s.callers[svc] {
		if s.owner[p] != owner {
			n++
		}
	}
	return n
}

func (o *observer) tell(id string, e event.Event, emit func(event.Event)) {
	o.faults.Tell(id, e, o.src.Now(), emit)
}

// fault begins a fact about a Service that has been so since the Service was
// made, as far as it tells.
func (o *observer) fault(kind event.Kind, svc *corev1.Service, owner event.Key, pods []*corev1.Pod) event.Event {
	e := event.Event{Kind: kind, At: svc.CreationTimestamp.Time, Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey(svc.Namespace, svc.Name)}}}
	if !owner.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: owner})
	}
	for i, p := range pods {
		if i == maxNear {
			break
		}
		if p.CreationTimestamp.After(e.At) {
			e.At = p.CreationTimestamp.Time
		}
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(uidOf(p)))})
	}
	if e.At.IsZero() {
		e.At = o.src.Now().Truncate(time.Second)
	}
	return e
}

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, strings.ToValidUTF8(s[:min(len(s), maxWhere)], ""))
	}
}

func readyOf(pods []*corev1.Pod) int64 {
	n := int64(0)
	for _, p := range pods {
		if topology.Ready(p) {
			n++
		}
	}
	return n
}
