// Package window is what rules look at: the facts of one run in their final
// order, the graph they make, and how much was covered.
package window

import (
	"cmp"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/graph"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
)

// Fact is an event with its source. Its cgroup keys are resolved to containers
// and pods where the graph knows them.
type Fact struct {
	event.Event
	Source string
	Side   observers.Side
	// Twin is whether another node that shares this one's kernel tells the same
	// of itself: then the fact counts as one about its node and nowhere else.
	Twin bool
}

// Target is what the user asked about.
type Target struct {
	Key       event.Key // pod, workload, service, node or namespace
	Kind      string    // as Kubernetes spells it
	Namespace string
	Name      string
	Pods      []event.Key
}

// Gap is something that could not be seen.
type Gap struct {
	Source, Observer string
	Side             observers.Side
	Need             observers.Need
	Why              string
}

// Node is one node's share in the coverage.
type Node struct {
	Name      string
	Attached  time.Time // when its probe began to see, zero when it never did
	Ended     string    // why its stream ended, "" while it lives
	Gone      bool      // whether it was lost before the run's end, so that later silence means nothing
	Dropped   uint64
	Resumed   int    // how often its stream broke and went on
	Losses    []Loss // what the stream could not take, in order of arrival
	Observers []ObserverState
}

// Loss is events that a probe had to drop while its stream was away or slow.
// The observers' own counts include them.
type Loss struct {
	Events   uint64
	From, To time.Time // when the earliest and the latest of them happened
}

// ObserverState is what one observer on one node did.
type ObserverState struct {
	Name  string
	State string // attached, partial or refused
	observers.Stats
}

// Window is immutable.
type Window struct {
	Target   Target
	From, To time.Time // To is the window's "now"
	Facts    []Fact
	Graph    *graph.Graph
	Nodes    []Node
	Gaps     []Gap
	Dropped  uint64 // facts that did not fit into the client's memory
	byKind   map[event.Kind][]Fact
	about    map[subject][]Fact
	trace    map[event.Kind]int // nil when nobody wants to know
}

// subject indexes the facts of one kind about one entity.
type subject struct {
	kind event.Kind
	key  event.Key
}

// Input is what a window is made of, in any order.
type Input struct {
	Target Target
	From   time.Time
	Now    time.Time // zero: the newest time among the facts
	Facts  []Fact
	Nodes  []Node
	Gaps   []Gap
	// Dropped counts facts that did not fit into the client's memory.
	Dropped uint64
}

// New orders the facts, builds the graph and resolves keys. The same facts in
// another order give an equal window.
func New(in Input) *Window {
	w := &Window{
		Target: in.Target, From: in.From, To: in.Now,
		Facts: slices.Clone(in.Facts), Nodes: slices.Clone(in.Nodes), Gaps: slices.Clone(in.Gaps), Dropped: in.Dropped,
		byKind: map[event.Kind][]Fact{}, about: map[subject][]Fact{},
	}
	slices.SortFunc(w.Facts, func(a, b Fact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Kind, b.Kind))
	})
	slices.SortFunc(w.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(w.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Observer, b.Observer), cmp.Compare(a.Need.Name, b.Need.Name), cmp.Compare(a.Why, b.Why))
	})
	w.Gaps = slices.CompactFunc(w.Gaps, func(a, b Gap) bool { return a == b })
	plain := make([]event.Event, len(w.Facts))
	for i, f := range w.Facts {
		plain[i] = f.Event
		if w.To.IsZero() || (in.Now.IsZero() && f.End().After(w.To)) {
			w.To = f.End()
		}
	}
	w.Graph = graph.Build(plain)
	w.Target.Pods = targetPods(in.Target, w.Graph)
	for i := range w.Facts {
		w.Facts[i].Refs = w.canonical(w.Facts[i].Kind, w.Facts[i].Refs)
		f := w.Facts[i]
		if !f.Twin {
			w.byKind[f.Kind] = append(w.byKind[f.Kind], f)
		}
		at := subject{f.Kind, f.Subject()}
		w.about[at] = append(w.about[at], f)
	}
	return w
}

// targetPods adds to the pods that were known at the start those that the
// facts show to belong to the target.
func targetPods(t Target, g *graph.Graph) []event.Key {
	pods := slices.Clone(t.Pods)
	switch t.Key.Type {
	case event.Workload, event.Service:
		pods = append(pods, g.Pods(t.Key)...)
	case event.Namespace:
		for _, p := range g.Pods(event.Key{}) {
			if g.Name(p).Namespace == t.Key.ID {
				pods = append(pods, p)
			}
		}
	}
	slices.SortFunc(pods, event.Key.Compare)
	return slices.Compact(pods)
}

func (w *Window) canonical(kind event.Kind, refs []event.Ref) []event.Ref {
	resolve := w.Graph.Canonical
	if kind == memory.OOMKill {
		resolve = w.Graph.Former
	}
	out := slices.Clone(refs)
	for i := range out {
		out[i].Key = resolve(out[i].Key)
	}
	return out
}

// Traced is the window with a record of what is asked of it: for each kind how
// many facts the answers held together.
func (w *Window) Traced() (*Window, map[event.Kind]int) {
	out := *w
	out.trace = map[event.Kind]int{}
	return &out, out.trace
}

func (w *Window) asked(k event.Kind, answer []Fact) []Fact {
	if w.trace != nil {
		w.trace[k] += len(answer)
	}
	return answer
}

// Of lists the facts of a kind in order of time. The slice is the window's own.
func (w *Window) Of(k event.Kind) []Fact { return w.asked(k, w.byKind[k]) }

// About lists the facts of a kind whose subject is the entity, in order of
// time. The slice is the window's own.
func (w *Window) About(k event.Kind, key event.Key) []Fact {
	return w.asked(k, w.about[subject{k, key}])
}

// Last returns the newest fact of a kind about the entity.
func (w *Window) Last(k event.Kind, key event.Key) (Fact, bool) {
	fs := w.About(k, key)
	if len(fs) == 0 {
		return Fact{}, false
	}
	return fs[len(fs)-1], true
}

// Watched tells whether the observer ran on the node that holds the entity to
// the end and lost nothing there, so that its silence means something; since tells from
// when on.
func (w *Window) Watched(observer string, k event.Key) (since time.Time, ok bool) {
	node, known := w.Graph.NodeOf(k)
	if !known {
		return time.Time{}, false
	}
	for _, n := range w.Nodes {
		if n.Name != node.ID || n.Attached.IsZero() || n.Dropped > 0 || n.Gone {
			continue
		}
		for _, o := range n.Observers {
			if o.Name == observer && o.State != Refused && o.Lost == 0 {
				return n.Attached, true
			}
		}
	}
	return time.Time{}, false
}

// States of an observer on a node.
const (
	Attached = "attached"
	Partial  = "partial"
	Refused  = "refused"
)

// Lost sums what probes and observers had to drop.
func (w *Window) Lost() uint64 {
	sum := w.Dropped
	for _, n := range w.Nodes {
		sum += n.Dropped
		for _, o := range n.Observers {
			sum += o.Lost
		}
	}
	return sum
}

// Ceiling is the highest confidence that the coverage allows: nothing is
// certain when events were lost.
func (w *Window) Ceiling() float64 {
	if w.Lost() > 0 {
		return 0.95
	}
	return 0.995
}
