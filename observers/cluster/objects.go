package cluster

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

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
	"k8s.io/client-go/tools/cache"
)

// objects is what the copies of a Source share.
type objects struct {
	namespace string
	node      string // only this node's pods are read
	now       func() time.Time
	static    bool
	lazy      bool // every kind is read on demand only
	stores    map[Resource]*store
	changes   *changes
	begin     func(kind) // starts to read a kind; nil when all that will ever be there is there
	system    *Source    // kube-system when that is not part of this source
	lists     *lists     // of a static source: what the files hold

	mu      sync.Mutex
	asked   map[Resource]bool
	bounded map[Resource]string
}

// changes tells that some object changed.
type changes struct {
	mu      sync.Mutex
	changed chan struct{}
}

func newSource(namespace string, logs Logs, now func() time.Time) Source {
	o := &objects{
		namespace: namespace, now: now, stores: map[Resource]*store{},
		changes: &changes{changed: make(chan struct{})},
		asked:   map[Resource]bool{}, bounded: map[Resource]string{},
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

		AllPods:         corelisters.NewPodLister(at(AllPods)),
		Endpoints:       corelisters.NewEndpointsLister(at(Endpoints)),
		Claims:          corelisters.NewPersistentVolumeClaimLister(at(Claims)),
		Volumes:         corelisters.NewPersistentVolumeLister(at(Volumes)),
		StorageClasses:  storagelisters.NewStorageClassLister(at(StorageClasses)),
		Attachments:     storagelisters.NewVolumeAttachmentLister(at(Attachments)),
		ConfigMaps:      corelisters.NewConfigMapLister(at(ConfigMaps)),
		Secrets:         corelisters.NewSecretLister(at(Secrets)),
		ServiceAccounts: corelisters.NewServiceAccountLister(at(ServiceAccounts)),
		Quotas:          corelisters.NewResourceQuotaLister(at(Quotas)),
		LimitRanges:     corelisters.NewLimitRangeLister(at(LimitRanges)),
		Namespaces:      corelisters.NewNamespaceLister(at(Namespaces)),
		NetworkPolicies: networkinglisters.NewNetworkPolicyLister(at(NetworkPolicies)),
		Ingresses:       networkinglisters.NewIngressLister(at(Ingresses)),
		Autoscalers:     autoscalinglisters.NewHorizontalPodAutoscalerLister(at(Autoscalers)),
		Budgets:         policylisters.NewPodDisruptionBudgetLister(at(Budgets)),
		NodeLeases:      coordinationlisters.NewLeaseLister(at(NodeLeases)),
		SystemLeases:    coordinationlisters.NewLeaseLister(at(SystemLeases)),
		Roles:           rbaclisters.NewRoleLister(at(Roles)),
		RoleBindings:    rbaclisters.NewRoleBindingLister(at(RoleBindings)),
		PriorityClasses: schedulinglisters.NewPriorityClassLister(at(PriorityClasses)),
		RuntimeClasses:  nodelisters.NewRuntimeClassLister(at(RuntimeClasses)),
		Revisions:       appslisters.NewControllerRevisionLister(at(Revisions)),
		MutatingHooks:   admissionlisters.NewMutatingWebhookConfigurationLister(at(MutatingHooks)),
		ValidatingHooks: admissionlisters.NewValidatingWebhookConfigurationLister(at(ValidatingHooks)),

		logs:    logs,
		objects: o,
	}
}

// Namespace is the namespace the objects are from; empty means all.
func (o *objects) Namespace() string { return o.namespace }

// OneNode tells that only the pods of one node are read: what controllers have
// elsewhere is not among them.
func (o *objects) OneNode() bool { return o.node != "" }

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
// it is not (the right is missing, it has not arrived yet, nobody wants it).
func (o *objects) Known(r Resource) error {
	s, ok := o.stores[r]
	if !ok {
		return &Unknown{Resource: r, Why: "this kind is not read", Final: true}
	}
	u := s.unknown()
	if u == nil {
		return nil
	}
	if !o.reads(r) {
		return &Unknown{Resource: r, Why: "nothing asked for them", Unasked: true}
	}
	return u
}

// Knows tells whether the list is complete.
func (o *objects) Knows(r Resource) bool { return o.Known(r) == nil }

// reads tells whether the list is being read or was.
func (o *objects) reads(r Resource) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.begin == nil || o.asked[r]
}

// Want starts to read lists that are read on demand only. It returns at once;
// Wait and Known tell how it went. What is read already stays as it is.
func (o *objects) Want(rs ...Resource) {
	for _, k := range kinds {
		if !slices.Contains(rs, k.resource) {
			continue
		}
		o.mu.Lock()
		begin := o.begin != nil && !o.asked[k.resource]
		o.asked[k.resource] = true
		o.mu.Unlock()
		if begin {
			o.begin(k)
		}
	}
}

// holdsAllPods says that the pods of the source are those of the whole cluster.
func (s *Source) holdsAllPods() {
	s.AllPods, s.stores[AllPods] = s.Pods, s.stores[Pods]
	s.asked[AllPods] = true
}

// holdsAllLeases says that the leases of the source are of every namespace.
func (s *Source) holdsAllLeases() {
	s.SystemLeases, s.stores[SystemLeases] = s.NodeLeases, s.stores[NodeLeases]
	s.asked[SystemLeases] = true
}

// System is a source of kube-system, where the cluster's own components live:
// this source when that is part of it. Its lists are read on demand only.
func (s Source) System() Source {
	if s.system == nil {
		return s
	}
	return *s.system
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
	o.changes.mu.Lock()
	defer o.changes.mu.Unlock()
	return o.changes.changed
}

func (o *objects) notify() {
	c := o.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Wait returns once each of the resources (all when none is given) is either
// known or finally unknown, or when ctx ends. Lists that nobody wants are not
// waited for.
func (o *objects) Wait(ctx context.Context, rs ...Resource) error {
	if len(rs) == 0 {
		for _, k := range kinds {
			rs = append(rs, k.resource)
		}
	}
	for _, r := range rs {
		s, ok := o.stores[r]
		if !ok || !o.reads(r) {
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
