package correlate

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// explicit gives every hypothesis an Explains of its own.
func explicit(w *window.Window, h finding.Hypothesis) finding.Hypothesis {
	if h.Explains == nil {
		whose := h
		h.Explains = func(s finding.Symptom) bool { return explains(w, whose, s) }
	}
	return h
}

// weighed brings in what no rule can know: that the cause is over while things
// still fail, and which other hypotheses want to explain the same.
func weighed(w *window.Window, hs []finding.Hypothesis, wrong []finding.Symptom) []finding.Hypothesis {
	out := slices.Clone(hs)
	for i, h := range out {
		if e, ok := stale(w, h, wrong); ok {
			out[i].Against = append(slices.Clone(h.Against), finding.Support{Evidence: e, Weight: finding.Stale})
		}
	}
	out = slices.DeleteFunc(out, func(h finding.Hypothesis) bool { return idle(h, wrong) })
	for i, h := range out {
		if e, ok := symptomatic(w, h, wrong); ok {
			out[i].Against = append(slices.Clone(h.Against), finding.Support{Evidence: e, Weight: finding.Symptomatic})
		}
	}
	for i := range out {
		out[i].Rivals = 0
		for j := range out {
			if j != i && compete(w, out[i], out[j], wrong) {
				out[i].Rivals += out[j].Odds()
			}
		}
	}
	return out
}

// idle tells whether a hypothesis is not even likely and over, or accounts for
// nothing that is wrong: a guess that nobody needs.
func idle(h finding.Hypothesis, wrong []finding.Symptom) bool {
	return h.Own() < finding.Supported && (h.State == finding.Recovered ||
		!slices.ContainsFunc(wrong, func(s finding.Symptom) bool { return accounts(h, s) }))
}

// stale is the newest evidence of a cause that is over, when that is from
// before the window or of a start that went well in the end, or when something
// is still wrong that it does not explain.
func stale(w *window.Window, h finding.Hypothesis, wrong []finding.Symptom) (finding.Evidence, bool) {
	if h.State == finding.Failing || h.State == finding.Intermittent || len(h.For) == 0 {
		return finding.Evidence{}, false
	}
	newest := h.For[0].Evidence
	for _, s := range h.For[1:] {
		if end(s.Evidence).After(end(newest)) {
			newest = s.Evidence
		}
	}
	if end(newest).Before(w.From) || symptoms.StartUp(w, h.Entity, end(newest)) {
		return newest, true
	}
	over := h.State == finding.Recovered && slices.ContainsFunc(wrong, func(s finding.Symptom) bool {
		return s.Lasting && !accounts(h, s)
	})
	return newest, over
}

// symptomatic is what is wrong with the pods behind the Service that a
// hypothesis is about, when the hypothesis is an effect of such trouble. A
// known root would have taken it into its story before.
func symptomatic(w *window.Window, h finding.Hypothesis, wrong []finding.Symptom) (finding.Evidence, bool) {
	if effects[h.Cause].of&backend == 0 || h.Entity.Type != event.Service {
		return finding.Evidence{}, false
	}
	units := map[event.Key]bool{}
	for _, p := range w.Graph.Pods(h.Entity) {
		units[unit(w, p)] = true
	}
	for _, s := range wrong {
		if s.Lasting && s.Sort != finding.CallsFailed && s.Sort != finding.NoBackends && units[unit(w, s.Entity)] {
			return s.Evidence, true
		}
	}
	return finding.Evidence{}, false
}

func end(e finding.Evidence) time.Time { return e.At.Add(e.Span) }

// compete tells whether two hypotheses exclude each other: both want to explain
// the same lasting symptom of the same unit, and neither is seen as the other's
// effect.
func compete(w *window.Window, a, b finding.Hypothesis, wrong []finding.Symptom) bool {
	if !sameThing(w, a.Entity, b.Entity) {
		return false
	}
	return slices.ContainsFunc(wrong, func(s finding.Symptom) bool {
		return s.Lasting && accounts(a, s) && accounts(b, s)
	})
}

// Bonuses of rank, in the unit of log-odds. They order hypotheses and do not
// enter the confidence: that a cause explains much does not make it more
// certain that it is there.
const (
	perSymptom  = 0.4 // for each lasting symptom that it explains
	mostSymptom = 1.6
	ofTarget    = 0.3 // it is a part of the target itself
	surest      = 7.0 // log-odds beyond which more evidence does not move it up
)

// rank orders hypotheses best first: what fails now before what is over, then
// the supported, then by log-odds and how much is explained. Ties fall to the
// earlier onset, then to code and entity.
func rank(w *window.Window, s scope, hs []finding.Hypothesis, wrong []finding.Symptom) {
	key := map[int]standing{}
	order := make([]int, len(hs))
	for i, h := range hs {
		order[i] = i
		key[i] = stand(s, h, wrong)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(key[a].compare(key[b]), hs[a].Since.Compare(hs[b].Since), byName(w, hs[a], hs[b]))
	})
	sorted := make([]finding.Hypothesis, len(hs))
	for i, o := range order {
		sorted[i] = hs[o]
	}
	copy(hs, sorted)
}

// standing is what a hypothesis is ranked by.
type standing struct {
	over, unsupported bool
	score             float64
}

func (a standing) compare(b standing) int {
	return cmp.Or(compareBool(a.unsupported, b.unsupported), compareBool(a.over, b.over), cmp.Compare(b.score, a.score))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func stand(s scope, h finding.Hypothesis, wrong []finding.Symptom) standing {
	n := 0
	for _, x := range wrong {
		if x.Lasting && accounts(h, x) {
			n++
		}
	}
	score := math.Min(h.LogOdds()-math.Log1p(h.Rivals), surest) + math.Min(perSymptom*float64(n), mostSymptom)
	if s.belongs(h.Entity) {
		score += ofTarget
	}
	return standing{over: h.State == finding.Recovered, unsupported: h.Own() < finding.Supported, score: score}
}

// byName breaks ties by what people see, so that the order does not depend on
// uids.
func byName(w *window.Window, a, b finding.Hypothesis) int {
	return cmp.Or(cmp.Compare(a.Cause, b.Cause), compareNames(w, a.Entity, b.Entity), a.Entity.Compare(b.Entity))
}

func compareNames(w *window.Window, a, b event.Key) int {
	x, y := w.Graph.Name(a), w.Graph.Name(b)
	return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Container, y.Container))
}
