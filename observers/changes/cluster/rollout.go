package cluster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

// revisionAnnotation is where the Deployment controller writes the revision.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// tellDeployments tells of each Deployment's newest revision against the one
// before.
func (o *observer) tellDeployments(pods []*corev1.Pod) {
	deployments, err := o.src.Deployments.List(labels.Everything())
	if err != nil || o.src.Known(source.ReplicaSets) != nil {
		return
	}
	sets, err := o.src.ReplicaSets.List(labels.Everything())
	if err != nil {
		return
	}
	owned := map[string][]*appsv1.ReplicaSet{}
	for _, rs := range sets {
		if ref := metav1.GetControllerOfNoCopy(rs); ref != nil && ref.Kind == "Deployment" {
			id := rs.Namespace + "/" + ref.Name
			owned[id] = append(owned[id], rs)
		}
	}
	for _, d := range sorted(deployments) {
		if !source.Plausible(d.Name, d.Namespace) {
			continue
		}
		o.tellKeeper(event.WorkloadKey("Deployment", d.Namespace, d.Name), d)
		o.tellDeployment(d, owned[d.Namespace+"/"+d.Name], pods)
	}
}

func revisionOf(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (o *observer) tellDeployment(d *appsv1.Deployment, sets []*appsv1.ReplicaSet, pods []*corev1.Pod) {
	slices.SortFunc(sets, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(revisionOf(b), revisionOf(a)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	if len(sets) < 2 {
		return
	}
	latest, before := sets[0], sets[1]
	at := latest.CreationTimestamp.Time
	if at.Before(before.CreationTimestamp.Time) { // a revision that was gone back to
		at = latest.CreationTimestamp.Time
		if a := source.LastAuthor(d); a.At.After(at) {
			at = a.At
		}
	}
	e := about(changes.Rollout, at, event.WorkloadKey("Deployment", d.Namespace, d.Name))
	setText(changes.Revision, &e, latest.Annotations[revisionAnnotation])
	setText(changes.Previous, &e, before.Annotations[revisionAnnotation])
	setDiffers(&e, &before.Spec.Template, &latest.Spec.Template)
	fresh := of(pods, "ReplicaSet", latest.Namespace, latest.Name)
	var old []*corev1.Pod
	for _, rs := range sets[1:] {
		old = append(old, of(pods, "ReplicaSet", rs.Namespace, rs.Name)...)
	}
	setProgress(&e, fresh, old)
	changes.Back.Set(&e, true)
	if d.Spec.Paused {
		changes.Paused.Set(&e, true)
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
			changes.Overdue.Set(&e, true)
		}
	}
	setAuthor(&e, d, at)
	o.tell(e.Subject().ID, e)
}

// setAuthor names who edited the object, if that edit can be the change at the
// moment: the controller follows within seconds.
func setAuthor(e *event.Event, m metav1.Object, at time.Time) {
	a := source.LastAuthor(m)
	if d := at.Sub(a.At); !a.At.IsZero() && d > -2*time.Second && d < 30*time.Second {
		setText(changes.By, e, a.Manager)
	}
}

func setDiffers(e *event.Event, from, to *corev1.PodTemplateSpec) {
	setText(changes.Differs, e, strings.Join(differ(from, to), ", "))
	for i := range to.Spec.Containers {
		c := &to.Spec.Containers[i]
		j := slices.IndexFunc(from.Spec.Containers, func(x corev1.Container) bool { return x.Name == c.Name })
		if j >= 0 && from.Spec.Containers[j].Image != c.Image {
			setText(changes.ImageFrom, e, from.Spec.Containers[j].Image)
			setText(changes.ImageTo, e, c.Image)
			return
		}
	}
}

func setProgress(e *event.Event, fresh, old []*corev1.Pod) {
	changes.NewPods.Set(e, int64(len(fresh)))
	changes.NewReady.Set(e, readyOf(fresh))
	changes.OldPods.Set(e, int64(len(old)))
	changes.OldReady.Set(e, readyOf(old))
	if readyOf(old) > 0 {
		changes.OldWorked.Set(e, true)
	}
}

// hashLabel is where StatefulSets and DaemonSets write a pod's revision.
const hashLabel = appsv1.ControllerRevisionHashLabelKey

// tellStatefulSets tells of rollouts of StatefulSets that are under way, and of
// pods that keep them from going on.
func (o *observer) tellStatefulSets(pods []*corev1.Pod) {
	sets, err := o.src.StatefulSets.List(labels.Everything())
	if err != nil {
		return
	}
	for _, s := range sorted(sets) {
		if !source.Plausible(s.Name, s.Namespace) {
			continue
		}
		key := event.WorkloadKey("StatefulSet", s.Namespace, s.Name)
		o.tellKeeper(key, s)
		if s.Status.UpdateRevision == "" || s.Status.UpdateRevision == s.Status.CurrentRevision {
			continue
		}
		mine := of(pods, "StatefulSet", s.Namespace, s.Name)
		fresh := slices.DeleteFunc(slices.Clone(mine), func(p *corev1.Pod) bool { return p.Labels[hashLabel] != s.Status.UpdateRevision })
		old := slices.DeleteFunc(slices.Clone(mine), func(p *corev1.Pod) bool { return p.Labels[hashLabel] == s.Status.UpdateRevision })
		e := about(changes.Rollout, source.LastAuthor(s).At, key)
		setText(changes.Revision, &e, s.Status.UpdateRevision)
		setText(changes.Previous, &e, s.Status.CurrentRevision)
		setProgress(&e, fresh, old)
		changes.Back.Set(&e, true)
		setText(changes.By, &e, source.LastAuthor(s).Manager)
		o.Want(o.src, source.Revisions)
		if from, to := o.revision(s, s.Status.CurrentRevision), o.revision(s, s.Status.UpdateRevision); from != nil && to != nil {
			setDiffers(&e, &from.Spec.Template, &to.Spec.Template)
			if r := o.madeAt(s, s.Status.UpdateRevision); e.At.IsZero() && !r.IsZero() {
				e.At = r
			}
		}
		o.tell(key.ID, e)
		o.tellBlocked(s, old)
	}
}

// templated is what a ControllerRevision holds.
type templated struct {
	Spec struct {
		Template corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

func (o *observer) revision(s *appsv1.StatefulSet, name string) *templated {
	if o.src.Known(source.Revisions) != nil {
		return nil
	}
	r, err := o.src.Revisions.ControllerRevisions(s.Namespace).Get(name)
	if err != nil || len(r.Data.Raw) == 0 {
		return nil
	}
	out := &templated{}
	if json.Unmarshal(r.Data.Raw, out) != nil {
		return nil
	}
	return out
}

func (o *observer) madeAt(s *appsv1.StatefulSet, name string) time.Time {
	r, err := o.src.Revisions.ControllerRevisions(s.Namespace).Get(name)
	if err != nil {
		return time.Time{}
	}
	return r.CreationTimestamp.Time
}

// patience is for how long a pod may be not ready before it is in the way.
const patience = 30 * time.Second

// tellBlocked tells of a pod of the old revision that is broken: its controller
// waits for it to become ready before it replaces any, itself included.
func (o *observer) tellBlocked(s *appsv1.StatefulSet, old []*corev1.Pod) {
	ordered := s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	if !ordered || s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return
	}
	for _, p := range old {
		since := notReadySince(p)
		if topology.Ready(p) || o.src.Now().Sub(since) < patience {
			continue
		}
		e := about(changes.Blocked, since, event.WorkloadKey("StatefulSet", s.Namespace, s.Name),
			event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
		setText(changes.Pod, &e, p.Name)
		setText(changes.Trouble, &e, troubleOf(p))
		setText(changes.Revision, &e, s.Status.UpdateRevision)
		setText(changes.Previous, &e, p.Labels[hashLabel])
		o.tell(e.Subject().ID, e)
		return
	}
}

func notReadySince(p *corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}

func troubleOf(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			return c.State.Waiting.Reason
		case c.State.Terminated != nil:
			return c.State.Terminated.Reason
		case !c.Ready:
			return "not ready"
		}
	}
	return string(p.Status.Phase)
}
