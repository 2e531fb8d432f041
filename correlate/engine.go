// Package correlate is the engine: from the facts of a window to a story. It
// is pure: no clock, no I/O, and the same facts in any order of arrival give
// the same story.
package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/correlate/rules/exit"
	"github.com/yairfalse/tapio/correlate/rules/memory"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// families list the causes of each family; docs/causes.md keeps their order.
var families = []func() []rule.Rule{
	memory.Rules,
	exit.Rules,
}

// Rules lists every cause the engine can name, beside "none".
func Rules() []rule.Rule {
	var out []rule.Rule
	for _, f := range families {
		out = append(out, f()...)
	}
	return out
}

// None is the verdict that nothing is wrong.
const None finding.Cause = "none"

// Explain weighs every rule and writes the story.
func Explain(w *window.Window) *story.Story {
	wrong := symptoms.Of(w)
	hs := fold(w, hypotheses(w))
	open := unexplained(w, wrong, hs)
	return story.Build(decide(w, wrong, hs, open))
}

// hypotheses lists what the rules propose for the target and what it depends
// on, best first.
func hypotheses(w *window.Window) []finding.Hypothesis {
	var hs []finding.Hypothesis
	for _, r := range Rules() {
		for _, h := range r.Eval(w) {
			if relevant(w, h.Entity) {
				hs = append(hs, h)
			}
		}
	}
	finding.Rank(hs)
	return hs
}

// Suspects lists the pods at which the hypotheses point, best first: where a
// look at the node would decide most.
func Suspects(w *window.Window) []event.Key {
	var out []event.Key
	for _, h := range hypotheses(w) {
		if p, ok := w.Graph.PodOf(h.Entity); ok && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// reach is how many calls away from the target a cause may lie.
const reach = 3

// relevant tells whether an entity belongs to the target or to something the
// target depends on.
func relevant(w *window.Window, k event.Key) bool {
	pod, ok := w.Graph.PodOf(k)
	if !ok {
		return true
	}
	frontier := w.Target.Pods
	seen := map[event.Key]bool{}
	for range reach + 1 {
		if slices.Contains(frontier, pod) {
			return true
		}
		var next []event.Key
		for _, p := range frontier {
			for _, callee := range w.Graph.Callees(p) {
				if !seen[callee] {
					seen[callee] = true
					next = append(next, callee)
				}
			}
		}
		frontier = next
	}
	return false
}

// fold keeps one hypothesis for the same cause in the same container of
// several pods of one workload: the best, which says whom else it befell.
func fold(w *window.Window, ranked []finding.Hypothesis) []finding.Hypothesis {
	type twin struct {
		cause     finding.Cause
		workload  event.Key
		container string
	}
	var out []finding.Hypothesis
	at := map[twin]int{}
	for _, h := range ranked {
		wl, ok := w.Graph.WorkloadOf(h.Entity)
		if !ok {
			out = append(out, h)
			continue
		}
		t := twin{h.Cause, wl, w.Graph.Name(h.Entity).Container}
		i, seen := at[t]
		if !seen {
			at[t] = len(out)
			out = append(out, h)
			continue
		}
		lead := out[i]
		lead.Affected = append(slices.Clone(lead.Affected), h.Entity)
		if h.Since.Before(lead.Since) {
			lead.Since = h.Since
		}
		mine, also := lead.Explains, h.Explains
		lead.Explains = func(s finding.Symptom) bool { return mine(s) || also(s) }
		out[i] = lead
	}
	return out
}

// unexplained lists the symptoms that no supported hypothesis accounts for.
func unexplained(w *window.Window, wrong []finding.Symptom, hs []finding.Hypothesis) []finding.Symptom {
	var out []finding.Symptom
	for _, s := range wrong {
		if !slices.ContainsFunc(hs, func(h finding.Hypothesis) bool {
			return h.Confidence(w.Ceiling()) >= finding.Supported && h.Explains(s)
		}) {
			out = append(out, s)
		}
	}
	return out
}
