package admission

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// Mutated is the cause "the pod was changed on its way, and that breaks it".
const Mutated finding.Cause = "admission/mutated"

// evalMutated proposes Mutated for each container that fails in what was
// changed. A change that hurts nobody is often wanted.
func evalMutated(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, admission.Mutated, admission.Part) {
		if admission.By.Or(f.Event, "") == admission.ByResize {
			continue // asked for on the pod itself, after it was made
		}
		if fits, ok := suits(w, f); ok {
			out = append(out, mutated(w, f, fits))
		}
	}
	return out
}

// suits finds how the container fails in the very thing that was changed.
func suits(w *window.Window, f window.Fact) (finding.Evidence, bool) {
	part := admission.Part.Or(f.Event, "")
	state, _ := w.Last(lifecycle.Container, f.Subject())
	waits := lifecycle.Reason.Or(state.Event, "")
	switch {
	case part == "limits.memory" && admission.Lowered.Or(f.Event, false):
		ends := w.About(lifecycle.Ended, f.Subject())
		for i := len(ends) - 1; i >= 0; i-- {
			e := ends[i]
			oom := lifecycle.Reason.Or(e.Event, "") == "OOMKilled" || strings.Contains(strings.ToLower(lifecycle.Message.Or(e.Event, "")), "oom")
			if oom && !e.At.Before(w.From) {
				return claims.Ended(e), true
			}
		}
	case part == "image":
		if waits == "ErrImagePull" || waits == "ImagePullBackOff" || waits == "InvalidImageName" || waits == "ErrImageNeverPull" {
			return claims.State(state), true
		}
	case part == "command":
		if waits == "CrashLoopBackOff" || waits == "RunContainerError" {
			return claims.State(state), true
		}
	}
	return finding.Evidence{}, false
}

func mutated(w *window.Window, f window.Fact, fits finding.Evidence) finding.Hypothesis {
	c := f.Subject()
	n := w.Graph.Name(c)
	e := claims.Mutated(f)
	who := culprit(f)
	h := finding.Hypothesis{Cause: Mutated, Entity: c, Since: f.At, State: finding.Failing}
	h.Headline = fmt.Sprintf("%s: container %s fails because %s changed its pod: %s", n.Name, n.Container, who, e.Claim)
	h.Now = "container " + n.Container + ": " + fits.Claim
	h.For = []finding.Support{{Evidence: e, Weight: finding.PodChanged}, {Evidence: fits, Weight: finding.ChangeFitsEnd}}
	if admission.By.Or(f.Event, "") != "" || admission.Suspects.Or(f.Event, "") != "" {
		s := e
		s.Claim = who + " changes pods like this one"
		h.For = append(h.For, finding.Support{Evidence: s, Weight: finding.PodChanged})
	} else {
		h.Absent = []finding.Absent{{What: "who changed the pod", Why: "no mutating webhook that could is known"}}
	}
	h.Chain = []finding.Link{
		{From: c, To: c, Mechanism: finding.Changes, At: f.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}},
		{From: c, To: c, Mechanism: finding.Fails, At: fits.At, Trust: finding.API, Sentence: fits.Claim, Evidence: []finding.Evidence{fits}},
	}
	if wl, ok := w.Graph.WorkloadOf(c); ok {
		h.Advice = append(h.Advice, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s get %s -o yaml", n.Namespace, typed(w, wl)), Expect: "the template as it was meant, to compare with the pod",
		})
		h.Affected = append(h.Affected, wl)
	}
	h.Advice = append(h.Advice, finding.Advice{Command: "kubectl get mutatingwebhookconfigurations", Expect: "who may change pods of this namespace"})
	h.RuledOut = []finding.Rival{{Cause: "memory/limit-oom", Why: "the limit that was met is not the template's", Evidence: []finding.Evidence{e}}}
	if admission.Part.Or(f.Event, "") != "limits.memory" {
		h.RuledOut = nil
	}
	return h
}

func culprit(f window.Fact) string {
	switch by := admission.By.Or(f.Event, ""); by {
	case admission.ByLimitRange:
		return "a LimitRange"
	case admission.ByAutoscaler:
		return "a VerticalPodAutoscaler"
	}
	if s := admission.Suspects.Or(f.Event, ""); s != "" {
		return "a mutating webhook (" + s + ")"
	}
	return "something on the way"
}
