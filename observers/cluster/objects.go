package cluster

import (
	"context"
	"io"
	"sync"
	"time"

	appslisters "k8s.io/client-go/listers/apps/v1"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// objects is what the copies of a Source share.
type objects struct {
	namespace string
	now       func() time.Time
	static    bool
	stores    map[Resource]*store

	mu      sync.Mutex
	changed chan struct{}
	bounded map[Resource]string
}

func newSource(namespace string, logs Logs, now func() time.Time) Source {
	o := &objects{
		namespace: namespace, now: now,
		stores: map[Resource]*store{}, changed: make(chan struct{}), bounded: map[Resource]string{},
	}
	for _, k := range kinds {
		o.stores[k.resource] = newStore(k.resource, o.notify)
	}
	at := func(r Resource) cache.Indexer { return o.stores[r].indexer }
	return Source{
		Pods:           corelisters.NewPodLister(at(Pods)),
		Events:         corelisters.NewEventLister(at(Events)),
		Services:       corelisters.NewServiceLister(at(Services)),
		Nodes:          corelisters.NewNodeLister(at(Nodes)),
		EndpointSlices: discoverylisters.NewEndpointSliceLister(at(EndpointSlices)),
		Deployments:    appslisters.NewDeploymentLister(at(Deployments)),
		ReplicaSets:    appslisters.NewReplicaSetLister(at(ReplicaSets)),
		StatefulSets:   appslisters.NewStatefulSetLister(at(StatefulSets)),
		DaemonSets:     appslisters.NewDaemonSetLister(at(DaemonSets)),
		Jobs:           batchlisters.NewJobLister(at(Jobs)),
		CronJobs:       batchlisters.NewCronJobLister(at(CronJobs)),
		logs:           logs,
		objects:        o,
	}
}

// Namespace is the namespace the objects are from; empty means all.
func (o *objects) Namespace() string { return o.namespace }

// Now is the time the objects are looked at: the clock of a live source, the
// newest time in the input of a source of files.
func (o *objects) Now() time.Time { return o.now() }

// Static tells that the objects never change: they are from files.
func (o *objects) Static() bool { return o.static }

// Logs opens a container's log. The caller closes it.
func (s Source) Logs(ctx context.Context, namespace, pod, container string, opts LogOptions) (io.ReadCloser, error) {
	if s.logs == nil {
		return nil, ErrNoLogs
	}
	return s.logs(ctx, namespace, pod, container, opts)
}

// Known is nil when the list is complete; else it is an *Unknown that says why
// it is not (the right is missing, or it has not arrived yet).
func (o *objects) Known(r Resource) error {
	s, ok := o.stores[r]
	if !ok {
		return &Unknown{Resource: r, Why: "this kind is not read", Final: true}
	}
	if u := s.unknown(); u != nil {
		return u
	}
	return nil
}

// Bounded says which part of a list was left out because of its size, or is
// empty when nothing was.
func (o *objects) Bounded(r Resource) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bounded[r]
}

func (o *objects) setBounded(r Resource, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bounded[r] = why
}

// Changed returns a channel that is closed at the next change of any object.
// To miss nothing, take the channel before reading the listers.
func (o *objects) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

func (o *objects) notify() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
}

// Wait returns once each of the resources (all when none is given) is either
// known or finally unknown, or when ctx ends.
func (o *objects) Wait(ctx context.Context, rs ...Resource) error {
	if len(rs) == 0 {
		for _, k := range kinds {
			rs = append(rs, k.resource)
		}
	}
	for _, r := range rs {
		s, ok := o.stores[r]
		if !ok {
			continue
		}
		select {
		case <-s.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
