package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// shortage is a controller with fewer pods than it asks for.
type shortage struct {
	key           event.Key // the workload people know
	namespace     string
	set           string // the ReplicaSet of a Deployment
	desired, pods int64
	waits         bool
	template      *corev1.PodTemplateSpec
	claims        []corev1.PersistentVolumeClaim // of one more pod
	since         time.Time
	refusal       refusal
}

// refusal is what the controller heard when it last asked.
type refusal struct {
	now         bool
	message     string
	first, last time.Time
	count       int64
}

// shortages lists the controllers that are short, one a workload: of several
// ReplicaSets of a Deployment the newest counts.
func (o *observer) shortages() []*shortage {
	owned := map[string]int64{}
	for _, p := range o.pods() {
		if ref := metav1.GetControllerOfNoCopy(p); ref != nil {
			owned[p.Namespace+"/"+ref.Kind+"/"+ref.Name]++
		}
	}
	heard := o.attempts()
	var out []*shortage
	add := func(kind string, m metav1.ObjectMeta, s *shortage) {
		id := m.Namespace + "/" + kind + "/" + m.Name
		s.namespace, s.pods = m.Namespace, owned[id]
		if s.key.IsZero() {
			s.key = event.WorkloadKey(kind, m.Namespace, m.Name)
		}
		if s.since.IsZero() {
			s.since = m.CreationTimestamp.Time
		}
		if s.pods >= s.desired || m.DeletionTimestamp != nil || !source.Plausible(m.Name, m.Namespace) {
			return
		}
		s.refusal.join(heard[id])
		out = append(out, s)
	}
	for _, rs := range o.replicaSets() {
		add("ReplicaSet", rs.ObjectMeta, ofReplicaSet(rs))
	}
	sets, _ := o.src.StatefulSets.List(labels.Everything())
	for _, s := range sorted(sets) {
		add("StatefulSet", s.ObjectMeta, ofStatefulSet(s))
	}
	daemons, _ := o.src.DaemonSets.List(labels.Everything())
	for _, d := range sorted(daemons) {
		add("DaemonSet", d.ObjectMeta, &shortage{desired: int64(d.Status.DesiredNumberScheduled), template: &d.Spec.Template})
	}
	jobs, _ := o.src.Jobs.List(labels.Everything())
	for _, j := range sorted(jobs) {
		if n := jobWants(j); n > 0 {
			add("Job", j.ObjectMeta, &shortage{desired: n, template: &j.Spec.Template})
		}
	}
	return slices.CompactFunc(out, func(a, b *shortage) bool { return a.key == b.key })
}

// replicaSets lists them newest first within their workload.
func (o *observer) replicaSets() []*appsv1.ReplicaSet {
	sets, err := o.src.ReplicaSets.List(labels.Everything())
	if err != nil {
		return nil
	}
	slices.SortFunc(sets, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(
			strings.Compare(source.ReplicaSetOwner(a).ID, source.ReplicaSetOwner(b).ID),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			strings.Compare(a.Name, b.Name),
		)
	})
	return sets
}

func orOne(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}

func ofReplicaSet(rs *appsv1.ReplicaSet) *shortage {
	s := &shortage{key: source.ReplicaSetOwner(rs), desired: orOne(rs.Spec.Replicas), template: &rs.Spec.Template}
	if s.key.Leaf() != rs.Name {
		s.set = rs.Name
	}
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue && c.Reason != "FailedDelete" {
			s.refusal = refusal{now: true, message: c.Message, first: c.LastTransitionTime.Time, last: c.LastTransitionTime.Time}
			s.since = c.LastTransitionTime.Time
		}
	}
	return s
}

// ofStatefulSet knows that pods in order come one by one: as long as one is not
// ready the next is not asked for.
func ofStatefulSet(s *appsv1.StatefulSet) *shortage {
	out := &shortage{desired: orOne(s.Spec.Replicas), template: &s.Spec.Template, claims: s.Spec.VolumeClaimTemplates}
	out.waits = s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement && s.Status.ReadyReplicas < s.Status.Replicas
	return out
}

