package cluster

import (
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// Get is an object of a list, by name; cluster-wide objects have no namespace.
// When it is not there, the error is NotFound of a list that is known, else the
// *Unknown that says why it is not.
func (o *objects) Get(r Resource, namespace, name string) (runtime.Object, error) {
	s, ok := o.stores[r]
	if !ok {
		return nil, o.Known(r)
	}
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	if item, found, err := s.indexer.GetByKey(key); err == nil && found {
		if obj, ok := item.(runtime.Object); ok {
			return obj, nil
		}
	}
	if err := o.Known(r); err != nil {
		return nil, err
	}
	return nil, apierrors.NewNotFound(schema.ParseGroupResource(string(r)), name)
}

// List is a whole list, or with a namespace what it holds of that, ordered by
// namespace and name. The error is the *Unknown of a list of which nothing is
// there.
func (o *objects) List(r Resource, namespace string) ([]runtime.Object, error) {
	s, ok := o.stores[r]
	if !ok {
		return nil, o.Known(r)
	}
	keys := s.indexer.ListKeys()
	if namespace != metav1.NamespaceAll {
		keys, _ = s.indexer.IndexKeys(cache.NamespaceIndex, namespace)
	}
	slices.Sort(keys)
	out := make([]runtime.Object, 0, len(keys))
	for _, k := range keys {
		if item, found, err := s.indexer.GetByKey(k); err == nil && found {
			if obj, ok := item.(runtime.Object); ok {
				out = append(out, obj)
			}
		}
	}
	if len(out) == 0 {
		return nil, o.Known(r)
	}
	return out, nil
}

// Spaces are the namespaces of which the source holds pods, workloads or
// Services, in order.
func (o *objects) Spaces() []string {
	var out []string
	for _, r := range []Resource{Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs, Services} {
		out = append(out, o.stores[r].indexer.ListIndexFuncValues(cache.NamespaceIndex)...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(ns string) bool { return ns == "" })
}
