// Package cluster tells from Kubernetes objects how pods resolve names.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/resolver"
)

type observer struct {
	*source.Loop
	src  source.Source
	told source.Told
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, resolver.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// view is what one look sees.
type view struct {
	pods     []*corev1.Pod
	services []*corev1.Service
	index    *topology.Services
	owner    map[*corev1.Pod]event.Key
	server   *corev1.Service // the cluster's DNS, nil when it is not known
}

func (o *observer) look(emit func(event.Event)) error {
	pods, err1 := o.src.Pods.List(labels.Everything())
	svcs, err2 := o.src.Services.List(labels.Everything())
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	v := &view{services: svcs, index: topology.NewServices(svcs), owner: map[*corev1.Pod]event.Key{}}
	odd, ask := false, false
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		v.pods = append(v.pods, p)
		if key, ok := o.src.Workload(p); ok {
			v.owner[p] = key
		}
		odd = odd || problemOf(p) != "" || len(p.Spec.HostAliases) > 0
		ask = ask || o.src.Scope.Has(p) && (troubled(p) || len(v.index.Named(p.Namespace, topology.Mentions(&p.Spec))) > 0)
	}
	slices.SortFunc(v.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	o.told.Begin()
	if odd || ask {
		o.lookServer(v, ask, emit)
	}
	for _, p := range v.pods {
		if source.Plausible(string(source.UID(p))) {
			o.lookPod(v, p, emit)
		}
	}
	o.told.End(resolver.Over, o.src.Now(), emit)
	return nil
}

// troubled tells whether a container of the pod is not ready or was started
// again.
func troubled(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return !s.Ready || s.RestartCount > 0 })
}

// serverNames are the names of the cluster's DNS Service in kube-system, the
// usual one first: other servers keep it for the sake of clients.
var serverNames = []string{"kube-dns", "coredns", "rke2-coredns-rke2-coredns"}

// lookServer finds the cluster's DNS and, when somebody asks it, what is behind
// it.
func (o *observer) lookServer(v *view, ask bool, emit func(event.Event)) {
	sys := o.src.System()
	o.Want(sys, source.Services)
	if sys.Known(source.Services) != nil {
		return
	}
	for _, name := range serverNames {
		if svc, err := sys.Services.Services("kube-system").Get(name); err == nil {
			v.server = svc
			break
		}
	}
	if v.server == nil || !ask || len(v.server.Spec.Selector) == 0 {
		return // nobody asks it, or it is served from elsewhere
	}
	o.Want(sys, source.EndpointSlices)
	all, ready, since, known := backends(sys, v.server)
	if !known {
		return
	}
	e := event.Event{Kind: resolver.Server, At: since, Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey(v.server.Namespace, v.server.Name)}}}
	resolver.Ready.Set(&e, ready)
	resolver.Pods.Set(&e, all)
	o.told.Tell("server", e, o.src.Now(), emit)
}

// backends counts what is behind the cluster's DNS: its EndpointSlices, or where
// these are not known its pods, as far as they are; since is the last change
// that they tell.
func backends(sys source.Source, svc *corev1.Service) (all, ready int64, since time.Time, known bool) {
	if sys.Known(source.EndpointSlices) == nil {
		list, err := sys.EndpointSlices.EndpointSlices(svc.Namespace).List(labels.Everything())
		seen := map[string]bool{}
		for _, s := range list {
			if s.Labels[discoveryv1.LabelServiceName] != svc.Name {
				continue
			}
			known = err == nil // a Service without pods has an empty slice
			for _, ep := range s.Endpoints {
				id := strings.Join(ep.Addresses, ",")
				if ep.TargetRef != nil {
					id = ep.TargetRef.Name // one of each family of addresses
				}
				if seen[id] {
					continue
				}
				seen[id] = true
				all++
				if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
					ready++
				}
			}
		}
	}
	if known || sys.Known(source.Pods) != nil {
		return all, ready, time.Time{}, known
	}
	pods, err := sys.Pods.Pods(svc.Namespace).List(labels.Everything())
	sel := topology.Select([]*corev1.Service{svc}, pods, nil)[0]
	return int64(len(sel.Pods)), int64(sel.Ready), serverSince(sel), err == nil && len(sel.Pods) > 0
}

// serverSince is when the last change of readiness behind the DNS was.
func serverSince(sel topology.Selection) time.Time {
	var t time.Time
	for _, p := range sel.Pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.LastTransitionTime.After(t) {
				t = c.LastTransitionTime.Time
			}
		}
	}
	return t
}

// problemOf tells in which way a pod's policy leads away from the cluster's DNS;
// empty when it does not.
func problemOf(p *corev1.Pod) string {
	switch p.Spec.DNSPolicy {
	case corev1.DNSNone:
		return resolver.ForeignServer
	case corev1.DNSDefault:
		return resolver.NodeResolver
	case corev1.DNSClusterFirst:
		if p.Spec.HostNetwork {
			return resolver.HostNetwork
		}
	}
	return ""
}

