package target

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/yairfalse/tapio/observers/cluster"
)

// reader is where the resolver's objects come from: a live API server or files.
// Kinds are named as in objects. What may not be read, or is not part of the
// files, is an error that unreadable knows.
type reader interface {
	get(ctx context.Context, kind, namespace, name string) (runtime.Object, error)
	list(ctx context.Context, kind, namespace string, o metav1.ListOptions) (objs []runtime.Object, more string, err error)
}

// get reads one object as the type it has.
func get[T runtime.Object](r *resolver, kind, namespace, name string) (T, error) {
	var none T
	obj, err := r.from.get(r.ctx, kind, namespace, name)
	if err != nil {
		return none, err
	}
	t, ok := obj.(T)
	if !ok {
		return none, fmt.Errorf("the answer for %s %q is a %T", kind, name, obj)
	}
	return t, nil
}

// live asks the API server.
type live struct{ client kubernetes.Interface }

func (l live) get(ctx context.Context, kind, ns, name string) (runtime.Object, error) {
	o := metav1.GetOptions{}
	switch kind {
	case "Pod":
		return l.client.CoreV1().Pods(ns).Get(ctx, name, o)
	case "Deployment":
		return l.client.AppsV1().Deployments(ns).Get(ctx, name, o)
	case "StatefulSet":
		return l.client.AppsV1().StatefulSets(ns).Get(ctx, name, o)
	case "DaemonSet":
		return l.client.AppsV1().DaemonSets(ns).Get(ctx, name, o)
	case "ReplicaSet":
		return l.client.AppsV1().ReplicaSets(ns).Get(ctx, name, o)
	case "Job":
		return l.client.BatchV1().Jobs(ns).Get(ctx, name, o)
	case "CronJob":
		return l.client.BatchV1().CronJobs(ns).Get(ctx, name, o)
	case "Service":
		return l.client.CoreV1().Services(ns).Get(ctx, name, o)
	case "Node":
		return l.client.CoreV1().Nodes().Get(ctx, name, o)
	case "Namespace":
		return l.client.CoreV1().Namespaces().Get(ctx, name, o)
	}
	return nil, fmt.Errorf("a %s cannot be read by name", kind)
}

func (l live) list(ctx context.Context, kind, ns string, o metav1.ListOptions) ([]runtime.Object, string, error) {
	var list runtime.Object
	var err error
	switch kind {
	case "Pod":
		list, err = l.client.CoreV1().Pods(ns).List(ctx, o)
	case "Deployment":
		list, err = l.client.AppsV1().Deployments(ns).List(ctx, o)
	case "StatefulSet":
		list, err = l.client.AppsV1().StatefulSets(ns).List(ctx, o)
	case "DaemonSet":
		list, err = l.client.AppsV1().DaemonSets(ns).List(ctx, o)
	case "ReplicaSet":
		list, err = l.client.AppsV1().ReplicaSets(ns).List(ctx, o)
	case "Job":
		list, err = l.client.BatchV1().Jobs(ns).List(ctx, o)
	case "CronJob":
		list, err = l.client.BatchV1().CronJobs(ns).List(ctx, o)
	case "Service":
		list, err = l.client.CoreV1().Services(ns).List(ctx, o)
	case "EndpointSlice":
		list, err = l.client.DiscoveryV1().EndpointSlices(ns).List(ctx, o)
	case "Node":
		list, err = l.client.CoreV1().Nodes().List(ctx, o)
	case "Namespace":
		list, err = l.client.CoreV1().Namespaces().List(ctx, o)
	default:
		err = fmt.Errorf("%ss cannot be listed", kind)
	}
	if err != nil {
		return nil, "", err
	}
	more := ""
	if m, err := meta.ListAccessor(list); err == nil {
		more = m.GetContinue()
	}
	objs, err := meta.ExtractList(list)
	return objs, more, err
}

// static reads the objects of files.
type static struct{ src cluster.Source }

var resources = map[string]cluster.Resource{
	"Pod": cluster.Pods, "Deployment": cluster.Deployments, "StatefulSet": cluster.StatefulSets, "DaemonSet": cluster.DaemonSets,
	"ReplicaSet": cluster.ReplicaSets, "Job": cluster.Jobs, "CronJob": cluster.CronJobs, "Service": cluster.Services,
	"EndpointSlice": cluster.EndpointSlices, "Node": cluster.Nodes, "Namespace": cluster.Namespaces,
}

func (s static) get(_ context.Context, kind, ns, name string) (runtime.Object, error) {
	if kind == "Node" || kind == "Namespace" {
		ns = ""
	}
	return s.src.Get(resources[kind], ns, name)
}

// list knows the selectors that the resolver uses, and no pages.
func (s static) list(_ context.Context, kind, ns string, o metav1.ListOptions) ([]runtime.Object, string, error) {
	objs, err := s.src.List(resources[kind], ns)
	if err != nil {
		return nil, "", err
	}
	byLabel, err := labels.Parse(o.LabelSelector)
	if err != nil {
		return nil, "", err
	}
	byField, err := fields.ParseSelector(o.FieldSelector)
	if err != nil {
		return nil, "", err
	}
	out := make([]runtime.Object, 0, len(objs))
	for _, obj := range objs {
		m, err := meta.Accessor(obj)
		if err != nil || !byLabel.Matches(labels.Set(m.GetLabels())) {
			continue
		}
		if p, ok := obj.(*corev1.Pod); ok && !byField.Matches(fields.Set{"spec.nodeName": p.Spec.NodeName}) {
			continue
		}
		out = append(out, obj)
	}
	return out, "", nil
}

// unreadable tells whether an error says nothing about what is there: the right
// to read is missing, or the files do not hold the kind.
func unreadable(err error) bool {
	var u *cluster.Unknown
	return isForbidden(err) || errors.As(err, &u)
}
