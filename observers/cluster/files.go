package cluster

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// Input is what files hold.
type Input struct {
	// Objects are objects and lists of them. Objects of kinds that no observer
	// reads are passed over. They are not changed.
	Objects []runtime.Object
	// Parts are objects that were given one by one, or in a list that breaks
	// off: what is not among them may exist all the same.
	Parts []runtime.Object
	// Empty are lists of which it is known that they hold nothing, by namespace;
	// "" stands for all.
	Empty []Listed
	Logs  Logs
	// Own tells that the pods are those of some namespaces: what else fills the
	// nodes is unknown.
	Own bool
	// Now is the time the objects are looked at; zero means Newest.
	Now time.Time
}

// Listed is a list of one namespace, or of all with "".
type Listed struct {
	Resource  Resource
	Namespace string
}

// FromObjects is a source that does not change: objects and lists of them as
// files hold them. A kind of which neither an object nor a list is given is
// unknown; objects of kinds that no observer reads are passed over. The objects
// are not changed. A zero now means Newest(objs).
func FromObjects(objs []runtime.Object, logs Logs, now time.Time) Source {
	return FromInput(Input{Objects: objs, Logs: logs, Now: now})
}

// FromInput is a source that does not change. A kind of which neither an object
// nor a list is given is unknown.
func FromInput(in Input) Source {
	now := in.Now
	if now.IsZero() {
		now = Newest(slices.Concat(in.Objects, in.Parts))
	}
	src := newSource("", in.Logs, func() time.Time { return now })
	src.static = true
	src.lists = newLists()
	if src.lists.own = in.Own; !in.Own {
		src.holdsAllPods()
	}
	src.holdsAllLeases()
	for _, l := range in.Empty {
		src.lists.add(l.Resource, l.Namespace, true)
	}
	for _, obj := range in.Objects {
		src.take(obj, true)
	}
	for _, obj := range in.Parts {
		src.take(obj, false)
	}
	src.settleAll("")
	return src
}

// take adds an object or a list of them.
func (o *objects) take(obj runtime.Object, whole bool) {
	if obj == nil {
		return
	}
	if !meta.IsListType(obj) {
		if r, ok := resourceOf(obj); ok {
			if ns, ok := o.put(r, obj); ok {
				o.lists.add(r, ns, whole)
			}
		}
		return
	}
	r, ofKind := resourceOf(obj)
	items, err := meta.ExtractList(obj)
	if err != nil {
		return
	}
	spaces := map[string]bool{}
	for _, item := range items {
		if item == nil {
			continue
		}
		if ir, ok := resourceOf(item); ok {
			if ns, ok := o.put(ir, item); ok {
				o.lists.add(ir, ns, whole)
				spaces[ns] = true
			}
		}
	}
	if ofKind && len(spaces) != 1 { // of all namespaces, or of none
		o.lists.add(r, "", whole)
	}
}

// put stores one object and tells its namespace; false when it is none that a
// source holds.
func (o *objects) put(r Resource, obj runtime.Object) (namespace string, ok bool) {
	if e, ok := obj.(*eventsv1.Event); ok {
		obj = fromEventsAPI(e)
	}
	if ours(obj) {
		return "", false
	}
	m, err := meta.Accessor(obj)
	if err != nil || m.GetName() == "" || !Plausible(m.GetName(), m.GetNamespace(), string(m.GetUID())) {
		return "", false
	}
	return m.GetNamespace(), o.stores[r].indexer.Add(obj) == nil
}

// flatten opens lists.
func flatten(objs []runtime.Object) []runtime.Object {
	var out []runtime.Object
	for _, obj := range objs {
		if obj == nil {
			continue
		}
		if !meta.IsListType(obj) {
			out = append(out, obj)
			continue
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
