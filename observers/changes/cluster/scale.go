package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

// zero is a workload of which no pod is asked for.
type zero struct {
	kind     string
	object   metav1.Object
	template *corev1.PodTemplateSpec
}

// tellZero tells of Deployments and StatefulSets without a pod wanted, who
// would need them, and since when.
func (o *observer) tellZero(pods []*corev1.Pod) {
	var list []zero
	deployments, _ := o.src.Deployments.List(labels.Everything())
	for _, d := range sorted(deployments) {
		if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
			list = append(list, zero{"Deployment", d, &d.Spec.Template})
		}
	}
	sets, _ := o.src.StatefulSets.List(labels.Everything())
	for _, s := range sorted(sets) {
		if s.Spec.Replicas != nil && *s.Spec.Replicas == 0 {
			list = append(list, zero{"StatefulSet", s, &s.Spec.Template})
		}
	}
	if len(list) == 0 {
		return
	}
	needed := o.needed(pods)
	downs := o.downs()
	for _, z := range list {
		name, ns := z.object.GetName(), z.object.GetNamespace()
		if !source.Plausible(name, ns) || z.object.GetDeletionTimestamp() != nil {
			continue
		}
		key := event.WorkloadKey(z.kind, ns, name)
		var svcs []event.Key
		n := int64(0)
		for _, svc := range o.serving(ns, z.template.Labels) {
			svcs = append(svcs, svc)
			n += needed[svc]
		}
		at := z.object.GetCreationTimestamp().Time
		e := about(changes.Scaled, at, key, peers(svcs)...)
		changes.Needed.Set(&e, n)
		if z.object.GetGeneration() == 1 {
			changes.AtBirth.Set(&e, true)
		}
		if a := source.ReplicasAuthor(z.object); a.At.After(e.At) {
			e.At = a.At
			changes.Since.Set(&e, a.At.Unix())
			setText(changes.By, &e, a.Manager)
		}
		if d, ok := downs[key.ID]; ok {
			changes.Had.Set(&e, d.had)
			if _, known := changes.Since.Get(e); !known || d.at.Before(e.At) {
				e.At = d.at
				changes.Since.Set(&e, d.at.Unix())
			}
		}
		o.tell(key.ID, e)
	}
}

// needed counts, by Service, the pods of others that name it.
func (o *observer) needed(pods []*corev1.Pod) map[event.Key]int64 {
	out := map[event.Key]int64{}
	if o.src.Known(source.Services) != nil {
		return out
	}
	svcs, err := o.src.Services.List(labels.Everything())
	if err != nil {
		return out
	}
	index := topology.NewServices(svcs)
	for _, p := range pods {
		for _, n := range index.Named(p.Namespace, topology.Mentions(&p.Spec)) {
			out[n.Service]++
		}
	}
	return out
}

// serving are the Services that would select pods with these labels.
func (o *observer) serving(namespace string, of map[string]string) []event.Key {
	if o.src.Known(source.Services) != nil {
		return nil
	}
	svcs, err := o.src.Services.Services(namespace).List(labels.Everything())
	if err != nil {
		return nil
	}
	var out []event.Key
	for _, svc := range sorted(svcs) {
		if len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(of)) && source.Plausible(svc.Name) {
			out = append(out, event.ServiceKey(svc.Namespace, svc.Name))
		}
	}
	return out
}

// down is a workload's scaling to zero as an Event tells it.
type down struct {
	had int64
	at  time.Time
}

// downs reads the Deployment controller's Events: "Scaled down replica set
// web-5d to 0 from 3", or "... from 3 to 0".
func (o *observer) downs() map[string]down {
	out := map[string]down{}
	reports, err := o.src.Events.List(labels.Everything())
	if err != nil {
		return out
	}
	for _, r := range reports {
		if r.Reason != "ScalingReplicaSet" || r.InvolvedObject.Kind != "Deployment" {
			continue
		}
		had, ok := scaledToZero(r.Message)
		at := source.LastSeen(r)
		id := "Deployment/" + r.InvolvedObject.Namespace + "/" + r.InvolvedObject.Name
		if ok && at.After(out[id].at) {
			out[id] = down{had, at}
		}
	}
	return out
}

// scaledToZero reads how many pods there were before. Old controllers do not
// tell; then it is none that is known.
func scaledToZero(message string) (had int64, ok bool) {
	_, rest, ok := strings.Cut(message, "caled down replica set ")
	if !ok || len(rest) > maxText {
		return 0, false
	}
	f := strings.Fields(rest)
	to, from := int64(-1), int64(0)
	for i := 1; i+1 < len(f); i++ {
		var n int64
		if _, err := fmt.Sscanf(f[i+1], "%d", &n); err != nil || n < 0 {
			continue
		}
		switch f[i] {
		case "to":
			to = n
		case "from":
			from = n
		}
	}
	return from, to == 0
}