// jobWants is how many pods the Job should have now, 0 for one that is over,
// suspended, or waits after a failure.
func jobWants(j *batchv1.Job) int64 {
	if j.Spec.Suspend != nil && *j.Spec.Suspend || j.Status.Failed > 0 || j.Status.CompletionTime != nil {
		return 0
	}
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && c.Type != batchv1.JobSuspended {
			return 0
		}
	}
	n := orOne(j.Spec.Parallelism)
	if j.Spec.Completions != nil {
		n = min(n, int64(*j.Spec.Completions)-int64(j.Status.Succeeded))
	} else if j.Status.Succeeded > 0 {
		return 0
	}
	return n
}

// attempts is what Events tell of the last attempts of controllers to create
// pods, by "namespace/kind/name". An attempt that succeeded later than the
// refusal makes the refusal one of the past.
func (o *observer) attempts() map[string]refusal {
	out := map[string]refusal{}
	succeeded := map[string]time.Time{}
	reports, err := o.src.Events.List(labels.Everything())
	if err != nil {
		return out
	}
	for _, r := range reports {
		id := r.InvolvedObject.Namespace + "/" + r.InvolvedObject.Kind + "/" + r.InvolvedObject.Name
		last := source.LastSeen(r)
		switch r.Reason {
		case "SuccessfulCreate":
			if last.After(succeeded[id]) {
				succeeded[id] = last
			}
		case "FailedCreate":
			a, seen := out[id]
			a.count += max(int64(r.Count), 1)
			if first := source.FirstSeen(r); !seen || first.Before(a.first) {
				a.first = first
			}
			if c := last.Compare(a.last); !seen || c > 0 || c == 0 && r.Message > a.message {
				a.last, a.message = last, r.Message
			}
			out[id] = a
		}
	}
	for id, a := range out {
		a.now = !succeeded[id].After(a.last)
		out[id] = a
	}
	return out
}

// join adds what Events tell to what the status tells.
func (r *refusal) join(heard refusal) {
	if heard.count == 0 {
		return
	}
	if r.first.IsZero() || heard.first.Before(r.first) {
		r.first = heard.first
	}
	if heard.last.After(r.last) || r.message == "" {
		r.last, r.message = heard.last, heard.message
	}
	r.count, r.now = heard.count, r.now || heard.now
}

func (o *observer) tellShort(s *shortage) {
	at := s.since
	if !s.refusal.first.IsZero() {
		at = s.refusal.first
	}
	e := about(admission.Short, at, s.key)
	admission.Desired.Set(&e, s.desired)
	admission.Pods.Set(&e, s.pods)
	admission.Refused.Set(&e, s.refusal.now)
	setText(admission.Set, &e, s.set)
	setText(admission.Message, &e, s.refusal.message)
	setTime(admission.RefusedFirst, &e, s.refusal.first)
	setTime(admission.RefusedLast, &e, s.refusal.last)
	if s.refusal.count > 0 {
		admission.Refusals.Set(&e, s.refusal.count)
	}
	if s.waits {
		admission.Waits.Set(&e, true)
	}
	e.Refs = append(e.Refs, o.serving(s)...)
	o.tell(s.key.ID, e)
}

// maxServices bounds the Services that one fact names.
const maxServices = 20

// serving names the Services that would select the missing pods.
func (o *observer) serving(s *shortage) []event.Ref {
	if o.src.Known(source.Services) != nil {
		return nil
	}
	svcs, err := o.src.Services.Services(s.namespace).List(labels.Everything())
	if err != nil {
		return nil
	}
	var out []event.Ref
	for _, svc := range sorted(svcs) {
		if len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(s.template.Labels)) && len(out) < maxServices {
			out = append(out, event.Ref{Role: event.Peer, Key: event.ServiceKey(svc.Namespace, svc.Name)})
		}
	}
	return out
}
