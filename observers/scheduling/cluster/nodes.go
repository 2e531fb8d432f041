package cluster

import (
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// nodeOperators are the operators of node selector terms as label selectors
// know them.
var nodeOperators = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
	corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

// matchesTerms tells whether a node satisfies one of the terms. A term without
// any expression, and one that cannot be read, matches nothing.
func matchesTerms(n *corev1.Node, terms []corev1.NodeSelectorTerm) bool {
	return slices.ContainsFunc(terms, func(t corev1.NodeSelectorTerm) bool { return matchesTerm(n, t) })
}

func matchesTerm(n *corev1.Node, t corev1.NodeSelectorTerm) bool {
	if len(t.MatchExpressions) == 0 && len(t.MatchFields) == 0 {
		return false
	}
	for _, e := range t.MatchExpressions {
		if !matchesExpression(labels.Set(n.Labels), e) {
			return false
		}
	}
	for _, e := range t.MatchFields {
		if e.Key != "metadata.name" || !matchesExpression(labels.Set{e.Key: n.Name}, e) {
			return false
		}
	}
	return true
}

func matchesExpression(set labels.Set, e corev1.NodeSelectorRequirement) bool {
	op, ok := nodeOperators[e.Operator]
	if !ok {
		return false
	}
	r, err := labels.NewRequirement(e.Key, op, e.Values)
	return err == nil && r.Matches(set)
}

// positive tells whether an expression asks for something that a node has,
// rather than for something that it has not.
func positive(e corev1.NodeSelectorRequirement) bool {
	switch e.Operator {
	case corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpDoesNotExist:
		return false
	}
	return true
}

// required are the terms of a pod's required node affinity, nil for none.
func required(p *corev1.Pod) []corev1.NodeSelectorTerm {
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

// matchesPlacement tells whether selector and affinity of the pod admit a node.
func matchesPlacement(p *corev1.Pod, n *corev1.Node) bool {
	terms := required(p)
	return labels.SelectorFromSet(p.Spec.NodeSelector).Matches(labels.Set(n.Labels)) && (terms == nil || matchesTerms(n, terms))
}

// asksFor lists the positive wishes of a pod for its node as predicates: the
// pairs of its selector, and the positive expressions of its affinity.
func asksFor(p *corev1.Pod) []func(*corev1.Node) bool {
	var out []func(*corev1.Node) bool
	for k, v := range p.Spec.NodeSelector {
		out = append(out, func(n *corev1.Node) bool { return hasLabel(n, k, v) })
	}
	for _, t := range required(p) {
		for _, e := range t.MatchExpressions {
			if positive(e) {
				out = append(out, func(n *corev1.Node) bool { return matchesExpression(labels.Set(n.Labels), e) })
			}
		}
		for _, e := range t.MatchFields {
			if positive(e) {
				out = append(out, func(n *corev1.Node) bool { return matchesExpression(labels.Set{e.Key: n.Name}, e) })
			}
		}
	}
	return out
}

func hasLabel(n *corev1.Node, k, v string) bool {
	got, ok := n.Labels[k]
	return ok && got == v
}

// Labels and taints of control-plane nodes, the older ones included.
var controlPlane = []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"}

const oldRole = "kubernetes.io/role"

func isControlPlane(n *corev1.Node) bool {
	if n.Labels[oldRole] == "master" || n.Labels[oldRole] == "control-plane" {
		return true
	}
	for _, role := range controlPlane {
		if _, ok := n.Labels[role]; ok {
			return true
		}
		if slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == role }) {
			return true
		}
	}
	return false
}

// closed tells whether a control-plane node is kept free of ordinary pods.
func closed(n *corev1.Node) bool {
	return isControlPlane(n) && (n.Spec.Unschedulable || slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && (slices.Contains(controlPlane, t.Key) || t.Key == corev1.TaintNodeUnschedulable)
	}))
}

