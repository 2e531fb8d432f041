package cluster

import (
	"context"
	"reflect"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

// kind is one sort of object that a Source holds. To add one: an entry here, a
// lister in Source.
type kind struct {
	resource Resource
	object   runtime.Object
	list     runtime.Object
	access   func(c kubernetes.Interface, namespace string) access
	demand   bool // read only once somebody wants it
	wide     bool // read of the whole cluster, or of a namespace of its own, whatever namespace is looked at
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
	}, false, false},
	{Events, &corev1.Event{}, &corev1.EventList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Events(ns))
	}, false, false},
	{ReplicaSets, &appsv1.ReplicaSet{}, &appsv1.ReplicaSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().ReplicaSets(ns))
	}, false, false},
	{Deployments, &appsv1.Deployment{}, &appsv1.DeploymentList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().Deployments(ns))
	}, false, false},
	{StatefulSets, &appsv1.StatefulSet{}, &appsv1.StatefulSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().StatefulSets(ns))
	}, false, false},
	{DaemonSets, &appsv1.DaemonSet{}, &appsv1.DaemonSetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().DaemonSets(ns))
	}, false, false},
	{Jobs, &batchv1.Job{}, &batchv1.JobList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.BatchV1().Jobs(ns))
	}, false, false},
	{CronJobs, &batchv1.CronJob{}, &batchv1.CronJobList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.BatchV1().CronJobs(ns))
	}, false, false},
	{Services, &corev1.Service{}, &corev1.ServiceList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Services(ns))
	}, false, false},
	{EndpointSlices, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.DiscoveryV1().EndpointSlices(ns))
	}, false, false},
	{Nodes, &corev1.Node{}, &corev1.NodeList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoreV1().Nodes())
	}, true, true},
	{AllPods, &corev1.Pod{}, &corev1.PodList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoreV1().Pods(metav1.NamespaceAll))
	}, true, true},
	{Endpoints, &corev1.Endpoints{}, &corev1.EndpointsList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Endpoints(ns))
	}, true, false},
	{Claims, &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaimList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().PersistentVolumeClaims(ns))
	}, true, false},
	{Volumes, &corev1.PersistentVolume{}, &corev1.PersistentVolumeList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoreV1().PersistentVolumes())
	}, true, true},
	{StorageClasses, &storagev1.StorageClass{}, &storagev1.StorageClassList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.StorageV1().StorageClasses())
	}, true, true},
	{Attachments, &storagev1.VolumeAttachment{}, &storagev1.VolumeAttachmentList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.StorageV1().VolumeAttachments())
	}, true, true},
	{ConfigMaps, &corev1.ConfigMap{}, &corev1.ConfigMapList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().ConfigMaps(ns))
	}, true, false},
	{Secrets, &corev1.Secret{}, &corev1.SecretList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().Secrets(ns))
	}, true, false},
	{ServiceAccounts, &corev1.ServiceAccount{}, &corev1.ServiceAccountList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().ServiceAccounts(ns))
	}, true, false},
	{Quotas, &corev1.ResourceQuota{}, &corev1.ResourceQuotaList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().ResourceQuotas(ns))
	}, true, false},
	{LimitRanges, &corev1.LimitRange{}, &corev1.LimitRangeList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.CoreV1().LimitRanges(ns))
	}, true, false},
	{Namespaces, &corev1.Namespace{}, &corev1.NamespaceList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoreV1().Namespaces())
	}, true, true},
	{NetworkPolicies, &networkingv1.NetworkPolicy{}, &networkingv1.NetworkPolicyList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.NetworkingV1().NetworkPolicies(ns))
	}, true, false},
	{Ingresses, &networkingv1.Ingress{}, &networkingv1.IngressList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.NetworkingV1().Ingresses(ns))
	}, true, false},
	{Autoscalers, &autoscalingv2.HorizontalPodAutoscaler{}, &autoscalingv2.HorizontalPodAutoscalerList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AutoscalingV2().HorizontalPodAutoscalers(ns))
	}, true, false},
	{Budgets, &policyv1.PodDisruptionBudget{}, &policyv1.PodDisruptionBudgetList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.PolicyV1().PodDisruptionBudgets(ns))
	}, true, false},
	{NodeLeases, &coordinationv1.Lease{}, &coordinationv1.LeaseList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoordinationV1().Leases(corev1.NamespaceNodeLease))
	}, true, true},
	{SystemLeases, &coordinationv1.Lease{}, &coordinationv1.LeaseList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.CoordinationV1().Leases(metav1.NamespaceSystem))
	}, true, true},
	{Roles, &rbacv1.Role{}, &rbacv1.RoleList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.RbacV1().Roles(ns))
	}, true, false},
	{RoleBindings, &rbacv1.RoleBinding{}, &rbacv1.RoleBindingList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.RbacV1().RoleBindings(ns))
	}, true, false},
	{PriorityClasses, &schedulingv1.PriorityClass{}, &schedulingv1.PriorityClassList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.SchedulingV1().PriorityClasses())
	}, true, true},
	{RuntimeClasses, &nodev1.RuntimeClass{}, &nodev1.RuntimeClassList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.NodeV1().RuntimeClasses())
	}, true, true},
	{Revisions, &appsv1.ControllerRevision{}, &appsv1.ControllerRevisionList{}, func(c kubernetes.Interface, ns string) access {
		return through(c.AppsV1().ControllerRevisions(ns))
	}, true, false},
	{MutatingHooks, &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.MutatingWebhookConfigurationList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.AdmissionregistrationV1().MutatingWebhookConfigurations())
	}, true, true},
	{ValidatingHooks, &admissionv1.ValidatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfigurationList{}, func(c kubernetes.Interface, _ string) access {
		return through(c.AdmissionregistrationV1().ValidatingWebhookConfigurations())
	}, true, true},
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

// NewObject makes an empty object of a kind that a Source holds, to be decoded
// into; false for any other kind or version.
func NewObject(of schema.GroupVersionKind) (Resource, runtime.Object, bool) {
	k, ok := byType()[of]
	if !ok {
		return "", nil, false
	}
	obj, ok := reflect.New(k.object).Interface().(runtime.Object)
	return k.resource, obj, ok
}

type readable struct {
	resource Resource
	object   reflect.Type
}

// byType finds the kinds by what objects say they are.
var byType = sync.OnceValue(func() map[schema.GroupVersionKind]readable {
	out := map[schema.GroupVersionKind]readable{}
	add := func(r Resource, obj runtime.Object) {
		gvks, _, err := scheme.Scheme.ObjectKinds(obj)
		if err != nil {
			return
		}
		for _, gvk := range gvks {
			if _, ok := out[gvk]; !ok { // pods are Pods before they are AllPods
				out[gvk] = readable{r, reflect.TypeOf(obj).Elem()}
			}
		}
	}
	for _, k := range kinds {
		add(k.resource, k.object)
	}
	add(Events, &eventsv1.Event{})
	return out
})
