package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
)

// The causes for which a program's configuration is not what its peer or its
// operator has by now.
const (
	CredentialsWrong finding.Cause = "config/credentials-wrong"
	SecretStale      finding.Cause = "config/secret-stale"
	NotReloaded      finding.Cause = "config/not-reloaded"
)

func evalCredentialsWrong(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, config.Credentials, func(f window.Fact) string { return config.Where.Or(f.Event, "") }) {
		out = append(out, credentialsWrong(w, f))
	}
	return out
}

func credentialsWrong(w *window.Window, f window.Fact) finding.Hypothesis {
	c := f.Subject()
	svc, _ := f.Ref(event.Peer)
	e := claims.Credentials(f)
	var support []finding.Support
	if config.Server.Or(f.Event, "") != "" {
		support = append(support, finding.Support{Evidence: e, Weight: finding.CredsDiffer})
	}
	if config.Others.Or(f.Event, 0) > 1 {
		support = append(support, finding.Support{Evidence: e, Weight: finding.CredsOddOneOut})
	}
	refused := refusals(w, c, svc)
	ill, unwell := illness(w, c)
	switch {
	case len(refused) > 0:
		support = append(support, finding.Support{Evidence: refused[0], Weight: finding.LoginRefused})
	case unwell:
		support = append(support, finding.Support{Evidence: ill, Weight: finding.Unwell})
	}
	n, server := w.Graph.Name(c), w.Graph.Name(svc)
	h := finding.Hypothesis{
		Cause: CredentialsWrong, Entity: c, Since: f.At, For: support, State: finding.Failing,
		Headline: fmt.Sprintf("%s: container %s logs in at %s with the wrong %s: %s", n.Name, n.Container, server.Name, config.Differs.Or(f.Event, "credentials"), e.Claim),
		Now:      "so it stands in the configuration",
		Explains: explainsCalls(w, c, refused),
	}
	h.Chain = append([]finding.Link{{From: c, To: svc, Mechanism: finding.Fails, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}, effectLinks(c, refused, ill, unwell)...)
	h.RuledOut = []finding.Rival{{Cause: "dns/name-not-found", Why: "the server is named right", Evidence: []finding.Evidence{e}}}
	if len(refused) == 0 {
		h.Absent = []finding.Absent{{What: "that the server refuses the login", Why: "no log says so"}}
	}
	wl, owned := w.Graph.WorkloadOf(c)
	kind, object, held := strings.Cut(config.From.Or(f.Event, ""), " ")
	switch {
	case held:
		h.Advice = append(h.Advice, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s edit %s %s", n.Namespace, strings.ToLower(kind), object), ChangesCluster: true,
			Expect: "the server's own credentials; restart the workload then", Undo: "edit it back",
		})
	case owned:
		t := w.Graph.Name(wl)
		h.Advice = append(h.Advice, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s edit %s %s", n.Namespace, strings.ToLower(t.Kind), t.Name), ChangesCluster: true,
			Expect: config.Where.Or(f.Event, "") + " as the server has it", Undo: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", n.Namespace, strings.ToLower(t.Kind), t.Name),
		})
	}
	h.Advice = append(h.Advice, finding.Advice{Command: fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container), Expect: "what the server answers"})
	return h
}

// refusals are what logs say of refused logins: the client's own, and that of
// the pods behind the Service.
func refusals(w *window.Window, c, svc event.Key) []finding.Evidence {
	const fresh = 10 * time.Minute
	var out []finding.Evidence
	for _, x := range w.About(logs.Failure, c) {
		peer, ok := x.Ref(event.Peer)
		if logs.What.Or(x.Event, "") == logs.LoginRefused && (!ok || svc.IsZero() || peer == svc) && w.To.Sub(x.End()) <= fresh {
			out = append(out, claims.Complaint(x))
		}
	}
	behind := w.Graph.Pods(svc)
	for _, x := range w.Of(logs.Trouble) {
		if logs.What.Or(x.Event, "") != logs.LoginRefused || w.To.Sub(x.End()) > fresh {
			continue
		}
		pod, _ := w.Graph.PodOf(x.Subject())
		if x.Subject() == c || !svc.IsZero() && slices.Contains(behind, pod) {
			out = append(out, claims.Trouble(x))
		}
	}
	return out
}

// evalStale proposes the cause for containers that read an object once, before
// its last change, and have been in trouble since the change and not before.
func evalStale(cause finding.Cause) func(*window.Window) []finding.Hypothesis {
	object := "ConfigMap"
	if cause == SecretStale {
		object = "Secret"
	}
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, f := range current(w, config.Stale, func(f window.Fact) string { return config.Name.Or(f.Event, "") }) {
			if config.Object.Or(f.Event, "") != object {
				continue
			}
			if h, ok := stale(w, cause, f); ok {
				out = append(out, h)
			}
		}
		return out
	}
}

func stale(w *window.Window, cause finding.Cause, f window.Fact) (finding.Hypothesis, bool) {
	c := f.Subject()
	object, _ := f.Ref(event.Peer)
	e := claims.Stale(f)
	trouble := complaints(w, c, func(window.Fact) bool { return true })
	if cause == SecretStale {
		trouble = refusals(w, c, event.Key{})
	}
	if len(trouble) == 0 {
		return finding.Hypothesis{}, false // an object that changed and harmed nobody
	}
	slices.SortStableFunc(trouble, func(a, b finding.Evidence) int { return a.At.Compare(b.At) })
	first := trouble[0]
	support := []finding.Support{{Evidence: e, Weight: finding.ChangedSince}}
	if !first.At.Before(f.At) {
		support = append(support, finding.Support{Evidence: first, Weight: finding.BeganAtChange})
	}
	n := w.Graph.Name(c)
	h := finding.Hypothesis{
		Cause: cause, Entity: c, Since: f.At, For: support, State: finding.Failing,
		Headline: fmt.Sprintf("%s: container %s still uses what %s %s held until %s ago; %s", n.Name, n.Container, config.Object.Or(f.Event, ""), config.Name.Or(f.Event, ""), since(w, f.At), first.Claim),
		Now:      "it has not begun anew since the change",
		Chain: []finding.Link{
			{From: object, To: c, Mechanism: finding.Changes, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}},
			{From: c, To: c, Mechanism: finding.Fails, At: first.At, Trust: finding.API, Sentence: first.Claim, Evidence: trouble, Lag: max(first.At.Sub(f.At), 0)},
		},
		Explains: explainsCalls(w, c, trouble),
		RuledOut: []finding.Rival{{Cause: "change/bad-rollout", Why: "its own revision did not change", Evidence: []finding.Evidence{e}}},
	}
	if wl, owned := w.Graph.WorkloadOf(c); owned {
		t := w.Graph.Name(wl)
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s rollout restart %s/%s", n.Namespace, strings.ToLower(t.Kind), t.Name), ChangesCluster: true,
			Expect: "new pods read the object as it is now", Undo: "none is needed; the pods are only made anew",
		}}
	}
	return h, true
}
