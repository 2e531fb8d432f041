package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peerTerm is one term of required pod affinity or anti-affinity, read once.
type peerTerm struct {
	owner    *corev1.Pod
	selector labels.Selector
	key      string
	names    []string // namespaces by name
	spaces   labels.Selector
	text     string
}

// readTerms reads terms of a pod; those that no API server would store are
// left out.
func readTerms(owner *corev1.Pod, terms []corev1.PodAffinityTerm) []peerTerm {
	var out []peerTerm
	for _, t := range terms {
		sel, err := metav1.LabelSelectorAsSelector(t.LabelSelector) // nil selects nothing
		if err != nil || t.TopologyKey == "" {
			continue
		}
		pt := peerTerm{owner: owner, selector: sel, key: t.TopologyKey, names: t.Namespaces, text: metav1.FormatLabelSelector(t.LabelSelector)}
		if t.NamespaceSelector != nil {
			if pt.spaces, err = metav1.LabelSelectorAsSelector(t.NamespaceSelector); err != nil {
				continue
			}
		}
		out = append(out, pt)
	}
	return out
}

func antiTerms(p *corev1.Pod) []peerTerm {
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return readTerms(p, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	return nil
}

func affinityTerms(p *corev1.Pod) []peerTerm {
	if a := p.Spec.Affinity; a != nil && a.PodAffinity != nil {
		return readTerms(p, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	return nil
}

// matches tells whether the term speaks of the pod. A namespace whose labels
// are not known is not selected by labels.
func (t peerTerm) matches(w *world, p *corev1.Pod) bool {
	if !t.selector.Matches(labels.Set(p.Labels)) {
		return false
	}
	if len(t.names) == 0 && t.spaces == nil {
		return p.Namespace == t.owner.Namespace
	}
	if slices.Contains(t.names, p.Namespace) {
		return true
	}
	if t.spaces == nil {
		return false
	}
	if t.spaces.Empty() {
		return true
	}
	set := w.namespaces(p.Namespace)
	return set != nil && t.spaces.Matches(labels.Set(set))
}

// domain is the value of the topology key on the node that holds the pod.
func (w *world) domain(p *corev1.Pod, key string) (string, bool) {
	n := w.byName[p.Spec.NodeName]
	if n == nil {
		return "", false
	}
	v, ok := n.Labels[key]
	return v, ok
}

// peerRule is what pod affinity and anti-affinity mean for nodes: the domains
// that are closed, or the only ones that are open.
type peerRule struct {
	key     string
	domains map[string]*corev1.Pod // with one pod that makes the domain so
	text    string
	open    bool // affinity: only these domains are open
	any     bool // affinity of the first of its kind: any domain will do
	foreign bool // the anti-affinity of a pod on the node
}

// peerRules computes once for a pod what holds on every node.
func peerRules(w *world, p *corev1.Pod) []peerRule {
	var out []peerRule
	collect := func(t peerTerm) map[string]*corev1.Pod {
		at := map[string]*corev1.Pod{}
		for _, other := range w.pods {
			if d, ok := w.domain(other, t.key); ok && at[d] == nil && t.matches(w, other) {
				at[d] = other
			}
		}
		return at
	}
	for _, t := range antiTerms(p) {
		out = append(out, peerRule{key: t.key, domains: collect(t), text: t.text})
	}
	affinities := affinityTerms(p)
	for _, t := range affinities {
		r := peerRule{key: t.key, domains: collect(t), text: t.text, open: true}
		self := !slices.ContainsFunc(affinities, func(t peerTerm) bool { return !t.matches(w, p) })
		r.any = len(r.domains) == 0 && self
		out = append(out, r)
	}
	for _, other := range w.pods {
		for _, t := range antiTerms(other) {
			if d, ok := w.domain(other, t.key); ok && t.matches(w, p) {
				out = append(out, peerRule{key: t.key, domains: map[string]*corev1.Pod{d: other}, text: t.text, foreign: true})
			}
		}
	}
	return out
}

// refuses tells whether the rule keeps the pod from a node, and which pod is in
// the way where one is.
func (r peerRule) refuses(n *nodeState) (bool, *corev1.Pod) {
	d, ok := n.Labels[r.key]
	if r.open {
		return !ok || !r.any && r.domains[d] == nil, nil
	}
	by := r.domains[d]
	return ok && by != nil, by
}

// spreadRule is a topology spread constraint that forbids, with the pods
// counted in each domain.
type spreadRule struct {
	key    string
	skew   int
	least  int
	self   int
	counts map[string]int
	text   string
}

func spreadRules(w *world, p *corev1.Pod) []spreadRule {
	var out []spreadRule
	for _, c := range p.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable != corev1.DoNotSchedule || c.TopologyKey == "" {
			continue
		}
		sel, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			continue
		}
		alike := func(o *corev1.Pod) bool {
			if o.Namespace != p.Namespace || o.DeletionTimestamp != nil || !sel.Matches(labels.Set(o.Labels)) {
				return false
			}
			return !slices.ContainsFunc(c.MatchLabelKeys, func(k string) bool {
				mine, ok := p.Labels[k]
				return ok && o.Labels[k] != mine
			})
		}
		r := spreadRule{key: c.TopologyKey, skew: max(int(c.MaxSkew), 1), counts: map[string]int{}, text: metav1.FormatLabelSelector(c.LabelSelector)}
		for _, n := range w.nodes {
			d, ok := n.Labels[c.TopologyKey]
			if !ok || !counts(c, p, n) {
				continue
			}
			r.counts[d] += 0
			for _, o := range n.pods {
				if alike(o) {
					r.counts[d]++
				}
			}
		}
		if alike(p) {
			r.self = 1
		}
		r.least = -1
		for _, n := range r.counts {
			if r.least < 0 || n < r.least {
				r.least = n
			}
		}
		if r.least < 0 || c.MinDomains != nil && len(r.counts) < int(*c.MinDomains) {
			r.least = 0
		}
		out = append(out, r)
	}
	return out
}

// counts tells whether a node is part of the skew: by default nodes that the
// pod's selector and affinity exclude are not, tainted ones are.
func counts(c corev1.TopologySpreadConstraint, p *corev1.Pod, n *nodeState) bool {
	if (c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor) && !matchesPlacement(p, n.Node) {
		return false
	}
	if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
		set, health := untolerated(p, n.Node)
		return len(set)+len(health) == 0 && !cordoned(p, n.Node)
	}
	return true
}

// refuses tells whether one pod more on the node would make the skew too large.
func (r spreadRule) refuses(n *nodeState) bool {
	d, ok := n.Labels[r.key]
	return !ok || r.counts[d]+r.self-r.least > r.skew
}
