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
	appslisters "k8s.io/client-go/listers/apps/v1"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
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
)

// Unknown says why a list is not known.
type Unknown struct {
	Resource Resource
	Why      string
	// Final is true when waiting does not help: the right is missing, the
	// server has no such kind, or the files do not hold it.
	Final bool
	Err   error // what the API server answered, if it did
}

func (u *Unknown) Error() string { return fmt.Sprintf("%s are unknown: %s", u.Resource, u.Why) }

// Unwrap gives the API server's answer.
func (u *Unknown) Unwrap() error { return u.Err }

// WithLogs is the source with another way to read logs.
func (s Source) WithLogs(logs Logs) Source {
	s.logs = logs
	return s
}
