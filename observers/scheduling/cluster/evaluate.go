package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/scheduling"
)

// group is a set of nodes on which the same constraints fail.
type group struct {
	against []string // sorted
	nodes   []string
	usual   bool
}

// trial is one constraint tried alone.
type trial struct {
	constraint string
	resource   corev1.ResourceName
	nodes      int
	frees      int
	asks       string
	need       int64
	free       int64
	largest    int64
	lacks      string
	nearest    string // node
	holder     *corev1.Pod
	best       failure
	alone      bool // nearest has nothing else against it
	usual      bool
}

// verdict is what the trials of all constraints on all nodes gave.
type verdict struct {
	total    int
	feasible int
	groups   []group
	trials   []*trial
	leaves   []leave
	claims   []string
	unknown  []string
}

// evaluate tries every constraint of the pod on every node.
func evaluate(w *world, p *corev1.Pod) verdict {
	c := newCandidate(w, p)
	v := verdict{total: len(w.nodes), claims: c.claims}
	counted := usual(p, w.nodes)
	groups := map[string]*group{}
	trials := map[string]*trial{}
	alone := map[string][]*nodeState{}
	for _, n := range w.nodes {
		failures := c.try(n)
		if len(failures) == 0 {
			v.feasible++
		}
		names := make([]string, 0, len(failures))
		for _, f := range failures {
			names = append(names, f.constraint)
			t := trials[f.constraint+string(f.resource)]
			if t == nil {
				t = &trial{constraint: f.constraint, resource: f.resource, asks: c.asks(f), need: c.need[f.resource]}
				trials[f.constraint+string(f.resource)] = t
				v.trials = append(v.trials, t)
			}
			t.take(n, f, len(failures) == 1, counted[n.Name])
		}
		slices.Sort(names)
		names = slices.Compact(names)
		key := strings.Join(names, ",")
		if counted[n.Name] {
			key += "!"
		}
		if len(names) > 0 {
			g := groups[key]
			if g == nil {
				g = &group{against: names, usual: counted[n.Name]}
				groups[key] = g
			}
			g.nodes = append(g.nodes, n.Name)
		}
		if len(failures) == 1 && counted[n.Name] {
			alone[names[0]] = append(alone[names[0]], n)
		}
	}
	v.groups = ordered(groups)
	for _, t := range v.trials {
		if t.resource != "" {
			t.largest = largest(w, t.resource, counted)
		}
	}
	slices.SortFunc(v.trials, func(a, b *trial) int {
		return cmp.Or(cmp.Compare(b.frees, a.frees), cmp.Compare(b.nodes, a.nodes), cmp.Compare(a.constraint, b.constraint), cmp.Compare(a.resource, b.resource))
	})
	if v.feasible == 0 && w.podsKnown {
		v.leaves = leavers(w, c, alone)
	}
	if !w.podsKnown {
		c.unknown["pods of all namespaces"] = true
	}
	v.unknown = slices.Sorted(maps.Keys(c.unknown))
	return v
}

// maxGroups bounds how many sets of constraints are told of one pod.
const maxGroups = 24

func ordered(groups map[string]*group) []group {
	out := make([]group, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b group) int {
		if a.usual != b.usual {
			if a.usual {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(a.against), len(b.against)), cmp.Compare(len(b.nodes), len(a.nodes)), slices.Compare(a.against, b.against))
	})
	return out[:min(len(out), maxGroups)]
}

// take notes a failure on a node: how many nodes there are, how many would be
// free without it, and which of them comes closest.
func (t *trial) take(n *nodeState, f failure, alone, usual bool) {
	t.nodes++
	if alone && usual {
		t.frees++
	}
	better := t.nearest == "" || usual && !t.usual
	if usual == t.usual && !better {
		better = alone && !t.alone || alone == t.alone && f.gap < t.best.gap
	}
	if better {
		t.nearest, t.best, t.alone, t.usual = n.Name, f, alone, usual
		t.free, t.lacks, t.holder = f.free, f.lacks, f.holder
	}
}

