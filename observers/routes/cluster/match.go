package cluster

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

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
