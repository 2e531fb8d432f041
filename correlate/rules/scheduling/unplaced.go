package scheduling

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// evalConstraint proposes the cause behind one constraint for every waiting
// pod that it keeps from a node.
func evalConstraint(cause finding.Cause, constraint string) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, x := range waitings(w) {
			if h, ok := unplaced(w, x, cause, constraint); ok {
				out = append(out, h)
			}
		}
		return out
	}
}

func unplaced(w *window.Window, x waiting, cause finding.Cause, constraint string) (finding.Hypothesis, bool) {
	if scheduling.Feasible.Or(x.fact.Event, 0) > 0 && !scheduling.Asked.Or(x.fact.Event, false) {
		return finding.Hypothesis{}, false // nobody refused it, and a node would take it
	}
	h := finding.Hypothesis{Cause: cause, Entity: x.pod, Since: since(x)}
	for _, b := range x.blames() {
		if b.constraint == constraint {
			h.For, h.Against = weigh(x, b)
			h.Headline = headline(w, x, b)
			complete(w, x, b, &h)
			return h, true
		}
	}
	// The objects show nothing in the way, or are not known: then the
	// scheduler's own reasons are all there is, the most frequent first.
	if len(x.blames()) > 0 || leading(x.said) != constraint || scheduling.Gates.Or(x.fact.Event, "") != "" {
		return h, false
	}
	b := blame{constraint: constraint, nodes: x.said[constraint]}
	said := claims.SchedulerWords(x.fact)
	h.For = []finding.Support{{Evidence: said, Weight: finding.SchedulerOnly}}
	h.Headline = fmt.Sprintf("%s cannot be placed: the scheduler finds %s %s", w.Graph.Label(x.pod), words.Count(b.nodes, "node"), claims.ConstraintWord(constraint))
	why := "unknown: " + x.text(scheduling.Unknown)
	if x.tried() {
		h.Against = []finding.Support{{Evidence: said, Weight: finding.ObjectsDiffer}}
		why = "the nodes and pods known here would let it in: others are not known, or it was otherwise when the scheduler spoke"
	}
	h.Absent = []finding.Absent{{What: "the constraint on the objects themselves", Why: why}}
	complete(w, x, b, &h)
	return h, true
}

// leading is the scheduler's most frequent reason other than a cordon, which
// stands in nearly every message because of nodes that nobody would use;
// selector and affinity are one reason there, taken as affinity.
func leading(said map[string]int64) string {
	best := ""
	for _, c := range order {
		n := said[c]
		if c == scheduling.Affinity {
			n = said[scheduling.Placement]
		}
		if n > 0 && (best == "" || n > said[best]) && c != scheduling.Cordon {
			best = c
		}
	}
	if best == "" && said[scheduling.Cordon] > 0 {
		return scheduling.Cordon
	}
	return best
}

func since(x waiting) time.Time {
	if s, ok := scheduling.Since.Get(x.fact.Event); ok {
		return time.Unix(s, 0).UTC()
	}
	return x.fact.At
}

// weigh: the counterfactual is the strong witness, the scheduler's own words
// the second.
func weigh(x waiting, b blame) (for_, against []finding.Support) {
	trial, ok := x.trial(b.constraint)
	if !ok {
		trial = x.fact
	}
	e := claims.Constraint(trial)
	weight := finding.LiftedAlone
	if len(b.with) > 0 {
		weight = finding.LiftedTogether
	}
	for_ = append(for_, finding.Support{Evidence: e, Weight: weight})
	said := claims.SchedulerWords(x.fact)
	switch {
	case len(x.said) == 0:
	case x.says(b.constraint):
		for_ = append(for_, finding.Support{Evidence: said, Weight: finding.SchedulerAgrees})
	case len(b.with) == 0: // of several reasons on a node it names the first it met
		against = append(against, finding.Support{Evidence: said, Weight: finding.SchedulerDiffers})
	}
	if b.lesser {
		against = append(against, finding.Support{Evidence: e, Weight: finding.LesserWay})
	}
	if x.text(scheduling.Claims) != "" && x.said[scheduling.Claim] > 0 {
		against = append(against, finding.Support{Evidence: said, Weight: finding.ClaimFirst})
	}
	return for_, against
}

// complete adds what every hypothesis about a waiting pod has.
func complete(w *window.Window, x waiting, b blame, h *finding.Hypothesis) {
	h.State = finding.Failing
	h.Now = "pending for " + words.Span(w.To.Sub(since(x)).Truncate(time.Second))
	if n := x.text(scheduling.Nominated); n != "" {
		h.Now += "; room is being made on " + n
	}
	h.Chain = chain(w, x, b)
	h.Survey = survey(x)
	h.Alternatives = alternatives(x)
	h.RuledOut = append(h.RuledOut, rivals(x, b, h.Cause)...)
	h.Advice = append(h.Advice, advise(w, x, b)...)
	h.Explains = explains(w, x.pod)
	if wl, ok := w.Graph.WorkloadOf(x.pod); ok {
		h.Affected = append(h.Affected, wl)
	}
	if unknown := x.text(scheduling.Unknown); unknown != "" && x.tried() {
		h.Absent = append(h.Absent, finding.Absent{What: unknown, Why: "they are not known: more may stand against the pod than could be tried"})
	}
}

