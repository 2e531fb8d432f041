package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// AddressWrong is the cause "the configuration names a host or port that no
// Service has".
const AddressWrong finding.Cause = "config/address-wrong"

// current lists the newest fact of the kind about each thing that it is about,
// of pods that are not asked to end.
func current(w *window.Window, kind event.Kind, id func(window.Fact) string) []window.Fact {
	at := map[string]int{}
	var out []window.Fact
	for _, f := range w.Of(kind) {
		if pod, ok := w.Graph.PodOf(f.Subject()); !ok || leaving(w, pod) {
			continue
		}
		key := f.Subject().ID + "\x00" + id(f)
		if i, seen := at[key]; seen {
			out[i] = f
			continue
		}
		at[key] = len(out)
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b window.Fact) int {
		if c := a.Subject().Compare(b.Subject()); c != 0 {
			return c
		}
		return strings.Compare(id(a), id(b))
	})
	return out
}

func leaving(w *window.Window, pod event.Key) bool {
	p, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(p.Event)
	return deleted || lifecycle.Gone.Or(p.Event, false)
}

func evalAddressWrong(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, config.Address, func(f window.Fact) string { return config.Where.Or(f.Event, "") + config.Host.Or(f.Event, "") }) {
		if h, ok := addressWrong(w, f); ok {
			out = append(out, h)
		}
	}
	return out
}

