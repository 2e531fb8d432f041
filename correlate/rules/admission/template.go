package admission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
)

// LimitRange is the cause "a limit range refuses the pods".
const LimitRange finding.Cause = "admission/limit-range"

// ServiceAccountMissing is the cause "the pods' service account does not exist".
const ServiceAccountMissing finding.Cause = "admission/service-account-missing"

// refusedBy starts a hypothesis about a workload that is short because of what
// its template says.
func refusedBy(w *window.Window, cause finding.Cause, s shortage, e finding.Evidence, weight finding.Weight, from event.Key) finding.Hypothesis {
	h := finding.Hypothesis{Cause: cause, Entity: s.key, Since: s.onset(), State: finding.Failing, Now: s.now(w)}
	h.For = append([]finding.Support{{Evidence: e, Weight: weight}}, s.support(w)...)
	h.Against = s.against(w)
	h.Chain = []finding.Link{
		{From: from, To: s.key, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}},
		s.link(w, s.key),
	}
	suffers := s.suffers()
	h.Affected = suffers[1:]
	h.Explains = explains(suffers)
	h.RuledOut = s.ruledOut(w)
	return h
}

// evalLimitRange proposes LimitRange once a workload.
func evalLimitRange(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	told := map[event.Key]bool{}
	for _, f := range current(w, admission.OutOfRange, admission.Name, admission.Resource, admission.Container, admission.Rule) {
		s, short := shortOf(w, f.Subject())
		if !short || told[s.key] {
			continue
		}
		told[s.key] = true
		ns, _ := f.Ref(event.Limiter)
		e := claims.OutOfRange(f)
		h := refusedBy(w, LimitRange, s, e, finding.RangeBroken, ns)
		h.Headline = fmt.Sprintf("%s: pods cannot be created because %s", w.Graph.Label(s.key), e.Claim)
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s describe limitrange %s", ns.ID, admission.Name.Or(f.Event, "")), Expect: "what it allows"},
			{
				Command: fmt.Sprintf("kubectl -n %s edit %s", ns.ID, typed(w, s.key)), ChangesCluster: true,
				Expect: "bring " + admission.Resource.Or(f.Event, "") + " within the limit range",
			},
		}
		out = append(out, h)
	}
	return out
}

// evalServiceAccount proposes ServiceAccountMissing.
func evalServiceAccount(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, admission.NoAccount) {
		s, short := shortOf(w, f.Subject())
		if !short {
			continue
		}
		name := admission.Name.Or(f.Event, "")
		e := claims.NoAccount(f)
		ns, _ := f.Ref(event.Limiter)
		h := refusedBy(w, ServiceAccountMissing, s, e, finding.AccountMissing, ns)
		h.Headline = fmt.Sprintf("%s: pods cannot be created because their service account %s does not exist", w.Graph.Label(s.key), name)
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s get serviceaccounts", ns.ID), Expect: "a name that was meant instead"},
			{
				Command: fmt.Sprintf("kubectl -n %s create serviceaccount %s", ns.ID, name), ChangesCluster: true,
				Expect: "the controller's next attempt succeeds; the account has no rights yet",
				Undo:   fmt.Sprintf("kubectl -n %s delete serviceaccount %s", ns.ID, name),
			},
		}
		out = append(out, h)
	}
	return out
}

// explainedElsewhere tells whether the objects themselves show why the
// workload's pods are refused.
func explainedElsewhere(w *window.Window, k event.Key) bool {
	about := func(f window.Fact) bool { return f.Subject() == k }
	return slices.ContainsFunc(current(w, admission.NoAccount), about) ||
		slices.ContainsFunc(current(w, admission.Exceeds, admission.Name, admission.Resource), about) ||
		slices.ContainsFunc(current(w, admission.OutOfRange, admission.Name, admission.Resource, admission.Container, admission.Rule), about)
}

// afterForbidden is the part of a refusal that gives its reason.
func afterForbidden(message string) string {
	if _, rest, ok := strings.Cut(message, "is forbidden: "); ok {
		return rest
	}
	if _, rest, ok := strings.Cut(message, "Error creating: "); ok {
		return rest
	}
	return message
}