// usual tells which nodes count when it is asked what stands in a pod's way:
// all but closed control-plane nodes, and of those the ones that the pod asks
// for by something that no other node has. Without any such node all count.
func usual(p *corev1.Pod, nodes []*nodeState) map[string]bool {
	out := map[string]bool{}
	for _, n := range nodes {
		if !closed(n.Node) {
			out[n.Name] = true
		}
	}
	for _, wish := range asksFor(p) {
		if slices.ContainsFunc(nodes, func(n *nodeState) bool { return !closed(n.Node) && wish(n.Node) }) {
			continue
		}
		for _, n := range nodes {
			if wish(n.Node) {
				out[n.Name] = true
			}
		}
	}
	if len(out) == 0 {
		for _, n := range nodes {
			out[n.Name] = true
		}
	}
	return out
}

// conditionTaints are set by the cluster itself for the health of a node.
var conditionTaints = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeMemoryPressure, corev1.TaintNodeDiskPressure,
	corev1.TaintNodeNetworkUnavailable, corev1.TaintNodePIDPressure, corev1.TaintNodeOutOfService, "node.cloudprovider.kubernetes.io/uninitialized",
}

// untolerated lists the taints of a node that keep the pod away: those somebody
// set, and those that stand for the node's health. The taint of a cordon is
// neither.
func untolerated(p *corev1.Pod, n *corev1.Node) (set, health []string) {
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule || t.Key == corev1.TaintNodeUnschedulable || tolerates(p, t) {
			continue
		}
		if slices.Contains(conditionTaints, t.Key) {
			health = append(health, t.Key)
		} else {
			set = append(set, taintText(t))
		}
	}
	sort.Strings(set)
	sort.Strings(health)
	return set, health
}

// cordoned tells whether the node takes no new pods and this one does not
// tolerate that.
func cordoned(p *corev1.Pod, n *corev1.Node) bool {
	t := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	tainted := slices.ContainsFunc(n.Spec.Taints, func(o corev1.Taint) bool { return o.Key == t.Key && o.Effect == t.Effect })
	return (n.Spec.Unschedulable || tainted) && !tolerates(p, t)
}

func tolerates(p *corev1.Pod, t corev1.Taint) bool {
	return slices.ContainsFunc(p.Spec.Tolerations, func(o corev1.Toleration) bool {
		if o.Effect != "" && o.Effect != t.Effect || o.Key != "" && o.Key != t.Key {
			return false
		}
		switch o.Operator {
		case corev1.TolerationOpExists:
			return true
		case "", corev1.TolerationOpEqual:
			return o.Key != "" && o.Value == t.Value
		}
		return false
	})
}

// taintText is a taint as kubectl writes it: "key=value:NoSchedule".
func taintText(t corev1.Taint) string {
	s := t.Key
	if t.Value != "" {
		s += "=" + t.Value
	}
	return s + ":" + string(t.Effect)
}

// selectorText is a node selector as kubectl writes it: "a=1,b=2".
func selectorText(sel map[string]string) string {
	pairs := make([]string, 0, len(sel))
	for k, v := range sel {
		pairs = append(pairs, k+"="+v)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, ",")
}

// termsText renders required node affinity: terms joined by "or", expressions
// by "and".
func termsText(terms []corev1.NodeSelectorTerm) string {
	var out []string
	for _, t := range terms {
		var parts []string
		for _, e := range slices.Concat(t.MatchExpressions, t.MatchFields) {
			parts = append(parts, expressionText(e))
		}
		out = append(out, strings.Join(parts, " and "))
	}
	return strings.Join(out, " or ")
}

func expressionText(e corev1.NodeSelectorRequirement) string {
	switch e.Operator {
	case corev1.NodeSelectorOpExists:
		return e.Key
	case corev1.NodeSelectorOpDoesNotExist:
		return "no " + e.Key
	case corev1.NodeSelectorOpGt:
		return e.Key + ">" + strings.Join(e.Values, ",")
	case corev1.NodeSelectorOpLt:
		return e.Key + "<" + strings.Join(e.Values, ",")
	case corev1.NodeSelectorOpNotIn:
		return e.Key + " not in (" + strings.Join(e.Values, ", ") + ")"
	}
	if len(e.Values) == 1 {
		return e.Key + "=" + e.Values[0]
	}
	return e.Key + " in (" + strings.Join(e.Values, ", ") + ")"
}
