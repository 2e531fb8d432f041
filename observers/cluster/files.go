package cluster

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// FromObjects is a source that does not change: objects and lists of them as
// files hold them. A kind of which neither an object nor a list is given is
// unknown; objects of kinds that no observer reads are passed over. The objects
// are not changed. A zero now means Newest(objs).
func FromObjects(objs []runtime.Object, logs Logs, now time.Time) Source {
	if now.IsZero() {
		now = Newest(objs)
	}
	src := newSource("", logs, func() time.Time { return now })
	src.static = true
	src.holdsAllPods()
	seen := map[Resource]bool{}
	for _, obj := range flatten(objs, seen) {
		r, ok := resourceOf(obj)
		if !ok {
			continue
		}
		if e, ok := obj.(*eventsv1.Event); ok {
			obj = fromEventsAPI(e)
		}
		if ours(obj) {
			continue
		}
		if m, err := meta.Accessor(obj); err != nil || m.GetName() == "" || !Plausible(m.GetName(), m.GetNamespace(), string(m.GetUID())) {
			continue
		}
		if src.stores[r].indexer.Add(obj) == nil {
			seen[r] = true
		}
	}
	seen[AllPods] = seen[Pods]
	for _, k := range kinds {
		if seen[k.resource] {
			src.stores[k.resource].set(nil)
			continue
		}
		src.stores[k.resource].set(&Unknown{Resource: k.resource, Why: "the input holds none and no list of them", Final: true})
	}
	return src
}

// flatten opens lists and notes the kinds of which a list is there.
func flatten(objs []runtime.Object, seen map[Resource]bool) []runtime.Object {
	var out []runtime.Object
	for _, obj := range objs {
		if obj == nil {
			continue
		}
		if !meta.IsListType(obj) {
			out = append(out, obj)
			continue
		}
		if r, ok := resourceOf(obj); ok {
			seen[r] = true
		}
		items, err := meta.ExtractList(obj)
		if err != nil {
			continue
		}
		out = append(out, slices.DeleteFunc(items, func(o runtime.Object) bool { return o == nil })...)
	}
	return out
}

// fromEventsAPI reads an events.k8s.io Event in the form of the core API, in
// which the API server serves the same objects.
func fromEventsAPI(e *eventsv1.Event) *corev1.Event {
	out := &corev1.Event{
		ObjectMeta:          e.ObjectMeta,
		InvolvedObject:      e.Regarding,
		Reason:              e.Reason,
		Message:             e.Note,
		Type:                e.Type,
		EventTime:           e.EventTime,
		ReportingController: e.ReportingController,
		ReportingInstance:   e.ReportingInstance,
		Action:              e.Action,
		Related:             e.Related,
		Source:              e.DeprecatedSource,
		FirstTimestamp:      e.DeprecatedFirstTimestamp,
		LastTimestamp:       e.DeprecatedLastTimestamp,
		Count:               e.DeprecatedCount,
	}
	if e.Series != nil {
		out.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

// Newest is the newest time that the objects tell of something that happened:
// creations, edits, conditions, container starts and ends, Events. Times that
// lie ahead by nature, such as a deletion's end, are not among them. Without
// any it is the zero time.
func Newest(objs []runtime.Object) time.Time {
	var t time.Time
	for _, obj := range flatten(objs, map[Resource]bool{}) {
		if m, err := meta.Accessor(obj); err == nil {
			t = later(t, m.GetCreationTimestamp().Time)
			for _, f := range m.GetManagedFields() {
				if f.Time != nil {
					t = later(t, f.Time.Time)
				}
			}
		}
		switch o := obj.(type) {
		case *corev1.Pod:
			t = later(t, newestOfPod(o))
		case *corev1.Node:
			for _, c := range o.Status.Conditions {
				t = later(later(t, c.LastTransitionTime.Time), c.LastHeartbeatTime.Time)
			}
		case *corev1.Event:
			t = later(t, LastSeen(o))
		case *eventsv1.Event:
			t = later(t, LastSeen(fromEventsAPI(o)))
		}
	}
	return t
}

func newestOfPod(p *corev1.Pod) time.Time {
	var t time.Time
	if p.Status.StartTime != nil {
		t = later(t, p.Status.StartTime.Time)
	}
	for _, c := range p.Status.Conditions {
		t = later(later(t, c.LastTransitionTime.Time), c.LastProbeTime.Time)
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for _, c := range list {
			for _, st := range []corev1.ContainerState{c.State, c.LastTerminationState} {
				if st.Running != nil {
					t = later(t, st.Running.StartedAt.Time)
				}
				if st.Terminated != nil {
					t = later(t, st.Terminated.FinishedAt.Time)
				}
			}
		}
	}
	return t
}
