// Package correlate is the engine: from the facts of a window to a story. It
// is pure: no clock, no I/O, and the same facts in any order of arrival give
// the same story.
package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/correlate/rules/admission"
	"github.com/yairfalse/tapio/correlate/rules/change"
	"github.com/yairfalse/tapio/correlate/rules/config"
	"github.com/yairfalse/tapio/correlate/rules/dns"
	"github.com/yairfalse/tapio/correlate/rules/exit"
	"github.com/yairfalse/tapio/correlate/rules/image"
	"github.com/yairfalse/tapio/correlate/rules/lifecycle"
	"github.com/yairfalse/tapio/correlate/rules/memory"
	"github.com/yairfalse/tapio/correlate/rules/network"
	"github.com/yairfalse/tapio/correlate/rules/node"
	"github.com/yairfalse/tapio/correlate/rules/probe"
	"github.com/yairfalse/tapio/correlate/rules/saturation"
	"github.com/yairfalse/tapio/correlate/rules/scheduling"
	"github.com/yairfalse/tapio/correlate/rules/storage"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// families list the causes of each family; docs/causes.md keeps their order.
var families = []func() []rule.Rule{
	memory.Rules,
	image.Rules,
	config.Rules,
	scheduling.Rules,
	storage.Rules,
	exit.Rules,
	saturation.Rules,
	probe.Rules,
	network.Rules,
	dns.Rules,
	admission.Rules,
	node.Rules,
	change.Rules,
	lifecycle.Rules,
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
	hs, open := judge(w, wrong)
	return story.Build(decide(w, wrong, kept(w, hs), open))
}

// judge finds the roots of what is wrong, best first, and the symptoms that no
// supported one accounts for.
func judge(w *window.Window, wrong []finding.Symptom) ([]finding.Hypothesis, []finding.Symptom) {
	s := newScope(w)
	return roots(w, s, propose(w, s, wrong), wrong)
}

// roots is judge for given hypotheses.
func roots(w *window.Window, s scope, hs []finding.Hypothesis, wrong []finding.Symptom) ([]finding.Hypothesis, []finding.Symptom) {
	hs = slices.Clone(hs)
	rank(w, s, hs, wrong)
	hs = attach(w, exclude(w, fold(w, hs)), wrong)
	hs = weighed(w, hs, wrong)
	rank(w, s, hs, wrong)
	return spread(w, hs, wrong)
}

// propose lists what the rules propose for the target and what it depends on.
// Without evidence of its own nothing is proposed.
func propose(w *window.Window, s scope, wrong []finding.Symptom) []finding.Hypothesis {
	var hs []finding.Hypothesis
	for _, r := range Rules() {
		for _, h := range r.Eval(w) {
			if len(h.For) > 0 && s.holds(h, wrong) {
				hs = append(hs, explicit(w, h))
			}
		}
	}
	return agreed(hs)
}

// Suspects lists the pods at which the hypotheses point, best first: where a
// look at the node would decide most.
func Suspects(w *window.Window) []event.Key {
	hs, _ := judge(w, symptoms.Of(w))
	var out []event.Key
	add := func(p event.Key) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, h := range hs {
		switch at := place(w, h.Entity); at.Type {
		case event.Pod:
			add(at)
		case event.Workload, event.Service:
			for _, p := range w.Graph.Pods(at) {
				add(p)
			}
		}
	}
	return out
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

// exclude drops what a better ranked, supported hypothesis about the same thing
// rules out. hs is ranked.
func exclude(w *window.Window, hs []finding.Hypothesis) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, h := range hs {
		if !slices.ContainsFunc(out, func(better finding.Hypothesis) bool {
			return better.Own() >= finding.Supported && better.LogOdds() > h.LogOdds() && sameThing(w, better.Entity, h.Entity) &&
				slices.ContainsFunc(better.RuledOut, func(r finding.Rival) bool { return r.Cause == h.Cause })
		}) {
			out = append(out, h)
		}
	}
	return out
}

// sameThing tells whether two entities are of one workload and, where both are
// containers, of the same of its containers.
func sameThing(w *window.Window, a, b event.Key) bool {
	if unit(w, a) != unit(w, b) {
		return false
	}
	x, y := w.Graph.Name(a).Container, w.Graph.Name(b).Container
	return x == "" || y == "" || x == y
}
