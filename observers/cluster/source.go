// Package cluster is where cluster observers get their objects: typed listers
// over a live cluster or over objects from files, so that both look the same.
// A list that may not be read, or is not part of the files, is unknown and says
// why; it is never an empty list.
package cluster

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	admissionlisters "k8s.io/client-go/listers/admissionregistration/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	coordinationlisters "k8s.io/client-go/listers/coordination/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	nodelisters "k8s.io/client-go/listers/node/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	schedulinglisters "k8s.io/client-go/listers/scheduling/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

// Source is what a cluster observer reads. It is passed by value; its copies
// share the objects. Objects from listers are shared and must not be changed.
type Source struct {
	Pods           corelisters.PodLister
	Events         corelisters.EventLister
	Services       corelisters.ServiceLister
	Nodes          corelisters.NodeLister
	EndpointSlices discoverylisters.EndpointSliceLister
	Deployments    appslisters.DeploymentLister
	ReplicaSets    appslisters.ReplicaSetLister
	StatefulSets   appslisters.StatefulSetLister
	DaemonSets     appslisters.DaemonSetLister
	Jobs           batchlisters.JobLister
	CronJobs       batchlisters.CronJobLister

	// Read on demand only: see Want.
	AllPods         corelisters.PodLister // of every namespace: what else fills a node
	Endpoints       corelisters.EndpointsLister
	Claims          corelisters.PersistentVolumeClaimLister
	Volumes         corelisters.PersistentVolumeLister
	StorageClasses  storagelisters.StorageClassLister
	Attachments     storagelisters.VolumeAttachmentLister
	ConfigMaps      corelisters.ConfigMapLister
	Secrets         corelisters.SecretLister // values never leave the observer that compares them
	ServiceAccounts corelisters.ServiceAccountLister
	Quotas          corelisters.ResourceQuotaLister
	LimitRanges     corelisters.LimitRangeLister
	Namespaces      corelisters.NamespaceLister
	NetworkPolicies networkinglisters.NetworkPolicyLister
	Ingresses       networkinglisters.IngressLister
	Autoscalers     autoscalinglisters.HorizontalPodAutoscalerLister
	Budgets         policylisters.PodDisruptionBudgetLister
	NodeLeases      coordinationlisters.LeaseLister // of kube-node-lease; from files, leases of all namespaces
	SystemLeases    coordinationlisters.LeaseLister // of kube-system: who leads among the cluster's own components
	Roles           rbaclisters.RoleLister
	RoleBindings    rbaclisters.RoleBindingLister
	PriorityClasses schedulinglisters.PriorityClassLister
	RuntimeClasses  nodelisters.RuntimeClassLister
	Revisions       appslisters.ControllerRevisionLister
	MutatingHooks   admissionlisters.MutatingWebhookConfigurationLister
	ValidatingHooks admissionlisters.ValidatingWebhookConfigurationLister

	// Scope says which pods the run is about.
	Scope Scope

	logs Logs
	*objects
}

// Scope says which pods a run is about. The zero Scope is every pod.
type Scope struct {
	// Match tells whether the pod is part of the target. It is called again
	// for each version of a pod, so that pods made later join the target.
	Match func(*corev1.Pod) bool
}

// Has tells whether the pod is part of the target.
func (s Scope) Has(p *corev1.Pod) bool { return s.Match == nil || s.Match(p) }

// Whole tells whether the scope is every pod.
func (s Scope) Whole() bool { return s.Match == nil }

// Logs is how container logs are read.
type Logs func(ctx context.Context, namespace, pod, container string, o LogOptions) (io.ReadCloser, error)

// LogOptions selects a part of a container's log. Each line of a live log
// begins with the kubelet's timestamp (RFC 3339 with nanoseconds) and a space.
type LogOptions struct {
	Previous   bool      // of the instance before the current one
	TailLines  int64     // only the last lines; 0 is all
	LimitBytes int64     // the stream ends after so many bytes; 0 is no limit
	Since      time.Time // only lines not older; the API rounds it down to whole seconds
}

// ErrNoLogs is what Logs answers when a source of files holds no such log.
var ErrNoLogs = fmt.Errorf("the input holds no such log")

// Resource names a list as RBAC does: plural, with the API group behind a dot.
type Resource string

// The resources.
const (
	Pods           Resource = "pods"
	Events         Resource = "events"
	Services       Resource = "services"
	Nodes          Resource = "nodes"
	EndpointSlices Resource = "endpointslices.discovery.k8s.io"
	Deployments    Resource = "deployments.apps"
	ReplicaSets    Resource = "replicasets.apps"
	StatefulSets   Resource = "statefulsets.apps"
	DaemonSets     Resource = "daemonsets.apps"
	Jobs           Resource = "jobs.batch"
	CronJobs       Resource = "cronjobs.batch"

	AllPods         Resource = "pods of all namespaces"
	Endpoints       Resource = "endpoints"
	Claims          Resource = "persistentvolumeclaims"
	Volumes         Resource = "persistentvolumes"
	StorageClasses  Resource = "storageclasses.storage.k8s.io"
	Attachments     Resource = "volumeattachments.storage.k8s.io"
	ConfigMaps      Resource = "configmaps"
	Secrets         Resource = "secrets"
	ServiceAccounts Resource = "serviceaccounts"
	Quotas          Resource = "resourcequotas"
	LimitRanges     Resource = "limitranges"
	Namespaces      Resource = "namespaces"
	NetworkPolicies Resource = "networkpolicies.networking.k8s.io"
	Ingresses       Resource = "ingresses.networking.k8s.io"
	Autoscalers     Resource = "horizontalpodautoscalers.autoscaling"
	Budgets         Resource = "poddisruptionbudgets.policy"
	NodeLeases      Resource = "leases.coordination.k8s.io"
	SystemLeases    Resource = "leases of kube-system"
	Roles           Resource = "roles.rbac.authorization.k8s.io"
	RoleBindings    Resource = "rolebindings.rbac.authorization.k8s.io"
	PriorityClasses Resource = "priorityclasses.scheduling.k8s.io"
	RuntimeClasses  Resource = "runtimeclasses.node.k8s.io"
	Revisions       Resource = "controllerrevisions.apps"
	MutatingHooks   Resource = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
	ValidatingHooks Resource = "validatingwebhookconfigurations.admissionregistration.k8s.io"
)

// Unknown says why a list is not known.
type Unknown struct {
	Resource Resource
	Why      string
	// Final is true when waiting does not help: the right is missing, the
	// server has no such kind, or the files do not hold it.
	Final bool
	// Unasked is true for a list that is read on demand only, before anybody
	// wanted it.
	Unasked bool
	Err     error // what the API server answered, if it did
}

func (u *Unknown) Error() string { return fmt.Sprintf("%s are unknown: %s", u.Resource, u.Why) }

// Unwrap gives the API server's answer.
func (u *Unknown) Unwrap() error { return u.Err }

// WithLogs is the source with another way to read logs.
func (s Source) WithLogs(logs Logs) Source {
	s.logs = logs
	return s
}
