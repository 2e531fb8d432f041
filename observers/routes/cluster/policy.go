package cluster

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/routes"
)

// call is what a pod's configuration intends: to call a Service.
type call struct {
	caller *corev1.Pod
	svc    *corev1.Service
}

// maxPeers bounds the pods that a fact cites.
const maxPeers = 20

// lookPolicies tells of intended calls that network policies deny.
func (o *observer) lookPolicies(v *view, emit func(event.Event)) {
	if len(v.pods) == 0 {
		return
	}
	o.Want(o.src, source.NetworkPolicies)
	if o.src.Known(source.NetworkPolicies) != nil {
		return
	}
	all, err := o.src.NetworkPolicies.List(labels.Everything())
	if err != nil || len(all) == 0 {
		return
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	denied := map[event.Key][]*corev1.Pod{}
	allowed := map[event.Key]int64{}
	for _, p := range v.pods {
		egress := selecting(all, p, networkingv1.PolicyTypeEgress)
		for _, n := range v.index.Named(p.Namespace, topology.Mentions(&p.Spec)) {
			sel, ok := v.selections[n.Service]
			if !ok || len(sel.Pods) == 0 || v.owner[sel.Pods[0]] == v.owner[p] {
				continue
			}
			callee := sel.Pods[0]
			port := portAt(sel.Service, callee, n.Port)
			if len(egress) > 0 && !anyAllows(egress, rulesOut, callee, port) {
				o.tellEgress(v, p, egress, call{p, sel.Service}, port, emit)
				continue
			}
			if ingress := selecting(all, callee, networkingv1.PolicyTypeIngress); len(ingress) > 0 && !anyAllows(ingress, rulesIn, p, port) {
				denied[n.Service] = append(denied[n.Service], p)
			} else {
				allowed[n.Service]++
			}
		}
		if len(egress) > 0 && !opensDNS(egress) {
			o.tellDNS(v, p, egress, emit)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(denied), event.Key.Compare) {
		sel := v.selections[key]
		ps := selecting(all, sel.Pods[0], networkingv1.PolicyTypeIngress)
		e := o.denial(routes.Ingress, key, ps, sel.Pods[0])
		for i, p := range denied[key] {
			if i < maxPeers {
				e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
			}
		}
		routes.Callers.Set(&e, int64(len(denied[key])))
		routes.Allows.Set(&e, allowed[key])
		if t := portAt(sel.Service, sel.Pods[0], 0); t.number > 0 {
			routes.Port.Set(&e, int64(t.number))
		}
		o.tell("ingress "+key.ID, e, emit)
	}
}

func (o *observer) tellEgress(v *view, p *corev1.Pod, ps []*networkingv1.NetworkPolicy, c call, port target, emit func(event.Event)) {
	e := o.denial(routes.Egress, event.PodKey(string(source.UID(p))), ps, p)
	e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(c.svc.Namespace, c.svc.Name)})
	routes.Callers.Set(&e, 1)
	if port.number > 0 {
		routes.Port.Set(&e, int64(port.number))
	}
	o.tell("egress "+string(source.UID(p))+" "+c.svc.Name, e, emit)
}

func (o *observer) tellDNS(v *view, p *corev1.Pod, ps []*networkingv1.NetworkPolicy, emit func(event.Event)) {
	if len(v.index.Named(p.Namespace, topology.Mentions(&p.Spec))) == 0 {
		return // it seems to need no name
	}
	e := o.denial(routes.DNS, event.PodKey(string(source.UID(p))), ps, p)
	routes.Port.Set(&e, 53)
	routes.Callers.Set(&e, 1)
	o.tell("dns "+string(source.UID(p)), e, emit)
}

func (o *observer) denial(problem string, subject event.Key, ps []*networkingv1.NetworkPolicy, pod *corev1.Pod) event.Event {
	e := event.Event{Kind: routes.Denied, Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
		if p.CreationTimestamp.After(e.At) {
			e.At = p.CreationTimestamp.Time
		}
	}
	if e.At.After(pod.CreationTimestamp.Time) {
		routes.Newer.Set(&e, true)
	}
	setText(routes.Problem, &e, problem)
	setText(routes.Policies, &e, strings.Join(names[:min(len(names), 4)], ", "))
	return e
}

// target is where a call arrives at a pod.
type target struct {
	number   int32
	name     string // of the container's port
	protocol corev1.Protocol
}

// portAt resolves a port of a Service, or its first when none or an unknown one
// is meant, to the port of a pod behind it.
func portAt(svc *corev1.Service, p *corev1.Pod, port int) target {
	if len(svc.Spec.Ports) == 0 {
		return target{number: int32(port), protocol: corev1.ProtocolTCP}
	}
	sp := svc.Spec.Ports[0]
	for _, x := range svc.Spec.Ports {
		if int(x.Port) == port {
			sp = x
		}
	}
	t := target{number: int32(sp.TargetPort.IntValue()), protocol: cmp.Or(sp.Protocol, corev1.ProtocolTCP)}
	if t.number == 0 && sp.TargetPort.StrVal == "" {
		t.number = sp.Port
	}
	for i := range p.Spec.Containers {
		if n, ok := ports.Named(&p.Spec.Containers[i], sp.TargetPort.StrVal); ok {
			t.number = n
		}
		for _, cp := range p.Spec.Containers[i].Ports {
			if cp.ContainerPort == t.number && cp.Name != "" {
				t.name = cp.Name
			}
		}
	}
	return t
}

