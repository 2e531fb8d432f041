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

// Denied is the cause "whoever decides about pods refused these".
const Denied finding.Cause = "admission/denied"

// maxWords bounds how much of a refusal is repeated, in bytes.
const maxWords = 200

// evalDenied proposes Denied for each workload whose pods are refused now.
func evalDenied(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, admission.Short) {
		s, short := shortOf(w, f.Subject())
		if !short || !s.refused {
			continue
		}
		if hook, ok := w.Last(admission.Hook, s.key); ok && !admission.Over.Or(hook.Event, false) {
			out = append(out, deniedByHook(w, s, hook))
			continue
		}
		if level, ok := w.Last(admission.PodSecurity, s.key); ok && !admission.Over.Or(level.Event, false) {
			out = append(out, deniedByLevel(w, s, level))
			continue
		}
		if h, ok := deniedByWords(w, s); ok {
			out = append(out, h)
		}
	}
	return out
}

func deniedByLevel(w *window.Window, s shortage, f window.Fact) finding.Hypothesis {
	e := claims.PodSecurity(f)
	ns, _ := f.Ref(event.Limiter)
	level := admission.Level.Or(f.Event, "")
	h := refusedBy(w, Denied, s, e, finding.LevelBroken, ns)
	h.Headline = fmt.Sprintf("%s: pods cannot be created because namespace %s enforces pod security level %s and the template breaks it: %s",
		w.Graph.Label(s.key), ns.ID, level, admission.Breaks.Or(f.Event, ""))
	h.Advice = []finding.Advice{
		{
			Command: fmt.Sprintf("kubectl -n %s edit %s", ns.ID, typed(w, s.key)), ChangesCluster: true,
			Expect: "a security context that the level allows",
		},
		{Command: "kubectl get namespace " + ns.ID + " --show-labels", Expect: "the level, and since which version it applies"},
	}
	return h
}

// deniedByHook is about a webhook or policy. One that cannot be called is at
// fault itself; of one that denies, the template is what to look at.
func deniedByHook(w *window.Window, s shortage, f window.Fact) finding.Hypothesis {
	e := claims.Hook(f)
	down := admission.Down.Or(f.Event, false)
	weight := finding.HookDenied
	if down {
		weight = finding.HookDown
	}
	from := s.key
	svc, known := f.Ref(event.Peer)
	if known {
		from = svc
	}
	h := refusedBy(w, Denied, s, e, weight, from)
	name := admission.Name.Or(f.Event, "")
	if !down {
		h.Headline = fmt.Sprintf("%s: pods cannot be created because %s", w.Graph.Label(s.key), e.Claim)
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get events --field-selector reason=FailedCreate", w.Graph.Name(s.key).Namespace),
			Expect:  "what it says it wants",
		}}
		return h
	}
	n, counted := admission.Backends.Get(f.Event)
	if admission.Gone.Or(f.Event, false) || counted && n == 0 {
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.HookNoBackend})
	}
	h.Headline = fmt.Sprintf("%s: pods cannot be created because %s", w.Graph.Label(s.key), e.Claim)
	if known {
		h.Affected = append(s.suffers(), h.Affected...)[:len(s.suffers())]
		h.Entity = svc
		h.Explains = explains(append(s.suffers(), svc))
		at := w.Graph.Name(svc)
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get service,endpointslices,pods", at.Namespace), Expect: "whether anything serves " + at.Name}}
		return h
	}
	h.Advice = []finding.Advice{{
		Command: "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o wide", Expect: "which configuration holds " + name + " and where it is served",
	}}
	return h
}

// deniedByWords is for a refusal that no object explains: the API server's
// words are all there is.
func deniedByWords(w *window.Window, s shortage) (finding.Hypothesis, bool) {
	message := admission.Message.Or(s.Event, "")
	if message == "" || explainedElsewhere(w, s.key) {
		return finding.Hypothesis{}, false
	}
	reason := afterForbidden(message)
	if len(reason) > maxWords {
		reason = reason[:maxWords] + "..."
	}
	e := claims.Short(s.Fact, w.To)
	e.Claim, e.Origin = "the API server says: "+reason, "its refusal"
	h := refusedBy(w, Denied, s, e, finding.RefusalWords, s.key)
	h.Headline = fmt.Sprintf("%s: pods cannot be created: %s", w.Graph.Label(s.key), reason)
	if outdated(w, message) {
		h.Headline = fmt.Sprintf("%s: pods were refused and nothing refuses them now; its controller tries again after a growing pause. It was told: %s", w.Graph.Label(s.key), reason)
		h.Now = "the next attempt of its controller is due"
	}
	h.Absent = []finding.Absent{{What: "the object that makes the API server refuse", Why: "none of those that could be read does"}}
	h.Advice = []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s describe %s", w.Graph.Name(s.key).Namespace, typed(w, s.key)), Expect: "the refusal in full",
	}}
	return h, true
}

// outdated tells whether a refusal is of a sort that the objects show while it
// lasts, and they do not show it: what stood in the way has gone since.
func outdated(w *window.Window, message string) bool {
	switch {
	case strings.Contains(message, "exceeded quota: "):
		return !unread(w, "list resourcequotas")
	case strings.Contains(message, "error looking up service account "):
		return !unread(w, "list serviceaccounts")
	}
	return false
}

// unread tells whether the observer misses a list.
func unread(w *window.Window, need string) bool {
	return slices.ContainsFunc(w.Gaps, func(g window.Gap) bool { return g.Observer == admission.Spec.Name && g.Need.Name == need })
}
