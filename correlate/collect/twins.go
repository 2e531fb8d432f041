package collect

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// twinWithin is how far two probes may be apart in the moment of one and the
// same thing: each turns the kernel's stamp into wall time itself.
const twinWithin = 10 * time.Millisecond

// twins finds facts that several probes saw in one kernel: nodes with one boot
// id (kind, the lab) are the same machine, and what is not inside a pod of one
// of them is seen by all. Of facts that differ in the reporting node alone the
// one of the first node by name stays. One about its own node stays known as a
// fact of that node, and is marked; any other is left out. The times are those
// of the nodes, unaligned. boots maps sources to boot ids.
func twins(facts []window.Fact, boots map[string]string) []window.Fact {
	shared := sharedKernels(boots)
	if len(shared) == 0 {
		return facts
	}
	var order []int // facts of shared kernels
	for i, f := range facts {
		if f.Side == observers.Node && shared[boots[f.Source]] {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(facts[a].Kind, facts[b].Kind), facts[a].At.Compare(facts[b].At),
			cmp.Compare(facts[a].Source, facts[b].Source), cmp.Compare(facts[a].Seq, facts[b].Seq))
	})
	gone := map[int]bool{}
	for at, i := range order {
		for _, j := range order[at+1:] {
			a, b := facts[i], facts[j]
			if a.Kind != b.Kind || b.At.Sub(a.At) > twinWithin {
				break
			}
			if a.Source == b.Source || boots[a.Source] != boots[b.Source] || !same(a.Event, b.Event) {
				continue
			}
			later := j
			if b.Source < a.Source {
				later = i
			}
			if facts[later].Subject().Type == event.Node {
				facts[later].Twin = true
			} else {
				gone[later] = true
			}
		}
	}
	if len(gone) == 0 {
		return facts
	}
	kept := facts[:0]
	for i, f := range facts {
		if !gone[i] {
			kept = append(kept, f)
		}
	}
	return kept
}

// sharedKernels lists the boot ids that more than one source has.
func sharedKernels(boots map[string]string) map[string]bool {
	count := map[string]int{}
	for _, id := range boots {
		count[id]++
	}
	shared := map[string]bool{}
	for id, n := range count {
		if n > 1 && id != "" {
			shared[id] = true
		}
	}
	return shared
}

// same tells whether two facts of one moment differ only in who reports them:
// the node, and process ids, which each node may number in its own way.
func same(a, b event.Event) bool {
	if a.Span != b.Span || a.Occurrences() != b.Occurrences() || !slices.EqualFunc(a.Refs, b.Refs, func(x, y event.Ref) bool {
		return x == y || x.Role == y.Role && x.Key.Type == event.Node && y.Key.Type == event.Node
	}) {
		return false
	}
	for name, v := range a.Attrs {
		if w, ok := b.Attrs[name]; ok && v != w && !strings.HasSuffix(name, "pid") {
			return false
		}
	}
	return true
}
