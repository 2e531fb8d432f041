package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// disruptions are the reasons of the condition DisruptionTarget that stand for
// somebody's will.
var disruptions = map[string]string{
	"PreemptionByScheduler":  scheduling.Preemption,
	"EvictionByEvictionAPI":  scheduling.Eviction,
	"DeletionByTaintManager": scheduling.ByTaint,
}

// Reasons of Events about the same.
var disruptionEvents = map[string]string{
	"Preempted":            scheduling.Preemption,
	"TaintManagerEviction": scheduling.ByTaint,
}

// shutdownReasons are reasons of the status of pods that ended with their node.
var shutdownReasons = []string{"NodeShutdown", "Terminated", "Shutdown"}

// lookDisplaced tells of pods that had to leave their node: those still there
// say so in a condition, those gone are known from Events.
func (o *observer) lookDisplaced(pods []*corev1.Pod, reports []*corev1.Event, emit func(event.Event)) {
	for _, p := range pods {
		if !o.src.Scope.Has(p) {
			continue
		}
		for _, c := range p.Status.Conditions {
			by, ok := disruptions[c.Reason]
			if c.Type != corev1.DisruptionTarget || c.Status != corev1.ConditionTrue {
				continue
			}
			if !ok {
				if c.Reason != "TerminationByKubelet" || !slices.Contains(shutdownReasons, p.Status.Reason) {
					continue
				}
				by = scheduling.Shutdown
			}
			o.tellDisplaced(o.about(scheduling.Displaced, p, c.LastTransitionTime.Time), p.Name, p.Spec.NodeName, by, "condition", o.madeRoomFor(by, p.Spec.NodeName, c.Message), emit)
		}
	}
	for _, r := range reports {
		by, ok := disruptionEvents[r.Reason]
		if !ok || r.InvolvedObject.Kind != "Pod" || r.InvolvedObject.UID == "" || !source.Plausible(r.InvolvedObject.Name, string(r.InvolvedObject.UID)) {
			continue
		}
		if by == scheduling.ByTaint && strings.HasPrefix(r.Message, "Cancelling") {
			continue
		}
		owner, ok := o.formerOwner(r.InvolvedObject)
		if !ok {
			continue
		}
		e := event.Event{Kind: scheduling.Displaced, At: source.LastSeen(r), Refs: []event.Ref{
			{Role: event.Subject, Key: event.PodKey(string(r.InvolvedObject.UID))}, {Role: event.Owner, Key: owner},
		}}
		node := nodeIn(r.Message)
		o.tellDisplaced(e, r.InvolvedObject.Name, node, by, "event", o.madeRoomFor(by, node, r.Message), emit)
	}
}

func (o *observer) tellDisplaced(e event.Event, victim, node, by, told, room string, emit func(event.Event)) {
	if !o.changed("displaced "+e.Subject().ID, by, node, room) {
		return
	}
	if node != "" && source.Plausible(node) {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(node)})
	}
	if p := o.byName(room); p != nil {
		e.Refs = append(e.Refs, event.Ref{Role: event.Culprit, Key: event.PodKey(string(source.UID(p)))})
	}
	setText(scheduling.Victim, &e, victim)
	setText(scheduling.By, &e, by)
	setText(scheduling.For, &e, room)
	setText(scheduling.Told, &e, told)
	emit(e)
}

// formerOwner is the workload of a pod that may be gone: the pod itself or one
// of the same name tells it, else the ReplicaSet after which it was named.
func (o *observer) formerOwner(ref corev1.ObjectReference) (event.Key, bool) {
	if p, err := o.src.Pods.Pods(ref.Namespace).Get(ref.Name); err == nil {
		if !o.src.Scope.Has(p) {
			return event.Key{}, false
		}
		return o.src.Workload(p)
	}
	i := strings.LastIndexByte(ref.Name, '-')
	if i <= 0 {
		return event.Key{}, false
	}
	rs, err := o.src.ReplicaSets.ReplicaSets(ref.Namespace).Get(ref.Name[:i])
	if err != nil {
		return event.Key{}, false
	}
	owner := source.ReplicaSetOwner(rs)
	return owner, o.inScope(owner)
}

