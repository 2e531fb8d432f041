package target

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/yairfalse/tapio/observers/event"
)

// other resolves an object of a kind that is not built in, through discovery:
// a custom controller's pods are those that it, or a ReplicaSet, StatefulSet or
// Job of it, controls, narrowed by spec.selector where it has one.
func (r *resolver) other(n name) (*Target, error) {
	if _, ok := r.from.(static); ok || r.getter == nil {
		return nil, fmt.Errorf("%q is no kind that is known here", n.kind)
	}
	infos, err := resource.NewBuilder(r.getter).Unstructured().
		NamespaceParam(r.namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(true, n.kind+"/"+n.name).SingleResourceType().Latest().Do().Infos()
	switch {
	case meta.IsNoMatchError(err), err != nil && strings.Contains(err.Error(), "have a resource type"):
		return nil, fmt.Errorf("the cluster has no kind %q", n.kind)
	case isNotFound(err):
		return nil, r.missing(n.kind, n.name, nil)
	case err != nil:
		return nil, r.explain(err, n.kind, n.name)
	case len(infos) != 1:
		return nil, fmt.Errorf("%s/%s names %d objects, not one", n.kind, n.name, len(infos))
	}
	return r.custom(infos[0].Object)
}

func (r *resolver) custom(obj runtime.Object) (*Target, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("the object cannot be read: %w", err)
	}
	kindName := obj.GetObjectKind().GroupVersionKind().Kind
	if m.GetNamespace() == "" {
		return nil, fmt.Errorf("a %s has no pods of its own", kindName)
	}
	t := &Target{
		Kind: kindName, Namespace: m.GetNamespace(), Name: m.GetName(),
		Workload: event.WorkloadKey(kindName, m.GetNamespace(), m.GetName()),
	}
	held, err := r.holders(m.GetNamespace(), m.GetUID())
	if err != nil {
		return nil, err
	}
	sel := selectorOf(obj)
	t.match = func(p *corev1.Pod) bool {
		ref := metav1.GetControllerOf(p)
		return p.Namespace == t.Namespace && (sel == nil || sel.Matches(labels.Set(p.Labels))) && ref != nil && held[ref.UID]
	}
	pods, err := r.pods(t.Namespace, "", "")
	if err != nil {
		return nil, err
	}
	if t.Pods = filter(pods, t.match); len(t.Pods) == 0 {
		return nil, fmt.Errorf("%s %q controls no pod", kindName, t.Name)
	}
	return t, nil
}

// holders are the object itself and the controllers below it, at most three
// levels deep: deep enough for operators, and no cycle of owners goes on for
// ever.
func (r *resolver) holders(namespace string, uid types.UID) (map[types.UID]bool, error) {
	held := map[types.UID]bool{uid: true}
	var objs []metav1.Object
	for _, kindName := range []string{"ReplicaSet", "StatefulSet", "Deployment"} {
		l, _, err := r.from.list(r.ctx, kindName, namespace, metav1.ListOptions{})
		if err != nil && !unreadable(err) {
			return nil, r.explain(err, kindName, "")
		}
		for _, obj := range l {
			if m, err := meta.Accessor(obj); err == nil {
				objs = append(objs, m)
			}
		}
	}
	for range 3 {
		for i := range objs {
			if ref := metav1.GetControllerOfNoCopy(objs[i]); ref != nil && held[ref.UID] {
				held[objs[i].GetUID()] = true
			}
		}
	}
	return held, nil
}

// selectorOf reads spec.selector where it has the usual form.
func selectorOf(obj runtime.Object) labels.Selector {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	raw, found, err := unstructured.NestedMap(u.Object, "spec", "selector")
	if !found || err != nil {
		return nil
	}
	var ls metav1.LabelSelector
	if runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &ls) != nil {
		return nil
	}
	sel, err := metav1.LabelSelectorAsSelector(&ls)
	if err != nil || sel.Empty() {
		return nil
	}
	return sel
}

// files resolves the objects that manifests name. They are read from the files
// without asking the server what kinds it has; only the names matter.
func (r *resolver) files(o resource.FilenameOptions) (*Target, error) {
	infos, err := resource.NewLocalBuilder().Unstructured().Local().
		NamespaceParam(r.namespace).DefaultNamespace().
		FilenameParam(false, &o).Flatten().Do().Infos()
	if err != nil {
		return nil, fmt.Errorf("the files cannot be read: %w", err)
	}
	var parts []*Target
	for _, info := range infos {
		k, ok := kindOf(info.Object.GetObjectKind().GroupVersionKind().Kind)
		if !ok || !k.workload && k.name != "Pod" && k.name != "Service" {
			continue
		}
		sub := *r
		if info.Namespace != "" {
			sub.namespace = info.Namespace
		}
		t, err := sub.one(name{k.name, info.Name})
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("the files name no pod, workload or Service")
	}
	return join(parts), nil
}
