package scheduling

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// waiting is a pod without a node, with everything that the newest look at it
// told.
type waiting struct {
	pod    event.Key
	fact   window.Fact
	groups []window.Fact
	trials []window.Fact
	leaves []window.Fact
	said   map[string]int64 // the scheduler's own reasons
}

// waitings lists the pods that have no node now, sorted.
func waitings(w *window.Window) []waiting {
	var pods []event.Key
	for _, f := range w.Of(scheduling.Unplaced) {
		if !slices.Contains(pods, f.Subject()) {
			pods = append(pods, f.Subject())
		}
	}
	slices.SortFunc(pods, event.Key.Compare)
	var out []waiting
	for _, p := range pods {
		if x, ok := waitingOf(w, p); ok {
			out = append(out, x)
		}
	}
	return out
}

// waitingOf is what the newest look told of a pod; ok is false when it has a
// node by then.
func waitingOf(w *window.Window, pod event.Key) (waiting, bool) {
	x := waiting{pod: pod}
	round := int64(-1)
	for _, f := range w.About(scheduling.Unplaced, pod) {
		if n := scheduling.Round.Or(f.Event, 0); n >= round {
			round, x.fact = n, f
		}
	}
	if round < 0 || scheduling.Placed.Or(x.fact.Event, false) {
		return x, false
	}
	of := func(kind event.Kind) []window.Fact {
		var out []window.Fact
		for _, f := range w.About(kind, pod) {
			if scheduling.Round.Or(f.Event, 0) == round {
				out = append(out, f)
			}
		}
		return out
	}
	x.groups, x.trials, x.leaves = of(scheduling.Refusal), of(scheduling.Constraint), of(scheduling.Leave)
	x.said = scheduling.ParseWords(scheduling.Words.Or(x.fact.Event, ""))
	return x, true
}

// tried tells whether the nodes were known and tried.
func (x waiting) tried() bool {
	n, ok := scheduling.Total.Get(x.fact.Event)
	return ok && n > 0
}

// text reads a field of the pod's own fact.
func (x waiting) text(f event.Field[string]) string { return f.Or(x.fact.Event, "") }

// trial is the trial of a constraint, and of an extended resource when there
// are several: the one that frees most.
func (x waiting) trial(constraint string) (window.Fact, bool) {
	var best window.Fact
	found := false
	for _, t := range x.trials {
		if scheduling.Name.Or(t.Event, "") == constraint && (!found || scheduling.Frees.Or(t.Event, 0) > scheduling.Frees.Or(best.Event, 0)) {
			best, found = t, true
		}
	}
	return best, found
}

// where are the constraints that say which nodes a pod wants at all. The rest
// say why such a node does not take it.
var where = []string{scheduling.Selector, scheduling.Affinity, scheduling.VolumeNode}

// blame is a constraint that stands between the pod and a node.
type blame struct {
	constraint string
	nodes      int64    // that would be open
	with       []string // what else would have to be lifted
	lesser     bool     // another one opens more
}

// blames says which constraints keep the pod from the nodes that count.
//
// What the pod asks for is taken as meant as long as some node satisfies it:
// then what stands against the pod there is the cause. Only if no node is what
// it asks for is the wish itself the cause. Of several constraints the one
// that, lifted alone, opens most nodes comes first. If none does, the smallest
// sets that would have to be lifted together are named.
func (x waiting) blames() []blame {
	var sets [][]string
	var sizes []int64
	asked := false
	for _, g := range x.groups {
		if !scheduling.Usual.Or(g.Event, false) {
			continue
		}
		against := strings.Split(scheduling.Against.Or(g.Event, ""), ",")
		sets, sizes = append(sets, against), append(sizes, scheduling.Nodes.Or(g.Event, 0))
		asked = asked || !hasAny(against, where)
	}
	fewest := 0
	for _, s := range sets {
		if (!asked || !hasAny(s, where)) && (fewest == 0 || len(s) < fewest) {
			fewest = len(s)
		}
	}
	var out []blame
	for i, s := range sets {
		if asked && hasAny(s, where) || len(s) != fewest {
			continue
		}
		for _, c := range s {
			with := slices.DeleteFunc(slices.Clone(s), func(o string) bool { return o == c })
			if !slices.ContainsFunc(out, func(b blame) bool { return b.constraint == c }) {
				out = append(out, blame{constraint: c, nodes: sizes[i], with: with})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b blame) int {
		return cmp.Or(cmp.Compare(b.nodes, a.nodes), cmp.Compare(a.constraint, b.constraint))
	})
	for i := range out {
		out[i].lesser = out[i].nodes < out[0].nodes
	}
	return out
}

func hasAny(set, of []string) bool {
	return slices.ContainsFunc(set, func(c string) bool { return slices.Contains(of, c) })
}

// says tells whether the scheduler names the constraint. It does not tell
// selector from affinity.
func (x waiting) says(constraint string) bool {
	switch constraint {
	case scheduling.Selector, scheduling.Affinity:
		constraint = scheduling.Placement
	}
	return x.said[constraint] > 0
}
