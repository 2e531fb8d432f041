package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// reach is how many calls away from the target a cause may lie.
const reach = 3

// scope is what a story may be about: what belongs to the target, and what that
// depends on.
type scope struct {
	w         *window.Window
	whole     bool   // the target is the whole cluster
	namespace string // the target is this whole namespace
	own       map[event.Key]bool
	needs     map[event.Key]bool
}

func newScope(w *window.Window) scope {
	t := w.Target
	s := scope{w: w, own: map[event.Key]bool{}, needs: dependencies(w, t.Pods)}
	switch {
	case t.Kind == "Cluster":
		s.whole = true
	case t.Key.Type == event.Namespace:
		s.namespace = t.Key.ID
	}
	if !t.Key.IsZero() {
		s.own[t.Key] = true
	}
	for _, p := range t.Pods {
		s.own[p] = true
		for _, wl := range controllers(w, p) {
			s.own[wl] = true
		}
		for _, svc := range w.Graph.Services(p) {
			s.own[svc] = true
		}
	}
	return s
}

// controllers are the pod's controller, that one's own, and so on.
func controllers(w *window.Window, pod event.Key) []event.Key {
	var out []event.Key
	wl, ok := w.Graph.WorkloadOf(pod)
	for ok && !slices.Contains(out, wl) {
		out = append(out, wl)
		wl, ok = w.Graph.OwnerOf(wl)
	}
	return out
}

// dependencies are what the pods need to work: the Services they name with the
// pods behind them and their controllers, up to reach calls away, and the nodes
// that all of these run on.
func dependencies(w *window.Window, pods []event.Key) map[event.Key]bool {
	out := map[event.Key]bool{}
	frontier := pods
	for depth := 0; len(frontier) > 0; depth++ {
		var next []event.Key
		for _, p := range frontier {
			if n, ok := w.Graph.NodeOf(p); ok {
				out[n] = true
			}
			if depth == reach {
				continue
			}
			for _, svc := range w.Graph.Named(p) {
				out[svc] = true
				for _, callee := range w.Graph.Pods(svc) {
					if callee == p || out[callee] {
						continue
					}
					out[callee] = true
					next = append(next, callee)
					for _, wl := range controllers(w, callee) {
						out[wl] = true
					}
				}
			}
		}
		frontier = next
	}
	return out
}

// place is the entity that stands for k in a graph of dependencies: the pod of
// a container, else itself.
func place(w *window.Window, k event.Key) event.Key {
	if p, ok := w.Graph.PodOf(k); ok {
		return p
	}
	return k
}

// belongs tells whether the entity is part of the target.
func (s scope) belongs(k event.Key) bool {
	if s.whole {
		return true
	}
	if s.namespace != "" && s.w.Graph.Name(k).Namespace == s.namespace {
		return true
	}
	return s.own[place(s.w, k)]
}

// holds tells whether a hypothesis concerns the target: it is about a part of
// it, befell one, is about what it depends on, or explains what is wrong with
// it.
func (s scope) holds(h finding.Hypothesis, wrong []finding.Symptom) bool {
	if s.belongs(h.Entity) || slices.ContainsFunc(h.Affected, s.belongs) || s.needs[place(s.w, h.Entity)] {
		return true
	}
	return slices.ContainsFunc(wrong, func(x finding.Symptom) bool { return explains(s.w, h, x) })
}

// unit is what a fault of the entity is a fault of: its workload, else its pod,
// else itself.
func unit(w *window.Window, k event.Key) event.Key {
	if wl, ok := w.Graph.WorkloadOf(k); ok {
		return wl
	}
	return place(w, k)
}

// explains tells whether the hypothesis accounts for the symptom by itself.
func explains(w *window.Window, h finding.Hypothesis, s finding.Symptom) bool {
	if h.Explains != nil {
		return h.Explains(s)
	}
	return unit(w, h.Entity) == unit(w, s.Entity)
}
