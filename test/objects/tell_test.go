package objects

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/collect"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	clientcatalog "github.com/yairfalse/tapio/observers/catalog/client"
	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// complete are the kinds of which a list is there even when nothing of the kind
// is: so that "none" is known.
var complete = []runtime.Object{
	&corev1.EventList{}, &corev1.NodeList{}, &corev1.PodList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.SecretList{},
	&corev1.ServiceAccountList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}, &corev1.NamespaceList{}, &corev1.EndpointsList{},
	&corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}, &storagev1.StorageClassList{}, &storagev1.VolumeAttachmentList{},
	&appsv1.DeploymentList{}, &appsv1.ReplicaSetList{}, &appsv1.StatefulSetList{}, &appsv1.DaemonSetList{}, &appsv1.ControllerRevisionList{},
	&batchv1.JobList{}, &batchv1.CronJobList{}, &discoveryv1.EndpointSliceList{}, &networkingv1.NetworkPolicyList{}, &networkingv1.IngressList{},
	&autoscalingv2.HorizontalPodAutoscalerList{}, &policyv1.PodDisruptionBudgetList{}, &coordinationv1.LeaseList{},
	&rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	&admissionv1.MutatingWebhookConfigurationList{}, &admissionv1.ValidatingWebhookConfigurationList{},
}

// all lists the objects of the world, with the endpoints that follow from its
// Services and pods.
func (w *world) all() []runtime.Object {
	out := append([]runtime.Object{}, complete...)
	out = appendAll(out, w.nodes)
	out = appendAll(out, w.leases)
	out = appendAll(out, w.pods)
	out = appendAll(out, w.deployments)
	out = appendAll(out, w.sets)
	out = appendAll(out, w.stateful)
	out = appendAll(out, w.daemons)
	out = appendAll(out, w.services)
	out = appendAll(out, w.slices())
	out = appendAll(out, w.claims)
	out = appendAll(out, w.volumes)
	out = appendAll(out, w.configs)
	out = appendAll(out, w.secrets)
	out = appendAll(out, w.accounts)
	out = appendAll(out, w.events)
	return append(out, w.more...)
}

func appendAll[T runtime.Object](to []runtime.Object, objs []T) []runtime.Object {
	for _, o := range objs {
		to = append(to, o)
	}
	return to
}

// slices are the EndpointSlices that the cluster would make.
func (w *world) slices() []*discoveryv1.EndpointSlice {
	var out []*discoveryv1.EndpointSlice
	for _, s := range w.services {
		es := &discoveryv1.EndpointSlice{ObjectMeta: meta(s.Namespace, s.Name+"-e5d2p", 20*day), AddressType: discoveryv1.AddressTypeIPv4}
		es.Labels = map[string]string{discoveryv1.LabelServiceName: s.Name}
		port, protocol := s.Spec.Ports[0].TargetPort.IntVal, s.Spec.Ports[0].Protocol
		es.Ports = []discoveryv1.EndpointPort{{Name: &s.Spec.Ports[0].Name, Port: &port, Protocol: &protocol}}
		for _, p := range w.pods {
			if p.Namespace != s.Namespace || p.Status.PodIP == "" || !matches(s.Spec.Selector, p.Labels) {
				continue
			}
			ready := ready(p)
			es.Endpoints = append(es.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{p.Status.PodIP}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}, NodeName: &p.Spec.NodeName,
				TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
			})
		}
		out = append(out, es)
	}
	return out
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// tell is the story of a namespace of the objects.
func tell(t *testing.T, objs []runtime.Object, logs map[string]string, namespace string) *story.Story {
	t.Helper()
	return explain(frames(t, objs, logs), namespace)
}

// frames are what the observers tell of the objects, in order of arrival.
func frames(t *testing.T, objs []runtime.Object, logs map[string]string) []wire.Sourced {
	t.Helper()
	read := func(_ context.Context, ns, pod, container string, o cluster.LogOptions) (io.ReadCloser, error) {
		text, ok := logs[ns+"/"+pod+"/"+container]
		if !ok || o.Previous {
			return nil, cluster.ErrNoLogs
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	run := cluster.Drive(ctx, cluster.FromObjects(objs, read, now), clientcatalog.Entries)
	go func() {
		<-run.Settled()
		cancel()
	}()
	var out []wire.Sourced
	for f := range run.Frames() {
		out = append(out, f)
	}
	return out
}

func explain(frames []wire.Sourced, namespace string) *story.Story {
	c := collect.New()
	for _, f := range frames {
		c.Add(f)
	}
	target := window.Target{Kind: "Namespace", Namespace: namespace, Name: namespace, Key: event.Key{Type: event.Namespace, ID: namespace}}
	return correlate.Explain(c.Window(target, now.Add(-time.Hour), now))
}

// brief is what must not depend on names or on what stands beside: verdict,
// cause and entity.
func brief(s *story.Story) string {
	if len(s.Hypotheses) == 0 || s.Verdict != story.Explained {
		return string(s.Verdict)
	}
	h := s.Hypotheses[0]
	e := h.Entity
	if h.Workload != nil {
		e = *h.Workload // which of several pods leads may depend on names
	}
	return strings.Join([]string{string(s.Verdict), h.Cause, e.Kind, e.Namespace, e.Name}, " ")
}

// full is the whole document, for a failing test.
func full(s *story.Story) string {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}
