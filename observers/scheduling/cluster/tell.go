package cluster

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// description is what is to be told of a waiting pod.
type description struct {
	asked     bool
	words     map[string]int64
	scheduler string
	gates     []string
	at        time.Time
	verdict   *verdict
}

// failedScheduling is the reason of the scheduler's Events about a pod that it
// could not place.
const failedScheduling = "FailedScheduling"

// describe reads what the scheduler says of the pod: the newest of its
// condition and its Events.
func (o *observer) describe(p *corev1.Pod, reports []*corev1.Event) description {
	d := description{at: p.CreationTimestamp.Time}
	if name := p.Spec.SchedulerName; name != corev1.DefaultSchedulerName {
		d.scheduler = name
	}
	for _, g := range p.Spec.SchedulingGates {
		d.gates = append(d.gates, g.Name)
	}
	for _, c := range p.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
			continue
		}
		d.asked = true
		d.words = scheduling.ReadWords(c.Message)
		if c.LastTransitionTime.After(d.at) {
			d.at = c.LastTransitionTime.Time
		}
	}
	for _, r := range slices.Backward(reports) {
		if r.Reason != failedScheduling || !concerns(r, p) {
			continue
		}
		d.asked = true
		if d.words == nil {
			d.words = scheduling.ReadWords(r.Message)
		}
		break
	}
	return d
}

// concerns tells whether an Event is about the pod, and not about an earlier
// one of its name.
func concerns(r *corev1.Event, p *corev1.Pod) bool {
	obj := r.InvolvedObject
	return obj.Kind == "Pod" && obj.Name == p.Name && obj.Namespace == p.Namespace && (obj.UID == "" || p.UID == "" || obj.UID == p.UID)
}

// tell emits all facts of one look at the pod, unless they are those of the
// last look.
func (o *observer) tell(p *corev1.Pod, d description, emit func(event.Event)) {
	m := o.pods[source.UID(p)]
	first := m == nil
	if first {
		m = &memory{}
		o.pods[source.UID(p)] = m
	}
	m.round, m.pod = o.round, p
	at := d.at
	if !first {
		at = o.src.Now()
	}
	events := o.facts(p, d, at)
	h := fnv.New64a()
	for _, e := range events {
		fmt.Fprint(h, e.Kind, e.Refs, e.Attrs)
	}
	if !first && m.hash == h.Sum64() {
		return
	}
	m.hash = h.Sum64()
	m.looks++
	for _, e := range events {
		scheduling.Round.Set(&e, m.looks)
		emit(e)
	}
}

// facts ends with the one about the pod itself: who has that has all.
func (o *observer) facts(p *corev1.Pod, d description, at time.Time) []event.Event {
	e := o.about(scheduling.Unplaced, p, at)
	if s := p.CreationTimestamp.Unix(); s > 0 {
		scheduling.Since.Set(&e, s)
	}
	scheduling.Asked.Set(&e, d.asked)
	setText(scheduling.Words, &e, scheduling.FormatWords(d.words))
	setText(scheduling.Names, &e, d.scheduler)
	setText(scheduling.Gates, &e, strings.Join(d.gates, ","))
	setText(scheduling.Nominated, &e, p.Status.NominatedNodeName)
	v := d.verdict
	if v == nil {
		setText(scheduling.Unknown, &e, string(source.Nodes))
		return []event.Event{e}
	}
	scheduling.Total.Set(&e, int64(v.total))
	scheduling.Feasible.Set(&e, int64(v.feasible))
	setText(scheduling.Unknown, &e, strings.Join(v.unknown, ","))
	setText(scheduling.Claims, &e, strings.Join(v.claims, ","))
	var out []event.Event
	for _, g := range v.groups {
		out = append(out, o.refusal(p, g, at))
	}
	for _, t := range v.trials {
		out = append(out, o.trial(p, t, at))
	}
	for _, l := range v.leaves {
		out = append(out, o.leave(p, l, at))
	}
	return append(out, e)
}

// maxHosts bounds the nodes named in one fact.
const maxHosts = 8

func (o *observer) refusal(p *corev1.Pod, g group, at time.Time) event.Event {
	e := o.about(scheduling.Refusal, p, at)
	for _, n := range g.nodes[:min(len(g.nodes), maxHosts)] {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(n)})
	}
	scheduling.Against.Set(&e, strings.Join(g.against, ","))
	scheduling.Nodes.Set(&e, int64(len(g.nodes)))
	scheduling.Usual.Set(&e, g.usual)
	return e
}

func (o *observer) trial(p *corev1.Pod, t *trial, at time.Time) event.Event {
	e := o.about(scheduling.Constraint, p, at)
	e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(t.nearest)})
	scheduling.Name.Set(&e, t.constraint)
	scheduling.Nodes.Set(&e, int64(t.nodes))
	scheduling.Frees.Set(&e, int64(t.frees))
	setText(scheduling.Asks, &e, t.asks)
	setText(scheduling.Lacks, &e, t.lacks)
	if t.resource != "" {
		if t.constraint == scheduling.Device {
			setText(scheduling.Resource, &e, string(t.resource))
		}
		scheduling.Request.Set(&e, t.need)
		scheduling.Free.Set(&e, t.free)
		scheduling.Largest.Set(&e, t.largest)
	}
	if t.holder != nil {
		setText(scheduling.Holder, &e, t.holder.Namespace+"/"+t.holder.Name)
	}
	return e
}

func (o *observer) leave(p *corev1.Pod, l leave, at time.Time) event.Event {
	e := o.about(scheduling.Leave, p, at)
	e.Refs = append(e.Refs,
		event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(l.pod)))},
		event.Ref{Role: event.Host, Key: event.NodeKey(l.node)})
	setText(scheduling.Leaver, &e, l.pod.Namespace+"/"+l.pod.Name)
	scheduling.Amount.Set(&e, l.amount)
	scheduling.Lifts.Set(&e, l.constraint)
	scheduling.Allowed.Set(&e, o.mayLeave(l.pod))
	return e
}

// mayLeave tells whether the disruption budgets of a pod let it go now.
func (o *observer) mayLeave(p *corev1.Pod) string {
	if ns := o.src.Namespace(); o.src.Known(source.Budgets) != nil || ns != "" && ns != p.Namespace {
		return scheduling.Maybe
	}
	budgets, err := o.src.Budgets.PodDisruptionBudgets(p.Namespace).List(apilabels.Everything())
	if err != nil {
		return scheduling.Maybe
	}
	for _, b := range budgets {
		sel, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && sel.Matches(apilabels.Set(p.Labels)) && b.Status.DisruptionsAllowed <= 0 {
			return scheduling.No
		}
	}
	return scheduling.Yes
}
