package cluster

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// podMemory is what was told about a pod.
type podMemory struct {
	round      uint64
	object     *corev1.Pod // the version last looked at; listers share it
	state      podState
	at         time.Time
	containers map[string]containerState
	ended      map[string]bool
}

// podState is what makes a pod's fact differ from the one before.
type podState struct {
	namespace, name, phase, reason, message, node, finalizers string

	owner            event.Key
	ready            bool
	created, deleted int64
	grace            int64 // terminationGracePeriodSeconds, -1 when not told
}

func (o *observer) lookPod(p *corev1.Pod, emit func(event.Event)) {
	uid := source.UID(p)
	m := o.pods[uid]
	if m == nil {
		m = &podMemory{containers: map[string]containerState{}, ended: map[string]bool{}}
		o.pods[uid] = m
	}
	m.round = o.round
	owner, _ := o.src.Workload(p)
	same := m.object == p && m.state.owner == owner
	if same {
		return
	}
	first := m.object == nil
	m.object = p
	if st := podStateOf(p, owner); first || st != m.state {
		at := podSince(p)
		if !first && !at.After(m.at) {
			at = o.src.Now()
		}
		m.state, m.at = st, at
		emit(podEvent(uid, st, at))
	}
	o.lookContainers(p, m, emit)
}

func podStateOf(p *corev1.Pod, owner event.Key) podState {
	st := podState{
		namespace: p.Namespace, name: p.Name, node: p.Spec.NodeName, owner: owner,
		phase: string(p.Status.Phase), reason: p.Status.Reason, message: clip(p.Status.Message),
		created: unix(p.CreationTimestamp.Time), grace: -1,
	}
	if s := p.Spec.TerminationGracePeriodSeconds; s != nil && *s >= 0 {
		st.grace = *s
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodReady:
			st.ready = c.Status == corev1.ConditionTrue
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse,
			c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue:
			if st.reason == "" {
				st.reason, st.message = c.Reason, clip(c.Message)
			}
		}
	}
	if p.DeletionTimestamp != nil {
		grace := time.Duration(0)
		if s := p.DeletionGracePeriodSeconds; s != nil && *s > 0 && *s < 1<<31 {
			grace = time.Duration(*s) * time.Second
		}
		st.deleted = unix(p.DeletionTimestamp.Add(-grace))
		st.finalizers = clip(strings.Join(p.Finalizers, ", "))
	}
	return st
}

// podSince is the newest change of the pod's own state that its status tells.
func podSince(p *corev1.Pod) time.Time {
	t := p.CreationTimestamp.Time
	if p.Status.StartTime != nil {
		t = newest(t, p.Status.StartTime.Time)
	}
	for _, c := range p.Status.Conditions {
		t = newest(t, c.LastTransitionTime.Time)
	}
	return t
}

func podEvent(uid types.UID, st podState, at time.Time) event.Event {
	e := event.Event{Kind: lifecycle.Pod, At: at, Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(string(uid))}}}
	if !st.owner.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: st.owner})
	}
	if st.node != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(st.node)})
	}
	setText(lifecycle.Namespace, &e, st.namespace)
	setText(lifecycle.Name, &e, st.name)
	setText(lifecycle.Phase, &e, st.phase)
	setText(lifecycle.Reason, &e, st.reason)
	setText(lifecycle.Message, &e, st.message)
	setText(lifecycle.Finalizers, &e, st.finalizers)
	lifecycle.Ready.Set(&e, st.ready)
	if st.created > 0 {
		lifecycle.Created.Set(&e, st.created)
	}
	if st.grace >= 0 {
		lifecycle.Grace.Set(&e, st.grace)
	}
	if st.deleted > 0 {
		lifecycle.Deleted.Set(&e, st.deleted)
	}
	return e
}

// lookGone tells of pods that were there in an earlier look and are not now.
func (o *observer) lookGone(emit func(event.Event)) {
	if o.src.Known(source.Pods) != nil {
		return
	}
	var gone []types.UID
	for uid, m := range o.pods {
		if m.round != o.round {
			gone = append(gone, uid)
		}
	}
	sortUIDs(gone)
	for _, uid := range gone {
		st := o.pods[uid].state
		st.ready = false
		e := podEvent(uid, st, o.src.Now())
		lifecycle.Gone.Set(&e, true)
		emit(e)
		delete(o.pods, uid)
	}
	for _, m := range o.workloads {
		if m.round == o.round {
			continue
		}
		delete(o.workloads, m.id)
	}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
