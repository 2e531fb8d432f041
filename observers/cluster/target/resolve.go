package target

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

type resolver struct {
	ctx       context.Context
	getter    genericclioptions.RESTClientGetter
	from      reader
	namespace string
}

// one resolves one name.
func (r *resolver) one(n name) (*Target, error) {
	if n.kind == "" {
		return r.bare(n.name)
	}
	k, ok := kindOf(n.kind)
	if !ok {
		return r.other(n)
	}
	switch k.name {
	case "Pod":
		return r.pod(n.name)
	case "Service":
		return r.service(n.name)
	case "Node":
		return r.node(n.name)
	case "Namespace":
		return r.everything(n.name, "")
	}
	c, err := r.controller(k, n.name)
	if err != nil {
		return nil, r.explain(err, k.name, n.name)
	}
	return r.workload(c)
}

func (r *resolver) pod(name string) (*Target, error) {
	p, err := get[*corev1.Pod](r, "Pod", r.namespace, name)
	if err != nil {
		return nil, r.explain(err, "Pod", name)
	}
	return r.ofPod(p), nil
}

// ofPod asks for the pod's ReplicaSet to name the workload; without the right
// to, the workload stays what the pod itself says.
func (r *resolver) ofPod(p *corev1.Pod) *Target {
	t := &Target{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, Pods: []*corev1.Pod{p}}
	uid := cluster.UID(p)
	t.match = func(o *corev1.Pod) bool { return cluster.UID(o) == uid }
	if ref := metav1.GetControllerOf(p); ref != nil && ref.Kind != "Node" {
		t.Workload = event.WorkloadKey(ref.Kind, p.Namespace, ref.Name)
		if ref.Kind == "ReplicaSet" {
			rs, err := get[*appsv1.ReplicaSet](r, "ReplicaSet", p.Namespace, ref.Name)
			if err == nil {
				t.Workload = cluster.ReplicaSetOwner(rs)
			}
		}
	}
	return t
}

func (r *resolver) service(name string) (*Target, error) {
	svc, err := get[*corev1.Service](r, "Service", r.namespace, name)
	if err != nil {
		return nil, r.explain(err, "Service", name)
	}
	return r.ofService(svc)
}

func (r *resolver) ofService(svc *corev1.Service) (*Target, error) {
	t := &Target{Kind: "Service", Namespace: svc.Namespace, Name: svc.Name}
	if len(svc.Spec.Selector) > 0 {
		sel := labels.SelectorFromSet(svc.Spec.Selector)
		t.match = func(p *corev1.Pod) bool { return p.Namespace == svc.Namespace && sel.Matches(labels.Set(p.Labels)) }
		pods, err := r.pods(svc.Namespace, sel.String(), "")
		if err != nil {
			return nil, err
		}
		t.Pods = filter(pods, t.match)
		t.Workload = r.commonWorkload(t.Pods)
		return t, nil
	}
	uids, err := r.endpoints(svc)
	if err != nil {
		return nil, err
	}
	t.match = func(p *corev1.Pod) bool { return uids[p.UID] }
	if len(uids) > 0 {
		pods, err := r.pods(svc.Namespace, "", "")
		if err != nil {
			return nil, err
		}
		t.Pods = filter(pods, t.match)
	}
	return t, nil
}

// endpoints are the pods that a Service without selector points to.
func (r *resolver) endpoints(svc *corev1.Service) (map[types.UID]bool, error) {
	l, _, err := r.from.list(r.ctx, "EndpointSlice", svc.Namespace, metav1.ListOptions{
		LabelSelector: labels.Set{discoveryv1.LabelServiceName: svc.Name}.String(),
	})
	if err != nil {
		return nil, r.explain(err, "EndpointSlice", svc.Name)
	}
	uids := map[types.UID]bool{}
	for _, obj := range l {
		es, ok := obj.(*discoveryv1.EndpointSlice)
		if !ok {
			continue
		}
		for _, ep := range es.Endpoints {
			if ep.TargetRef != nil && ep.TargetRef.Kind == "Pod" && ep.TargetRef.UID != "" {
				uids[ep.TargetRef.UID] = true
			}
		}
	}
	return uids, nil
}