// asks is what the pod's spec says of the constraint.
func (c *candidate) asks(f failure) string {
	switch f.constraint {
	case scheduling.Selector:
		return selectorText(c.Spec.NodeSelector)
	case scheduling.Affinity:
		return termsText(required(c.Pod))
	case scheduling.HostPort, scheduling.AntiAffinity, scheduling.PodAffinity, scheduling.Spread, scheduling.Taint, scheduling.VolumeNode:
		return f.lacks
	}
	return ""
}

func largest(w *world, name corev1.ResourceName, counted map[string]bool) int64 {
	var most int64
	for _, n := range w.nodes {
		if have, ok := n.allocatable(name); ok && counted[n.Name] {
			most = max(most, have)
		}
	}
	return most
}

// leave is a pod whose end would make room.
type leave struct {
	pod        *corev1.Pod
	node       string
	amount     int64
	constraint string
}

// Bounds of the search for a pod that could leave.
const (
	maxLeaveNodes = 50
	maxLeaves     = 3
)

// leavers looks for single pods whose end would let the candidate in, on nodes
// where one constraint alone fails that a pod can make: room, a port, or
// anti-affinity. The smallest pod of each node is kept, the smallest of all
// comes first. Pods that come back at once (of a DaemonSet, static ones) and
// those of higher priority are left alone.
func leavers(w *world, c *candidate, alone map[string][]*nodeState) []leave {
	var out []leave
	for _, constraint := range []string{scheduling.CPU, scheduling.Memory, scheduling.Ephemeral, scheduling.Device, scheduling.PodCount, scheduling.HostPort, scheduling.AntiAffinity} {
		for i, n := range alone[constraint] {
			if i == maxLeaveNodes {
				break
			}
			if l, ok := leaverOn(w, c, n, constraint); ok {
				out = append(out, l)
			}
		}
	}
	slices.SortFunc(out, func(a, b leave) int {
		return cmp.Or(cmp.Compare(a.amount, b.amount), cmp.Compare(a.pod.Namespace+"/"+a.pod.Name, b.pod.Namespace+"/"+b.pod.Name))
	})
	return out[:min(len(out), maxLeaves)]
}

func leaverOn(w *world, c *candidate, n *nodeState, constraint string) (leave, bool) {
	fs := c.try(n)
	if len(fs) != 1 {
		return leave{}, false
	}
	f := fs[0]
	best := leave{node: n.Name, constraint: constraint}
	for _, p := range n.pods {
		if stays(p) || priority(p) > priority(c.Pod) {
			continue
		}
		amount := requests(p)[f.resource]
		switch constraint {
		case scheduling.HostPort, scheduling.AntiAffinity:
			if p != f.holder || !onlyHolder(w, c, n, p) {
				continue
			}
		case scheduling.PodCount:
			if f.gap > 1 {
				continue
			}
		default:
			if amount < f.gap {
				continue
			}
		}
		if best.pod == nil || amount < best.amount || amount == best.amount && p.Namespace+"/"+p.Name < best.pod.Namespace+"/"+best.pod.Name {
			best.pod, best.amount = p, amount
		}
	}
	return best, best.pod != nil
}

// onlyHolder tells whether the node would take the candidate without the pod.
func onlyHolder(w *world, c *candidate, n *nodeState, gone *corev1.Pod) bool {
	others := slices.DeleteFunc(slices.Clone(w.pods), func(p *corev1.Pod) bool { return p == gone })
	nodes := make([]*corev1.Node, len(w.nodes))
	for i, s := range w.nodes {
		nodes[i] = s.Node
	}
	without := newWorld(nodes, others, w.podsKnown)
	without.namespaces, without.claims = w.namespaces, w.claims
	return len(newCandidate(without, c.Pod).try(without.byName[n.Name])) == 0
}

// stays tells of a pod that would be made anew on the same node at once.
func stays(p *corev1.Pod) bool {
	for _, ref := range p.OwnerReferences {
		if ref.Kind == "DaemonSet" || ref.Kind == "Node" {
			return true
		}
	}
	return p.Annotations["kubernetes.io/config.mirror"] != "" || p.DeletionTimestamp != nil
}

func priority(p *corev1.Pod) int32 {
	if p.Spec.Priority == nil {
		return 0
	}
	return *p.Spec.Priority
}