// fresh is how old an autoscaler must be before what it misses counts: metrics
// of new pods come late.
const fresh = 2 * time.Minute

// tellAutoscalers tells of autoscalers that are not in order, and why.
func (o *observer) tellAutoscalers() {
	if o.src.Known(source.Autoscalers) != nil {
		return
	}
	list, err := o.src.Autoscalers.List(labels.Everything())
	if err != nil {
		return
	}
	for _, a := range sorted(list) {
		ref := a.Spec.ScaleTargetRef
		if o.src.Now().Sub(a.CreationTimestamp.Time) < fresh || !source.Plausible(a.Name, a.Namespace, ref.Kind, ref.Name) || ref.Name == "" || ref.Kind == "" {
			continue
		}
		for _, c := range a.Status.Conditions {
			problem := problemOf(c)
			if problem == "" {
				continue
			}
			e := about(changes.Autoscaler, c.LastTransitionTime.Time, event.WorkloadKey(ref.Kind, a.Namespace, ref.Name))
			setText(changes.Name, &e, a.Name)
			changes.Min.Set(&e, 1)
			if a.Spec.MinReplicas != nil {
				changes.Min.Set(&e, int64(*a.Spec.MinReplicas))
			}
			changes.Max.Set(&e, int64(a.Spec.MaxReplicas))
			changes.Current.Set(&e, int64(a.Status.CurrentReplicas))
			changes.Desired.Set(&e, int64(a.Status.DesiredReplicas))
			setText(changes.Reason, &e, c.Reason)
			setText(changes.Message, &e, c.Message)
			if problem == changes.Metric {
				if lacks := o.lacksRequest(a); lacks != "" {
					problem = changes.Ask
					setText(changes.Lacks, &e, lacks)
				} else {
					setText(changes.Group, &e, silentGroup(c.Message))
				}
			}
			setText(changes.Problem, &e, problem)
			o.tell(a.Namespace+"/"+a.Name, e)
			break
		}
	}
}

// problemOf sorts the conditions of an autoscaler. That it is disabled (its
// target has no replicas) or at its minimum is no problem of its own.
func problemOf(c autoscalingv2.HorizontalPodAutoscalerCondition) string {
	switch {
	case c.Type == autoscalingv2.AbleToScale && c.Status == corev1.ConditionFalse && c.Reason == "FailedGetScale":
		return changes.Target
	case c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionFalse && c.Reason != "ScalingDisabled":
		return changes.Metric
	case c.Type == autoscalingv2.ScalingLimited && c.Status == corev1.ConditionTrue && c.Reason == "TooManyReplicas":
		return changes.Limit
	}
	return ""
}

// lacksRequest names a container of the target that has no request of the
// resource which the autoscaler measures as a share of it.
func (o *observer) lacksRequest(a *autoscalingv2.HorizontalPodAutoscaler) string {
	var t *corev1.PodTemplateSpec
	switch a.Spec.ScaleTargetRef.Kind {
	case "Deployment":
		if d, err := o.src.Deployments.Deployments(a.Namespace).Get(a.Spec.ScaleTargetRef.Name); err == nil {
			t = &d.Spec.Template
		}
	case "StatefulSet":
		if s, err := o.src.StatefulSets.StatefulSets(a.Namespace).Get(a.Spec.ScaleTargetRef.Name); err == nil {
			t = &s.Spec.Template
		}
	}
	if t == nil {
		return ""
	}
	for _, m := range a.Spec.Metrics {
		if m.Type != autoscalingv2.ResourceMetricSourceType || m.Resource == nil || m.Resource.Target.Type != autoscalingv2.UtilizationMetricType {
			continue
		}
		for _, c := range t.Spec.Containers {
			_, asked := c.Resources.Requests[m.Resource.Name]
			_, limited := c.Resources.Limits[m.Resource.Name]
			if !asked && !limited && source.Plausible(c.Name) {
				return c.Name + " (" + string(m.Resource.Name) + ")"
			}
		}
	}
	return ""
}

// metricGroups are the API groups of metrics, which servers of their own serve.
var metricGroups = []string{"custom.metrics.k8s.io", "external.metrics.k8s.io", "metrics.k8s.io"}

// silentGroup finds the API group that did not answer in the words of the API
// server: "the server could not find the requested resource (get
// pods.metrics.k8s.io)".
func silentGroup(message string) string {
	m := strings.ToLower(message)
	if !slices.ContainsFunc([]string{"unable to handle the request", "could not find the requested resource", "no matches for kind", "connection refused", "service unavailable"}, func(w string) bool { return strings.Contains(m, w) }) {
		return ""
	}
	for _, g := range metricGroups {
		if strings.Contains(m, g) {
			return g
		}
	}
	return ""
}