// inScope tells whether some pod of the scope belongs to the workload.
func (o *observer) inScope(owner event.Key) bool {
	if o.src.Scope.Whole() {
		return true
	}
	pods, err := o.src.Pods.List(labels.Everything())
	return err == nil && slices.ContainsFunc(pods, func(p *corev1.Pod) bool {
		if !o.src.Scope.Has(p) {
			return false
		}
		wl, ok := o.src.Workload(p)
		return ok && wl == owner
	})
}

// nodeIn reads the node of "Preempted by pod UID on node NAME".
func nodeIn(message string) string {
	_, name, ok := strings.Cut(message, " on node ")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, " ")
	return strings.TrimRight(name, ".,")
}

// madeRoomFor is the pod that preempted, as namespace/name: the message names
// its uid, or in older versions namespace and name.
func (o *observer) madeRoomFor(by, node, message string) string {
	if by != scheduling.Preemption {
		return ""
	}
	lister := o.src.Pods
	if o.src.Known(source.AllPods) == nil {
		lister = o.src.AllPods
	}
	pods, err := lister.List(labels.Everything())
	if err != nil {
		return ""
	}
	for _, p := range pods {
		if p.UID != "" && strings.Contains(message, string(p.UID)) || node != "" && strings.Contains(message, "reempted by "+p.Namespace+"/"+p.Name+" ") {
			return p.Namespace + "/" + p.Name
		}
	}
	return ""
}

func (o *observer) byName(name string) *corev1.Pod {
	ns, name, ok := strings.Cut(name, "/")
	if !ok {
		return nil
	}
	lister := o.src.Pods
	if o.src.Known(source.AllPods) == nil {
		lister = o.src.AllPods
	}
	p, err := lister.Pods(ns).Get(name)
	if err != nil {
		return nil
	}
	return p
}

// maxGuarded bounds the facts about disruption budgets.
const maxGuarded = 50

// lookGuards tells of disruption budgets that hold healthy pods of the scope on
// a cordoned node: whoever drains it waits. A budget that allows nothing
// because pods are unhealthy is no such thing.
func (o *observer) lookGuards(pods []*corev1.Pod, emit func(event.Event)) {
	if o.src.Known(source.Nodes) != nil {
		return // nobody had a reason to read them, or they may not be read
	}
	held := 0
	for _, p := range pods {
		if p.Spec.NodeName == "" || stays(p) || ended(p) || !o.src.Scope.Has(p) {
			continue
		}
		n, err := o.src.Nodes.Get(p.Spec.NodeName)
		if err != nil || !n.Spec.Unschedulable {
			continue
		}
		o.Want(o.src, source.Budgets)
		if o.src.Known(source.Budgets) != nil {
			return
		}
		budgets, err := o.src.Budgets.PodDisruptionBudgets(p.Namespace).List(labels.Everything())
		if err != nil {
			return
		}
		for _, b := range budgets {
			sel, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			st := b.Status
			if err != nil || !sel.Matches(labels.Set(p.Labels)) || st.DisruptionsAllowed > 0 || st.ExpectedPods == 0 || st.CurrentHealthy < st.ExpectedPods {
				continue
			}
			if held++; held > maxGuarded {
				o.Lost(1)
				continue
			}
			if !o.changed("guard "+string(source.UID(p)), b.Name, st.DesiredHealthy, st.CurrentHealthy) {
				continue
			}
			e := o.about(scheduling.Guard, p, o.src.Now())
			e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(p.Spec.NodeName)})
			setText(scheduling.BudgetName, &e, b.Name)
			scheduling.Wanted.Set(&e, int64(st.DesiredHealthy))
			scheduling.Healthy.Set(&e, int64(st.CurrentHealthy))
			scheduling.Expected.Set(&e, int64(st.ExpectedPods))
			emit(e)
		}
	}
}
