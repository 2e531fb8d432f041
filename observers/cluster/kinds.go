package cluster

import (
	"context"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// kind is one sort of object that a Source holds. To add one: an entry here, a
// lister in Source.
type kind struct {
	resource Resource
	object   runtime.Object
	list     runtime.Object
	access   func(c kubernetes.Interface, namespace string) access
}

// access lists and watches one kind in one namespace, or in all.
type access struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// typed is what the generated clients have in common.
type typed[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

func through[L runtime.Object](c typed[L]) access {
	return access{
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := c.List(ctx, o)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		watch: c.Watch,
	}
}

// kinds are the sorts of objects a Source holds, in the order of their use.
var kinds = []kind{
	{Pods, &corev1.Pod{}, &corev1.PodList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Pods(ns))
	}},
	{Events, &corev1.Event{}, &corev1.EventList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Events(ns))
	}},
	{ReplicaSets, &appsv1.ReplicaSet{}, &appsv1.ReplicaSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().ReplicaSets(ns))
	}},
	{Deployments, &appsv1.Deployment{}, &appsv1.DeploymentList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().Deployments(ns))
	}},
	{StatefulSets, &appsv1.StatefulSet{}, &appsv1.StatefulSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().StatefulSets(ns))
	}},
	{DaemonSets, &appsv1.DaemonSet{}, &appsv1.DaemonSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().DaemonSets(ns))
	}},
	{Jobs, &batchv1.Job{}, &batchv1.JobList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.BatchV1().Jobs(ns))
	}},
	{CronJobs, &batchv1.CronJob{}, &batchv1.CronJobList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.BatchV1().CronJobs(ns))
	}},
	{Services, &corev1.Service{}, &corev1.ServiceList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Services(ns))
	}},
	{EndpointSlices, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.DiscoveryV1().EndpointSlices(ns))
	}},
	{Nodes, &corev1.Node{}, &corev1.NodeList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoreV1().Nodes())
	}},
}

// resourceOf tells the list that an object, or a list of objects, belongs to.
func resourceOf(obj runtime.Object) (Resource, bool) {
	switch obj.(type) {
	case *eventsv1.Event, *eventsv1.EventList:
		return Events, true
	}
	t := reflect.TypeOf(obj)
	for _, k := range kinds {
		if t == reflect.TypeOf(k.object) || t == reflect.TypeOf(k.list) {
			return k.resource, true
		}
	}
	return "", false
}