// addressWrong is the hypothesis; an address that is near nothing and of which
// nobody complains may belong to a peer that is not always there.
func addressWrong(w *window.Window, f window.Fact) (finding.Hypothesis, bool) {
	c := f.Subject()
	e := claims.Address(f)
	support := []finding.Support{{Evidence: e, Weight: finding.NoSuchAddress}}
	near, isNear := claims.RightAddress(f)
	if isNear {
		support = append(support, finding.Support{Evidence: near, Weight: finding.RightIsNear})
		if config.Others.Or(f.Event, 0) > 0 {
			support = append(support, finding.Support{Evidence: near, Weight: finding.OthersNameRight})
		}
		if config.Earlier.Or(f.Event, false) {
			support = append(support, finding.Support{Evidence: near, Weight: finding.NamedRightOnce})
		}
	}
	said := complaints(w, c, func(x window.Fact) bool { return sameHost(f, x) })
	if !isNear && len(said) == 0 {
		return finding.Hypothesis{}, false
	}
	ill, unwell := illness(w, c)
	switch {
	case len(said) > 0:
		support = append(support, finding.Support{Evidence: said[0], Weight: finding.FailsThere})
	case unwell:
		support = append(support, finding.Support{Evidence: ill, Weight: finding.Unwell})
	}
	n := w.Graph.Name(c)
	h := finding.Hypothesis{
		Cause: AddressWrong, Entity: c, Since: f.At, For: support, State: finding.Failing,
		Headline: fmt.Sprintf("%s: container %s calls an address that is not there: %s%s", n.Name, n.Container, e.Claim, insteadOf(f)),
		Now:      "so it stands in the configuration",
		Advice:   addressAdvice(w, f), RuledOut: addressRivals(f), Explains: explainsCalls(w, c, said),
	}
	if right := config.Right.Or(f.Event, ""); right != "" {
		h.Alternatives = []finding.Alternative{{Change: config.Where.Or(f.Event, "") + ": " + right, Helps: true, Effect: near.Claim}}
	}
	h.Chain = append(h.Chain, finding.Link{From: c, To: c, Mechanism: finding.Misdirects, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	h.Chain = append(h.Chain, effectLinks(c, said, ill, unwell)...)
	if len(said) == 0 {
		h.Absent = []finding.Absent{{What: "that the program calls this address", Why: "its log does not complain of it"}}
	}
	return h, true
}

// effectLinks are what the program complains of and how it does.
func effectLinks(c event.Key, said []finding.Evidence, ill finding.Evidence, unwell bool) []finding.Link {
	var out []finding.Link
	if len(said) > 0 {
		out = append(out, finding.Link{From: c, To: c, Mechanism: finding.Fails, At: said[0].At, Trust: finding.API, Sentence: said[0].Claim, Evidence: said})
	}
	if unwell {
		link := finding.Link{From: c, To: c, Mechanism: finding.Fails, At: ill.At, Trust: finding.API, Sentence: ill.Claim, Evidence: []finding.Evidence{ill}}
		if len(said) == 0 {
			link.Trust = finding.Inferred
		}
		out = append(out, link)
	}
	return out
}

// complaints are what the container's log complains of that fits, of the last
// instances and of now.
func complaints(w *window.Window, c event.Key, fits func(window.Fact) bool) []finding.Evidence {
	const fresh = 10 * time.Minute
	var out []finding.Evidence
	for _, x := range slices.Backward(w.About(logs.Failure, c)) {
		if w.To.Sub(x.End()) <= fresh && fits(x) {
			out = append(out, claims.Complaint(x))
		}
	}
	return out
}

// sameHost tells whether a complaint is of the address that the configuration
// names; its port may go unsaid.
func sameHost(f, x window.Fact) bool {
	target := logs.Target.Or(x.Event, "")
	host, port, hasPort := strings.Cut(target, ":")
	if host == "" {
		return false
	}
	if config.Why.Or(f.Event, "") == config.NoPort {
		peer, ok := x.Ref(event.Peer)
		svc, named := f.Ref(event.Peer)
		if host != config.Host.Or(f.Event, "") && !(ok && named && peer == svc) {
			return false
		}
		return hasPort && port == fmt.Sprint(config.Port.Or(f.Event, 0))
	}
	want := config.Host.Or(f.Event, "")
	return host == want || strings.HasPrefix(host, want+".")
}

// illness is in what state a container is that is not well.
func illness(w *window.Window, c event.Key) (finding.Evidence, bool) {
	f, ok := w.Last(lifecycle.Container, c)
	if !ok {
		return finding.Evidence{}, false
	}
	state := lifecycle.State.Or(f.Event, "")
	bad := state == lifecycle.Waiting && lifecycle.Restarts.Or(f.Event, 0) > 0 || state == lifecycle.Running && !lifecycle.Ready.Or(f.Event, true) ||
		state == lifecycle.Terminated && lifecycle.Reason.Or(f.Event, "") != "Completed"
	return claims.State(f), bad
}

func insteadOf(f window.Fact) string {
	right := config.Right.Or(f.Event, "")
	if right == "" {
		return ""
	}
	out := "; there is " + right
	if config.Why.Or(f.Event, "") == config.NoPort {
		out = "; it has " + right
	}
	if config.Earlier.Or(f.Event, false) {
		out += ", as in the revision before"
	}
	return out
}

func addressRivals(f window.Fact) []finding.Rival {
	e := []finding.Evidence{claims.Address(f)}
	if config.Why.Or(f.Event, "") == config.NoPort {
		return []finding.Rival{{Cause: "dns/name-not-found", Why: "the name is right, only the port is not", Evidence: e}}
	}
	return []finding.Rival{{Cause: "network/no-endpoints", Why: "there is no Service that could lack pods", Evidence: e}}
}

// addressAdvice: the variable set right where it stands in the workload's own
// spec, else the object that holds it.
func addressAdvice(w *window.Window, f window.Fact) []finding.Advice {
	n := w.Graph.Name(f.Subject())
	wl, owned := w.Graph.WorkloadOf(f.Subject())
	from, right := config.From.Or(f.Event, ""), config.Right.Or(f.Event, "")
	name, isEnv := strings.CutPrefix(config.Where.Or(f.Event, ""), "env ")
	target := w.Graph.Name(wl)
	var out []finding.Advice
	switch kind, object, ok := strings.Cut(from, " "); {
	case ok:
		out = append(out, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s edit %s %s", n.Namespace, strings.ToLower(kind), object), ChangesCluster: true,
			Expect: "the right address; environments are read at the start, so restart the workload then", Undo: "edit it back",
		})
	case owned && isEnv && right != "":
		value, old := right, config.Host.Or(f.Event, "")
		if port := config.Port.Or(f.Event, 0); port > 0 {
			if config.Why.Or(f.Event, "") == config.NoPort {
				value = fmt.Sprintf("%s:%s", old, right)
			} else {
				value = fmt.Sprintf("%s:%d", right, port)
			}
			old = fmt.Sprintf("%s:%d", old, port)
		}
		out = append(out, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s edit %s %s", n.Namespace, strings.ToLower(target.Kind), target.Name), ChangesCluster: true,
			Expect: fmt.Sprintf("%s with %s in place of %s", name, value, old), Undo: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", n.Namespace, strings.ToLower(target.Kind), target.Name),
		})
	}
	return append(out, finding.Advice{Command: fmt.Sprintf("kubectl -n %s get services", n.Namespace), Expect: "the names and ports that there are"})
}

// explainsCalls: the complaints given, and what is wrong with the container,
// its pod and its workload.
func explainsCalls(w *window.Window, c event.Key, said []finding.Evidence) func(finding.Symptom) bool {
	mine := explains(w, c)
	keys := map[string]bool{}
	for _, e := range said {
		keys[e.Key()] = true
	}
	return func(s finding.Symptom) bool {
		return mine(s) || s.Sort == finding.CallsFailed && keys[s.Evidence.Key()]
	}
}

// since is how long ago, in words.
func since(w *window.Window, t time.Time) string {
	return words.Span(w.To.Sub(t).Truncate(time.Second))
}