func (r *resolver) node(name string) (*Target, error) {
	if _, err := r.from.get(r.ctx, "Node", "", name); err != nil && !unreadable(err) {
		return nil, r.explain(err, "Node", name)
	}
	t := &Target{Kind: "Node", Name: name, match: func(p *corev1.Pod) bool { return p.Spec.NodeName == name }}
	pods, err := r.pods("", "", name)
	if unreadable(err) { // then what the own namespace has on it
		t.Namespace = r.namespace
		pods, err = r.pods(r.namespace, "", name)
	}
	if err != nil {
		return nil, err
	}
	t.Pods = filter(pods, t.match)
	return t, nil
}

// everything is a namespace or, with an empty one, the cluster, or what a
// selector leaves of them.
func (r *resolver) everything(namespace, selector string) (*Target, error) {
	t := &Target{Kind: "Namespace", Namespace: namespace, Name: namespace, match: func(*corev1.Pod) bool { return true }}
	if namespace == "" {
		t.Kind = "Cluster"
	}
	if selector != "" {
		sel, err := labels.Parse(selector)
		if err != nil {
			return nil, fmt.Errorf("the selector %q is not valid: %w", selector, err)
		}
		t.Kind, t.Name = "Pods", selector
		t.match = func(p *corev1.Pod) bool {
			return (namespace == "" || p.Namespace == namespace) && sel.Matches(labels.Set(p.Labels))
		}
	}
	pods, err := r.pods(namespace, selector, "")
	if err != nil {
		return nil, err
	}
	if selector != "" {
		if pods = filter(pods, t.match); len(pods) == 0 {
			return nil, fmt.Errorf("no pod in %s matches the selector %q", whereText(namespace), selector)
		}
		t.Workload = r.commonWorkload(pods)
	} else if len(pods) == 0 && namespace != "" {
		if err := r.namespaceExists(namespace); err != nil {
			return nil, err
		}
	}
	t.Pods = pods
	return t, nil
}

func (r *resolver) namespaceExists(namespace string) error {
	_, err := r.from.get(r.ctx, "Namespace", "", namespace)
	if isNotFound(err) {
		return fmt.Errorf("there is no namespace %q", namespace)
	}
	if s, ok := r.from.(static); ok && err != nil && !slices.Contains(s.src.Spaces(), namespace) {
		return fmt.Errorf("the input holds nothing of namespace %q%s", namespace, holds(s.src.Spaces()))
	}
	return nil // an empty namespace, or one that may not be asked for
}

const (
	podPage  = 5000 // a page is a request
	podPages = 4
)

// pods lists pods in pages, so that the answer of a large cluster is bounded.
func (r *resolver) pods(namespace, selector, node string) ([]*corev1.Pod, error) {
	o := metav1.ListOptions{LabelSelector: selector, Limit: podPage}
	if node != "" {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", node).String()
	}
	var out []*corev1.Pod
	for range podPages {
		l, more, err := r.from.list(r.ctx, "Pod", namespace, o)
		if err != nil {
			return nil, r.explain(err, "Pod", "")
		}
		for _, obj := range l {
			if p, ok := obj.(*corev1.Pod); ok {
				out = append(out, p)
			}
		}
		if o.Continue = more; more == "" {
			break
		}
	}
	return out, nil
}

func filter(pods []*corev1.Pod, match func(*corev1.Pod) bool) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return !match(p) })
}

// commonWorkload is the workload of all the pods, or zero when they differ.
func (r *resolver) commonWorkload(pods []*corev1.Pod) event.Key {
	owners := map[string]*corev1.Pod{}
	for _, p := range pods {
		ref := metav1.GetControllerOf(p)
		if ref == nil {
			return event.Key{}
		}
		owners[p.Namespace+"/"+ref.Kind+"/"+ref.Name] = p
	}
	const few = 4 // revisions of one Deployment; each costs a request
	if len(owners) == 0 || len(owners) > few {
		return event.Key{}
	}
	var key event.Key
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		k := r.ofPod(owners[id]).Workload
		if !key.IsZero() && k != key {
			return event.Key{}
		}
		key = k
	}
	return key
}
