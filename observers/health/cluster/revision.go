package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

func (o *observer) compareRevision(v *view, p *corev1.Pod, c *corev1.Container, pr probe, e *event.Event) {
	was, revision, ok := v.before(p, c.Name, pr.which)
	if revision == "" {
		return
	}
	var changed, before []string
	note := func(what, old string) { changed, before = append(changed, what), append(before, old) }
	switch {
	case !ok:
		note("added", "none")
	default:
		if was.port != pr.port {
			note("port", "port "+strconv.Itoa(int(was.port)))
		}
		if was.method != pr.method {
			note("method", was.method)
		}
		if was.path != pr.path {
			note("path", "path "+was.path)
		}
		if was.delay != pr.delay || was.period != pr.period || was.timeout != pr.timeout || was.threshold != pr.threshold {
			note("timing", fmt.Sprintf("delay %ds, period %ds, timeout %ds, %d failures", was.delay, was.period, was.timeout, was.threshold))
		}
	}
	if len(changed) > 0 {
		setText(health.Changed, e, strings.Join(changed, ","))
		setText(health.Before, e, strings.Join(before, ", "))
		setText(health.Revision, e, revision)
	}
}

// revisionAnnotation is where the Deployment controller writes the revision.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// before finds the probe of the revision before the pod's own; revision is
// empty when none is known, ok is false when that had no such probe.
func (v *view) before(p *corev1.Pod, container, which string) (pr probe, revision string, ok bool) {
	var own *appsv1.ReplicaSet
	var all []*appsv1.ReplicaSet
	for _, r := range p.OwnerReferences {
		if r.Kind != "ReplicaSet" || r.Controller == nil || !*r.Controller {
			continue
		}
		if own = v.set[p.Namespace+"/"+r.Name]; own != nil {
			all = v.sets[source.ReplicaSetOwner(own).ID]
		}
	}
	if own == nil || !hasProbe(own, container, which) { // else a webhook put the probe there
		return probe{}, "", false
	}
	var last *appsv1.ReplicaSet
	for _, rs := range all {
		if n := number(rs); n > 0 && n < number(own) && (last == nil || n > number(last)) {
			last = rs
		}
	}
	if last == nil {
		return probe{}, "", false
	}
	for i := range last.Spec.Template.Spec.Containers {
		c := &last.Spec.Template.Spec.Containers[i]
		if c.Name != container {
			continue
		}
		revision = last.Annotations[revisionAnnotation]
		for _, x := range probesOf(c) {
			if x.which == which {
				return x, revision, true
			}
		}
	}
	return probe{}, revision, false
}

func hasProbe(rs *appsv1.ReplicaSet, container, which string) bool {
	for i := range rs.Spec.Template.Spec.Containers {
		if c := &rs.Spec.Template.Spec.Containers[i]; c.Name == container {
			return slices.ContainsFunc(probesOf(c), func(p probe) bool { return p.which == which })
		}
	}
	return false
}

// number is a ReplicaSet's revision, 0 when it has none.
func number(rs *appsv1.ReplicaSet) int {
	n, err := strconv.Atoi(rs.Annotations[revisionAnnotation])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// took is the longest, in seconds, that a container of this name took in the
// pods of the workload from its start to being ready; 0 when none tells. In pods
// of several containers the readiness of one cannot be told from another's.
func (o *observer) took(v *view, of *corev1.Pod, c *corev1.Container) int64 {
	owner, ok := o.src.Workload(of)
	if !ok {
		return 0
	}
	var longest time.Duration
	for _, p := range v.siblings[owner.ID] {
		s := statusOf(p, c.Name)
		if s == nil || !s.Ready || s.State.Running == nil || s.State.Running.StartedAt.IsZero() || len(p.Status.ContainerStatuses) > 1 {
			continue
		}
		for _, x := range p.Status.Conditions {
			if x.Type == corev1.PodReady && x.Status == corev1.ConditionTrue {
				longest = max(longest, x.LastTransitionTime.Sub(s.State.Running.StartedAt.Time))
			}
		}
	}
	return int64(min(longest, 24*time.Hour) / time.Second)
}
