package cluster

import (
	"errors"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// workloadMemory is what was told about a controller.
type workloadMemory struct {
	id    string
	round uint64
	state workloadState
	at    time.Time
}

type workloadState struct {
	key, owner                          event.Key
	namespace, name, revision, selector string
	desired, available, created         int64
}

// revisionAnnotation is where the Deployment controller writes the revision.
const revisionAnnotation = "deployment.kubernetes.io/revision"

func (o *observer) lookWorkloads(emit func(event.Event)) error {
	var errs []error
	var found []workload
	deployments, err := o.src.Deployments.List(labels.Everything())
	errs = append(errs, err)
	for _, d := range deployments {
		found = append(found, ofDeployment(d))
	}
	sets, err := o.src.StatefulSets.List(labels.Everything())
	errs = append(errs, err)
	for _, s := range sets {
		found = append(found, ofStatefulSet(s))
	}
	daemons, err := o.src.DaemonSets.List(labels.Everything())
	errs = append(errs, err)
	for _, d := range daemons {
		found = append(found, ofDaemonSet(d))
	}
	jobs, err := o.src.Jobs.List(labels.Everything())
	errs = append(errs, err)
	for _, j := range jobs {
		found = append(found, ofJob(j))
	}
	slices.SortFunc(found, func(a, b workload) int { return strings.Compare(a.state.key.ID, b.state.key.ID) })
	for _, w := range found {
		o.lookWorkload(w, emit)
	}
	return errors.Join(errs...)
}

// workload is a controller's state and since when it holds.
type workload struct {
	state workloadState
	since time.Time
}

func (o *observer) lookWorkload(w workload, emit func(event.Event)) {
	id := w.state.key.ID
	m := o.workloads[id]
	if m != nil && m.state == w.state {
		m.round = o.round
		return
	}
	at := w.since
	if m != nil && !at.After(m.at) {
		at = o.src.Now()
	}
	o.workloads[id] = &workloadMemory{id: id, round: o.round, state: w.state, at: at}
	st := w.state
	e := event.Event{Kind: lifecycle.Workload, At: at, Refs: []event.Ref{{Role: event.Subject, Key: st.key}}}
	if !st.owner.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: st.owner})
	}
	setText(lifecycle.Namespace, &e, st.namespace)
	setText(lifecycle.Name, &e, st.name)
	setText(lifecycle.Revision, &e, st.revision)
	setText(lifecycle.Selector, &e, st.selector)
	lifecycle.Desired.Set(&e, st.desired)
	lifecycle.Available.Set(&e, st.available)
	if st.created > 0 {
		lifecycle.Created.Set(&e, st.created)
	}
	emit(e)
}

func common(kind string, m metav1.ObjectMeta, sel *metav1.LabelSelector) workload {
	st := workloadState{
		key: event.WorkloadKey(kind, m.Namespace, m.Name), namespace: m.Namespace, name: m.Name,
		created: unix(m.CreationTimestamp.Time),
	}
	if sel != nil {
		st.selector = clip(metav1.FormatLabelSelector(sel))
	}
	if up := metav1.GetControllerOfNoCopy(&m); up != nil && up.Name != "" && source.Plausible(up.Name, up.Kind) {
		st.owner = event.WorkloadKey(up.Kind, m.Namespace, up.Name)
	}
	return workload{state: st, since: m.CreationTimestamp.Time}
}

func orOne(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}

func ofDeployment(d *appsv1.Deployment) workload {
	w := common("Deployment", d.ObjectMeta, d.Spec.Selector)
	w.state.desired, w.state.available = orOne(d.Spec.Replicas), int64(d.Status.ReadyReplicas)
	w.state.revision = d.Annotations[revisionAnnotation]
	for _, c := range d.Status.Conditions {
		w.since = newest(w.since, c.LastTransitionTime.Time)
	}
	return w
}

func ofStatefulSet(s *appsv1.StatefulSet) workload {
	w := common("StatefulSet", s.ObjectMeta, s.Spec.Selector)
	w.state.desired, w.state.available = orOne(s.Spec.Replicas), int64(s.Status.ReadyReplicas)
	w.state.revision = s.Status.UpdateRevision
	return w
}

func ofDaemonSet(d *appsv1.DaemonSet) workload {
	w := common("DaemonSet", d.ObjectMeta, d.Spec.Selector)
	w.state.desired, w.state.available = int64(d.Status.DesiredNumberScheduled), int64(d.Status.NumberReady)
	return w
}

// ofJob counts what is done together with what is ready, against the
// completions asked for: a finished Job has all it wants.
func ofJob(j *batchv1.Job) workload {
	w := common("Job", j.ObjectMeta, j.Spec.Selector)
	w.state.desired = orOne(j.Spec.Completions)
	if j.Spec.Completions == nil {
		w.state.desired = orOne(j.Spec.Parallelism)
	}
	w.state.available = int64(j.Status.Succeeded)
	if j.Status.Ready != nil {
		w.state.available += int64(*j.Status.Ready)
	}
	for _, c := range j.Status.Conditions {
		w.since = newest(w.since, c.LastTransitionTime.Time)
	}
	return w
}