func (o *observer) lookPod(v *view, p *corev1.Pod, emit func(event.Event)) {
	if problem := problemOf(p); problem != "" {
		o.lookPolicy(v, p, problem, emit)
	}
	for _, a := range p.Spec.HostAliases {
		for _, host := range a.Hostnames {
			svc := v.index.Lookup(p.Namespace, host)
			if svc == nil || slices.Contains(svc.Spec.ClusterIPs, a.IP) || svc.Spec.ClusterIP == a.IP || svc.Spec.ClusterIP == "" || svc.Spec.ClusterIP == corev1.ClusterIPNone {
				continue
			}
			e := o.setting(v, p, resolver.Alias)
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(svc.Namespace, svc.Name)})
			setText(resolver.Address, &e, a.IP)
			setText(resolver.Right, &e, svc.Spec.ClusterIP)
			o.told.Tell("alias "+string(source.UID(p))+" "+svc.Name, e, o.src.Now(), emit)
		}
	}
}

func (o *observer) setting(v *view, p *corev1.Pod, problem string) event.Event {
	e := event.Event{Kind: resolver.Setting, At: p.CreationTimestamp.Time, Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(string(source.UID(p)))}}}
	if owner := v.owner[p]; !owner.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: owner})
	}
	setText(resolver.Problem, &e, problem)
	setText(resolver.Policy, &e, string(p.Spec.DNSPolicy))
	if n := len(v.index.Named(p.Namespace, topology.Mentions(&p.Spec))); n > 0 {
		resolver.Named.Set(&e, int64(n))
	}
	return e
}

// maxServers bounds the name servers that a fact lists; a pod can have three.
const maxServers = 3

func (o *observer) lookPolicy(v *view, p *corev1.Pod, problem string, emit func(event.Event)) {
	var servers, searches []string
	if c := p.Spec.DNSConfig; c != nil {
		servers, searches = c.Nameservers, c.Searches
	}
	if len(servers) > 0 && !v.outside(servers) {
		return // what the policy leaves out the dnsConfig adds
	}
	e := o.setting(v, p, problem)
	if problem != resolver.ForeignServer && resolver.Named.Or(e, 0) == 0 {
		return // many a pod of the node's own needs no name of the cluster
	}
	setText(resolver.Servers, &e, strings.Join(servers[:min(len(servers), maxServers)], ","))
	if v.server != nil {
		setText(resolver.Cluster, &e, v.server.Spec.ClusterIP)
	}
	resolver.Outside.Set(&e, true)
	resolver.Search.Set(&e, slices.ContainsFunc(searches, func(s string) bool { return strings.HasPrefix(s, "svc.") || strings.Contains(s, ".svc.") }))
	var others, alike int64
	for _, q := range v.pods {
		if q.Namespace != p.Namespace || v.owner[q] == v.owner[p] && !v.owner[p].IsZero() || q == p {
			continue
		}
		if problemOf(q) == "" {
			others++
		} else if problemOf(q) == problem {
			alike++
		}
	}
	resolver.Others.Set(&e, others)
	resolver.Alike.Set(&e, alike)
	if o.earlier(p) {
		resolver.Earlier.Set(&e, true)
	}
	o.told.Tell("policy "+string(source.UID(p)), e, o.src.Now(), emit)
}

// outside tells whether none of the name servers can be the cluster's: neither
// its Service nor a cache on the node, nor, when the Service is not known, an
// address among those of the Services.
func (v *view) outside(servers []string) bool {
	for _, s := range servers {
		if strings.HasPrefix(s, "169.254.") || strings.HasPrefix(s, "127.") || strings.HasPrefix(s, "fe80:") {
			return false
		}
		if v.server != nil {
			if slices.Contains(v.server.Spec.ClusterIPs, s) || v.server.Spec.ClusterIP == s {
				return false
			}
			continue
		}
		for _, svc := range v.services {
			if sameRange(svc.Spec.ClusterIP, s) {
				return false
			}
		}
	}
	return true
}

// sameRange tells whether two addresses agree in the first half: the ranges of
// Services are seldom smaller than a /16.
func sameRange(a, b string) bool {
	x, y := strings.SplitN(a, ".", 3), strings.SplitN(b, ".", 3)
	return len(x) == 3 && len(y) == 3 && x[0] == y[0] && x[1] == y[1]
}

// earlier tells whether the revision before the pod's own left DNS to the
// cluster.
func (o *observer) earlier(p *corev1.Pod) bool {
	owner, ok := o.src.Workload(p)
	if !ok {
		return false
	}
	sets, err := o.src.ReplicaSets.ReplicaSets(p.Namespace).List(labels.Everything())
	if err != nil {
		return false
	}
	var own, before *appsv1.ReplicaSet
	for _, rs := range sets {
		if source.ReplicaSetOwner(rs) != owner {
			continue
		}
		for _, r := range p.OwnerReferences {
			if r.Kind == "ReplicaSet" && r.Name == rs.Name {
				own = rs
			}
		}
	}
	for _, rs := range sets {
		if own != nil && rs != own && source.ReplicaSetOwner(rs) == owner && rs.CreationTimestamp.Before(&own.CreationTimestamp) &&
			(before == nil || before.CreationTimestamp.Before(&rs.CreationTimestamp)) {
			before = rs
		}
	}
	return before != nil && problemOf(&corev1.Pod{Spec: before.Spec.Template.Spec}) == "" && before.Spec.Template.Spec.DNSPolicy != ""
}

// maxText bounds every text taken from a spec, in bytes.
const maxText = 256

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
	}
}