// explains: that the pod waits, and that its workload is short of it.
func explains(w *window.Window, pod event.Key) func(finding.Symptom) bool {
	wl, owned := w.Graph.WorkloadOf(pod)
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.NotRunning, finding.Waits, finding.NotReady:
			p, ok := w.Graph.PodOf(s.Entity)
			return ok && p == pod
		case finding.Short:
			return owned && s.Entity == wl
		}
		return false
	}
}

// chain: the constraint refuses the nodes, so the pod has none.
func chain(w *window.Window, x waiting, b blame) []finding.Link {
	var out []finding.Link
	if trial, ok := x.trial(b.constraint); ok {
		e := claims.Constraint(trial)
		from := x.pod
		if n, ok := trial.Ref(event.Host); ok && ofNode(b.constraint) {
			from = n
		}
		out = append(out, finding.Link{
			From: from, To: x.pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e},
		})
	}
	for _, g := range x.groups {
		if len(out) == maxGroups {
			break
		}
		if scheduling.Against.Or(g.Event, "") == b.constraint && len(out) > 0 {
			continue // told by the constraint itself
		}
		e := claims.Refusal(g)
		out = append(out, finding.Link{
			From: x.pod, To: x.pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e},
		})
	}
	e := claims.SchedulerWords(x.fact)
	to := x.pod
	if wl, ok := w.Graph.WorkloadOf(x.pod); ok {
		to = wl
	}
	return append(out, finding.Link{
		From: x.pod, To: to, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e},
	})
}

// maxGroups bounds the groups of nodes in a chain, with the constraint's own
// link.
const maxGroups = 5

// ofNode tells whether the constraint lies in the node rather than in the pod.
func ofNode(constraint string) bool {
	switch constraint {
	case scheduling.Taint, scheduling.Condition, scheduling.Cordon:
		return true
	}
	return false
}

// survey counts the nodes by why each was no good.
func survey(x waiting) *finding.Survey {
	if !x.tried() {
		return nil
	}
	s := &finding.Survey{Of: "nodes", Total: int(scheduling.Total.Or(x.fact.Event, 0))}
	for _, g := range x.groups {
		var parts []string
		for c := range strings.SplitSeq(scheduling.Against.Or(g.Event, ""), ",") {
			parts = append(parts, claims.ConstraintWord(c))
		}
		s.Parts = append(s.Parts, fmt.Sprintf("%d %s", scheduling.Nodes.Or(g.Event, 0), strings.Join(parts, " and ")))
	}
	if n := scheduling.Feasible.Or(x.fact.Event, 0); n > 0 {
		s.Parts = append(s.Parts, fmt.Sprintf("%d would take it", n))
	}
	return s
}

// rivals are the other causes of the family, with what decides against each:
// how many nodes lifting them alone would open.
func rivals(x waiting, b blame, own finding.Cause) []finding.Rival {
	var out []finding.Rival
	blamed := map[string]bool{}
	for _, o := range x.blames() {
		blamed[o.constraint] = true
	}
	for _, k := range kinds {
		if k.cause == own || blamed[k.constraint] || !x.tried() {
			continue
		}
		trial, ok := x.trial(k.constraint)
		if !ok {
			// What the scheduler says and the objects do not show is not
			// excluded; selector and affinity are one reason in its words.
			if k.common && (!x.says(k.constraint) || hasAny([]string{b.constraint}, where)) {
				out = append(out, finding.Rival{Cause: k.cause, Why: "no node fails it", Evidence: []finding.Evidence{claims.SchedulerWords(x.fact)}})
			}
			continue
		}
		e := claims.Constraint(trial)
		why := "lifting it alone opens no node that counts"
		if n := scheduling.Frees.Or(trial.Event, 0); n > 0 {
			why = fmt.Sprintf("lifting it would open %s that the pod does not ask for", words.Count(n, "node"))
			if !hasAny([]string{k.constraint}, where) {
				why = fmt.Sprintf("lifting it would open %s only", words.Count(n, "node"))
			}
		}
		out = append(out, finding.Rival{Cause: k.cause, Why: why, Evidence: []finding.Evidence{e}})
	}
	if scheduling.Asked.Or(x.fact.Event, false) {
		out = append(out, finding.Rival{Cause: SchedulerDown, Why: "the scheduler has looked at the pod", Evidence: []finding.Evidence{claims.SchedulerWords(x.fact)}})
	}
	return out
}
