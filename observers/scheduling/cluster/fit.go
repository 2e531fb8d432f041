package cluster

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/scheduling"
)

// resources are the amounts every node has, with their constraints.
var resources = map[corev1.ResourceName]string{
	corev1.ResourceCPU: scheduling.CPU, corev1.ResourceMemory: scheduling.Memory, corev1.ResourceEphemeralStorage: scheduling.Ephemeral,
}

// constraintOf is the constraint that a resource makes.
func constraintOf(name corev1.ResourceName) string {
	if c, ok := resources[name]; ok {
		return c
	}
	return scheduling.Device
}

// candidate is a pod that waits, with all of its constraints read once.
type candidate struct {
	*corev1.Pod
	need    amounts
	order   []corev1.ResourceName
	ports   []hostPort
	peers   []peerRule
	spreads []spreadRule
	volumes []*corev1.PersistentVolume
	claims  []string // claims that keep the pod from every node
	unknown map[string]bool
}

func newCandidate(w *world, p *corev1.Pod) *candidate {
	c := &candidate{Pod: p, need: requests(p), ports: hostPorts(p), unknown: map[string]bool{}}
	for name := range c.need {
		c.order = append(c.order, name)
	}
	slices.Sort(c.order)
	c.peers, c.spreads = peerRules(w, p), spreadRules(w, p)
	for _, v := range p.Spec.Volumes {
		name := claimName(p, v)
		if name == "" {
			continue
		}
		state, pv, unknown := w.claims(p.Namespace, name)
		if unknown != "" {
			c.unknown[unknown] = true
		}
		switch {
		case state == claimBlocks:
			c.claims = append(c.claims, name)
		case pv != nil:
			c.volumes = append(c.volumes, pv)
		}
	}
	return c
}

// claimName is the claim that a volume of a pod uses, "" for none. The claim of
// an ephemeral volume has the name of pod and volume.
func claimName(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

// failure is one constraint that fails on one node.
type failure struct {
	constraint string
	lacks      string // what is missing or in the way there
	free       int64  // of a resource
	gap        int64  // how far the node is from fitting, for ordering
	holder     *corev1.Pod
	resource   corev1.ResourceName
}

// try lists what stands against the pod on the node, each constraint once.
func (c *candidate) try(n *nodeState) []failure {
	var out []failure
	fail := func(f failure) {
		if !slices.ContainsFunc(out, func(o failure) bool { return o.constraint == f.constraint && o.resource == f.resource }) {
			out = append(out, f)
		}
	}
	if missing := lackedLabels(c.Pod, n.Node); len(missing) > 0 {
		fail(failure{constraint: scheduling.Selector, lacks: strings.Join(missing, ","), gap: int64(len(missing))})
	}
	if terms := required(c.Pod); terms != nil && !matchesTerms(n.Node, terms) {
		gap, lacks := nearestTerm(n.Node, terms)
		fail(failure{constraint: scheduling.Affinity, lacks: lacks, gap: gap})
	}
	for _, pv := range c.volumes {
		if !reachable(pv, n.Node) {
			fail(failure{constraint: scheduling.VolumeNode, lacks: pv.Name})
		}
	}
	set, health := untolerated(c.Pod, n.Node)
	if len(set) > 0 {
		fail(failure{constraint: scheduling.Taint, lacks: strings.Join(set, ","), gap: int64(len(set))})
	}
	if len(health) > 0 {
		fail(failure{constraint: scheduling.Condition, lacks: strings.Join(health, ",")})
	}
	if cordoned(c.Pod, n.Node) {
		fail(failure{constraint: scheduling.Cordon})
	}
	c.tryAmounts(n, fail)
	c.tryPeers(n, fail)
	return out
}

// tryAmounts tries what the node has to give. Where the pods of other
// namespaces are unknown, a free amount is only an upper bound.
func (c *candidate) tryAmounts(n *nodeState, fail func(failure)) {
	for _, name := range c.order {
		have, known := n.allocatable(name)
		if !known {
			c.unknown["allocatable resources of nodes"] = true
			continue
		}
		if free := have - n.used[name]; c.need[name] > free {
			fail(failure{constraint: constraintOf(name), free: max(free, 0), gap: c.need[name] - free, resource: name})
		}
	}
	if have, known := n.allocatable(corev1.ResourcePods); known && int64(len(n.pods))+1 > have {
		fail(failure{constraint: scheduling.PodCount, free: 0, gap: int64(len(n.pods)) + 1 - have, resource: corev1.ResourcePods})
	}
	for _, want := range c.ports {
		for have, holder := range n.ports {
			if want.conflicts(have) {
				fail(failure{constraint: scheduling.HostPort, lacks: portText(want), holder: holder})
			}
		}
	}
}

func (c *candidate) tryPeers(n *nodeState, fail func(failure)) {
	for _, r := range c.peers {
		no, by := r.refuses(n)
		switch {
		case !no:
		case r.open:
			fail(failure{constraint: scheduling.PodAffinity, lacks: r.text + " per " + r.key})
		default:
			fail(failure{constraint: scheduling.AntiAffinity, lacks: r.text + " per " + r.key, holder: by})
		}
	}
	for _, r := range c.spreads {
		if r.refuses(n) {
			fail(failure{constraint: scheduling.Spread, lacks: fmt.Sprintf("%s, at most %d apart per %s", r.text, r.skew, r.key)})
		}
	}
}

func portText(h hostPort) string {
	if h.ip == anyIP {
		return fmt.Sprintf("%d/%s", h.port, h.protocol)
	}
	return fmt.Sprintf("%s:%d/%s", h.ip, h.port, h.protocol)
}

// lackedLabels lists the pairs of the pod's selector that a node has not.
func lackedLabels(p *corev1.Pod, n *corev1.Node) []string {
	var out []string
	for k, v := range p.Spec.NodeSelector {
		if !hasLabel(n, k, v) {
			out = append(out, k+"="+v)
		}
	}
	sort.Strings(out)
	return out
}

// nearestTerm is the term of which the node misses the fewest expressions.
func nearestTerm(n *corev1.Node, terms []corev1.NodeSelectorTerm) (gap int64, lacks string) {
	gap = -1
	for _, t := range terms {
		var missed []string
		for _, e := range t.MatchExpressions {
			if !matchesExpression(n.Labels, e) {
				missed = append(missed, expressionText(e))
			}
		}
		for _, e := range t.MatchFields {
			if !matchesExpression(map[string]string{"metadata.name": n.Name}, e) {
				missed = append(missed, expressionText(e))
			}
		}
		if gap < 0 || int64(len(missed)) < gap {
			gap, lacks = int64(len(missed)), strings.Join(missed, " and ")
		}
	}
	return gap, lacks
}

// zoneLabels are the labels of a volume that bind it to a zone without node
// affinity, as older provisioners write them.
var zoneLabels = []string{corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone}

// reachable tells whether a bound volume can be used on a node.
func reachable(pv *corev1.PersistentVolume, n *corev1.Node) bool {
	if a := pv.Spec.NodeAffinity; a != nil && a.Required != nil && !matchesTerms(n, a.Required.NodeSelectorTerms) {
		return false
	}
	for _, k := range zoneLabels {
		zones, ok := pv.Labels[k]
		zone, known := n.Labels[k]
		if ok && known && !slices.Contains(strings.Split(zones, "__"), zone) {
			return false
		}
	}
	return true
}
