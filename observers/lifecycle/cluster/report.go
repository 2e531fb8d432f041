package cluster

import (
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// reportState is what makes an Event's fact differ from the one before.
type reportState struct {
	count uint32
	last  time.Time
	round uint64
	lost  bool
}

func (o *observer) lookReports(reports []*corev1.Event, emit func(event.Event)) {
	slices.SortFunc(reports, func(a, b *corev1.Event) int {
		if c := source.LastSeen(a).Compare(source.LastSeen(b)); c != 0 {
			return c
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	for _, r := range reports {
		id := r.Namespace + "/" + r.Name + "/" + string(r.UID)
		old, seen := o.reports[id]
		st := reportState{count: occurrences(r), last: source.LastSeen(r), round: o.round}
		if seen && old.count == st.count && old.last.Equal(st.last) {
			old.round = o.round
			o.reports[id] = old
			continue
		}
		e, ok := o.reportEvent(r, st)
		if !ok && !old.lost {
			o.Lost(1)
		}
		st.lost = !ok
		o.reports[id] = st
		if ok {
			emit(e)
		}
	}
	for id, st := range o.reports {
		if st.round != o.round {
			delete(o.reports, id)
		}
	}
}

func occurrences(r *corev1.Event) uint32 {
	n := int64(r.Count)
	if r.Series != nil {
		n = max(n, int64(r.Series.Count))
	}
	return uint32(min(max(n, 1), math.MaxUint32))
}

func (o *observer) reportEvent(r *corev1.Event, st reportState) (event.Event, bool) {
	refs := o.about(r)
	if refs == nil {
		return event.Event{}, false
	}
	e := event.Event{Kind: lifecycle.Report, At: st.last, Count: st.count, Refs: refs}
	if first := source.FirstSeen(r); first.Before(st.last) {
		e.At, e.Span = first, st.last.Sub(first)
	}
	component := r.ReportingController
	if component == "" {
		component = r.Source.Component
	}
	setText(lifecycle.Namespace, &e, r.InvolvedObject.Namespace)
	setText(lifecycle.Name, &e, r.InvolvedObject.Name)
	setText(lifecycle.Type, &e, r.Type)
	setText(lifecycle.Reason, &e, r.Reason)
	setText(lifecycle.Message, &e, r.Message)
	setFailure(&e, r.Reason, r.Message)
	setText(lifecycle.Component, &e, component)
	setText(lifecycle.FieldPath, &e, r.InvolvedObject.FieldPath)
	return e, true
}

// about names the object of an Event, nil when it cannot be identified.
func (o *observer) about(r *corev1.Event) []event.Ref {
	obj := r.InvolvedObject
	ns := obj.Namespace
	subject := func(k event.Key) []event.Ref { return []event.Ref{{Role: event.Subject, Key: k}} }
	if obj.Name == "" || !source.Plausible(obj.Name, ns, obj.Kind, string(obj.UID), obj.FieldPath) {
		return nil
	}
	switch obj.Kind {
	case "":
		return nil
	case "Pod":
		return o.aboutPod(obj)
	case "Node":
		return subject(event.NodeKey(obj.Name))
	case "Service", "Endpoints":
		return subject(event.ServiceKey(ns, obj.Name))
	case "PersistentVolumeClaim":
		return subject(event.Key{Type: event.Volume, ID: ns + "/" + obj.Name})
	case "ConfigMap", "Secret":
		return subject(event.Key{Type: event.Config, ID: obj.Kind + "/" + ns + "/" + obj.Name})
	case "Namespace":
		return subject(event.Key{Type: event.Namespace, ID: obj.Name})
	case "ReplicaSet":
		rs, err := o.src.ReplicaSets.ReplicaSets(ns).Get(obj.Name)
		if err == nil && (obj.UID == "" || rs.UID == "" || rs.UID == obj.UID) {
			return subject(source.ReplicaSetOwner(rs))
		}
	}
	if ns == "" {
		return nil
	}
	return subject(event.WorkloadKey(obj.Kind, ns, obj.Name))
}

// configHash is the annotation by which the mirror of a static pod names the
// uid that the kubelet itself uses for it.
const configHash = "kubernetes.io/config.hash"

func (o *observer) aboutPod(obj corev1.ObjectReference) []event.Ref {
	uid := obj.UID
	if p, err := o.src.Pods.Pods(obj.Namespace).Get(obj.Name); err == nil {
		if uid == "" || types.UID(p.Annotations[configHash]) == uid {
			uid = source.UID(p)
		}
	}
	if uid == "" {
		return nil
	}
	pod := event.PodKey(string(uid))
	name, ok := containerOf(obj.FieldPath)
	if !ok {
		return []event.Ref{{Role: event.Subject, Key: pod}}
	}
	return []event.Ref{
		{Role: event.Subject, Key: event.ContainerKey(string(uid), name)},
		{Role: event.Owner, Key: pod},
	}
}

// containerOf reads "spec.containers{NAME}" and its init and ephemeral forms.
func containerOf(fieldPath string) (name string, ok bool) {
	for _, list := range []string{"spec.containers{", "spec.initContainers{", "spec.ephemeralContainers{"} {
		if rest, found := strings.CutPrefix(fieldPath, list); found {
			name, ok = strings.CutSuffix(rest, "}")
			return name, ok && name != ""
		}
	}
	return "", false
}