// selecting lists the policies of one direction that select a pod.
func selecting(all []*networkingv1.NetworkPolicy, p *corev1.Pod, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	for _, np := range all {
		if np.Namespace == p.Namespace && directs(np, direction) && selects(&np.Spec.PodSelector, p.Labels) {
			out = append(out, np)
		}
	}
	return out
}

// directs tells whether a policy is about a direction; without types it is
// about ingress, and about egress when it has such rules.
func directs(np *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(np.Spec.PolicyTypes) > 0 {
		return slices.Contains(np.Spec.PolicyTypes, direction)
	}
	return direction == networkingv1.PolicyTypeIngress || len(np.Spec.Egress) > 0
}

func selects(s *metav1.LabelSelector, l map[string]string) bool {
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err != nil || sel.Matches(labels.Set(l)) // what cannot be read is not held against anybody
}

// rule is a rule of either direction.
type rule struct {
	ports []networkingv1.NetworkPolicyPort
	peers []networkingv1.NetworkPolicyPeer
}

func rulesIn(np *networkingv1.NetworkPolicy) []rule {
	var out []rule
	for _, r := range np.Spec.Ingress {
		out = append(out, rule{r.Ports, r.From})
	}
	return out
}

func rulesOut(np *networkingv1.NetworkPolicy) []rule {
	var out []rule
	for _, r := range np.Spec.Egress {
		out = append(out, rule{r.Ports, r.To})
	}
	return out
}

// anyAllows tells whether a rule of any of the policies allows the pod as the
// other end at the port.
func anyAllows(ps []*networkingv1.NetworkPolicy, of func(*networkingv1.NetworkPolicy) []rule, other *corev1.Pod, port target) bool {
	for _, np := range ps {
		for _, r := range of(np) {
			if allowsPort(r.ports, port) && allowsPeer(np.Namespace, r.peers, other) {
				return true
			}
		}
	}
	return false
}

func allowsPort(list []networkingv1.NetworkPolicyPort, t target) bool {
	if len(list) == 0 || t.number == 0 && t.name == "" {
		return true
	}
	return slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPort) bool {
		if p.Protocol != nil && *p.Protocol != t.protocol || p.Protocol == nil && t.protocol != corev1.ProtocolTCP {
			return false
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.StrVal != "" && p.Port.IntValue() == 0:
			return p.Port.StrVal == t.name
		case p.EndPort != nil:
			return t.number >= p.Port.IntVal && t.number <= *p.EndPort
		}
		return int32(p.Port.IntValue()) == t.number
	})
}

// allowsPeer tells whether the other end is among the peers. Of another
// namespace only its name is known as a label: what asks for more is taken to
// match, so that nothing is denied on a guess.
func allowsPeer(own string, peers []networkingv1.NetworkPolicyPeer, other *corev1.Pod) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return inBlock(p.IPBlock, other.Status.PodIP)
		}
		if p.NamespaceSelector == nil && other.Namespace != own || p.NamespaceSelector != nil && !namespaceMayMatch(p.NamespaceSelector, other.Namespace) {
			return false
		}
		return p.PodSelector == nil || selects(p.PodSelector, other.Labels)
	})
}

// namespaceMayMatch decides by the one label of a namespace that is certain.
func namespaceMayMatch(s *metav1.LabelSelector, namespace string) bool {
	for k, v := range s.MatchLabels {
		if k == corev1.LabelMetadataName && v != namespace {
			return false
		}
	}
	for _, x := range s.MatchExpressions {
		if x.Key == corev1.LabelMetadataName && x.Operator == metav1.LabelSelectorOpIn && !slices.Contains(x.Values, namespace) {
			return false
		}
	}
	return true
}

// inBlock tells whether an address is in a block; one that is not known is
// taken to be.
func inBlock(b *networkingv1.IPBlock, ip string) bool {
	addr, err := netip.ParseAddr(ip)
	block, err2 := netip.ParsePrefix(b.CIDR)
	if err != nil || err2 != nil {
		return true
	}
	if !block.Contains(addr) {
		return false
	}
	for _, x := range b.Except {
		if p, err := netip.ParsePrefix(x); err == nil && p.Contains(addr) {
			return false
		}
	}
	return true
}

// opensDNS tells whether any rule lets questions out to port 53, to anybody
// outside or to pods that can be name servers.
func opensDNS(ps []*networkingv1.NetworkPolicy) bool {
	t := target{number: 53, name: "dns", protocol: corev1.ProtocolUDP}
	for _, np := range ps {
		for _, r := range rulesOut(np) {
			if !allowsPort(r.ports, t) {
				continue
			}
			if len(r.peers) == 0 {
				return true
			}
			for _, p := range r.peers {
				if p.IPBlock != nil || p.NamespaceSelector != nil && namespaceMayMatch(p.NamespaceSelector, metav1.NamespaceSystem) {
					return true
				}
			}
		}
	}
	return false
}
