package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/routes"
)

// evalRoute proposes that a gateway's or Ingress's route leads to no Service, to
// no port of it, or to another than it tells.
func evalRoute(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, routes.Astray, routes.Over, func(e event.Event) string {
		return routes.Via.Or(e, "") + routes.Path.Or(e, "")
	}) {
		if h := astray(w, f); worth(w, h) {
			out = append(out, h)
		}
	}
	return out
}

func astray(w *window.Window, f window.Fact) finding.Hypothesis {
	svc, fault := f.Subject(), claims.Astray(f)
	n := w.Graph.Name(svc)
	h := finding.Hypothesis{Cause: GatewayRoute, Entity: svc, Since: f.At, State: finding.Failing, Now: fault.Claim}
	h.Headline = fmt.Sprintf("Calls meant for Service %s go astray: %s", n.Name, fault.Claim)
	h.Chain = []finding.Link{{From: svc, To: svc, Mechanism: finding.Misdirects, At: fault.At, Trust: finding.API, Sentence: fault.Claim, Evidence: []finding.Evidence{fault}}}
	if gateway, ok := f.Ref(event.Owner); ok {
		h.Chain[0].From = gateway
		h.Affected = append(h.Affected, gateway)
		h.Affected = append(h.Affected, w.Graph.Pods(gateway)...)
	}
	_, inConfig := f.Ref(event.Device)
	ingress := !inConfig
	switch routes.Problem.Or(f.Event, "") {
	case routes.Pattern:
		pattern := claims.RoutePattern(f)
		h.For = []finding.Support{
			{Evidence: pattern, Weight: finding.RouteBreaks},
			{Evidence: claims.RouteOrphan(f), Weight: finding.RouteOrphaned},
		}
		if routes.Siblings.Or(f.Event, 0) >= 10 && routes.Breaks.Or(f.Event, 0) == 1 {
			h.For = append(h.For, finding.Support{Evidence: pattern, Weight: finding.RouteBreaksAlone})
		}
		h.Chain = append(h.Chain, finding.Link{From: svc, To: svc, Mechanism: finding.Misdirects, At: pattern.At, Trust: finding.API, Sentence: pattern.Claim, Evidence: []finding.Evidence{pattern}})
	case routes.NoService:
		h.For = []finding.Support{{Evidence: fault, Weight: finding.RouteNowhere}}
		if ingress || routes.Similar.Or(f.Event, "") != "" {
			h.For = append(h.For, finding.Support{Evidence: fault, Weight: finding.RouteSure})
		}
	default:
		h.For = []finding.Support{{Evidence: fault, Weight: finding.RouteNoPort}}
		if ingress {
			h.For = append(h.For, finding.Support{Evidence: fault, Weight: finding.RouteSure})
		}
	}
	if c, ok := complaint(w, svc); ok {
		h.For = append(h.For, finding.Support{Evidence: claims.Complaint(c), Weight: finding.CallersComplain})
	}
	h.RuledOut = []finding.Rival{{Cause: TargetPort, Why: "calls never reach the Service: " + fault.Claim, Evidence: []finding.Evidence{fault}}}
	h.Absent = []finding.Absent{{What: "calls that arrive at the wrong place", Why: "calls are not watched by the API"}}
	h.Advice = []finding.Advice{routeAdvice(w, f)}
	h.Explains = func(s finding.Symptom) bool { return s.Sort == finding.CallsFailed && s.Peer == svc }
	return h
}

func routeAdvice(w *window.Window, f window.Fact) finding.Advice {
	if from, ok := f.Ref(event.Device); ok {
		n := w.Graph.Name(from)
		return finding.Advice{
			Command:        fmt.Sprintf("kubectl -n %s edit configmap %s", n.Namespace, n.Name),
			ChangesCluster: true, Expect: "the route leads to " + f.Subject().Leaf() + "; restart the gateway, it may have read the file at its start",
			Undo: fmt.Sprintf("put back %s for %s", routes.Target.Or(f.Event, ""), routes.Path.Or(f.Event, "")),
		}
	}
	n := w.Graph.Name(f.Subject())
	_, name, _ := strings.Cut(routes.Via.Or(f.Event, ""), " ")
	return finding.Advice{
		Command:        fmt.Sprintf("kubectl -n %s edit ingress %s", n.Namespace, name),
		ChangesCluster: true, Expect: "its backend is a Service and port that exist",
		Undo: fmt.Sprintf("put back %s for %s", routes.Target.Or(f.Event, ""), routes.Path.Or(f.Event, "")),
	}
}

// evalPolicy proposes that network policies deny calls that are intended.
func evalPolicy(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, routes.Denied, routes.Over, func(e event.Event) string {
		peer := ""
		if routes.Problem.Or(e, "") == routes.Egress {
			k, _ := e.Ref(event.Peer)
			peer = k.ID
		}
		return routes.Problem.Or(e, "") + peer
	}) {
		if h := denied(w, f); len(h.Against) == 0 {
			out = append(out, h) // of the others nobody complains
		}
	}
	return out
}

func denied(w *window.Window, f window.Fact) finding.Hypothesis {
	k, fault := f.Subject(), claims.Denied(f)
	n := w.Graph.Name(k)
	callers, peers := callersOf(f)
	h := finding.Hypothesis{Cause: PolicyDrop, Entity: k, Since: f.At, State: finding.Failing, Now: fault.Claim, Affected: callers}
	h.Headline = fmt.Sprintf("%s %s: %s", n.Kind, n.Name, fault.Claim)
	h.For = []finding.Support{{Evidence: fault, Weight: finding.PolicyDenies}}
	h.Chain = []finding.Link{{From: k, To: k, Mechanism: finding.Blocks, At: fault.At, Trust: finding.API, Sentence: fault.Claim, Evidence: []finding.Evidence{fault}}}
	if routes.Newer.Or(f.Event, false) {
		h.For = append(h.For, finding.Support{Evidence: claims.PolicyNewer(f), Weight: finding.PolicyIsNewer})
	}
	said := complaintsFrom(w, callers, peers)
	state, ill := unwell(w, callers)
	switch {
	case len(said) > 0:
		said := said[len(said)-1]
		e := claims.Complaint(said)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.CallersTimeOut})
		h.Chain = append(h.Chain, finding.Link{From: k, To: said.Subject(), Mechanism: finding.Interrupts, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	case ill:
		e := claims.State(state)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.CallerUnwell})
		h.Chain = append(h.Chain, finding.Link{From: k, To: state.Subject(), Mechanism: finding.Interrupts, At: e.At, Trust: finding.Inferred, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	default:
		h.Against = []finding.Support{{Evidence: fault, Weight: finding.CallersSilent}}
	}
	h.Absent = []finding.Absent{{What: "packets that were dropped", Why: "the nodes were not looked at, nor whether their network enforces policies"}}
	policy, _, _ := strings.Cut(routes.Policies.Or(f.Event, ""), ",")
	ns := n.Namespace
	h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe networkpolicy %s", ns, policy), Expect: "which peers and ports it allows; " + words.Count(routes.Callers.Or(f.Event, 0), "pod") + " are not among them"}}
	h.Explains = func(s finding.Symptom) bool {
		pod, ok := w.Graph.PodOf(s.Entity)
		if s.Sort == finding.CallsFailed {
			return slices.ContainsFunc(said, func(f window.Fact) bool { return claims.Complaint(f).Key() == s.Evidence.Key() })
		}
		if s.Sort != finding.NotReady && s.Sort != finding.Short {
			return false
		}
		if wl, owned := w.Graph.WorkloadOf(s.Entity); owned && s.Entity == wl {
			return slices.ContainsFunc(callers, func(c event.Key) bool { o, ok := w.Graph.WorkloadOf(c); return ok && o == wl })
		}
		return ok && slices.Contains(callers, pod)
	}
	return h
}

// callersOf are the pods whose calls are denied, and the Services they mean;
// none for all.
func callersOf(f window.Fact) (callers, peers []event.Key) {
	for _, r := range f.Refs {
		switch {
		case r.Key.Type == event.Pod:
			callers = append(callers, r.Key)
		case r.Key.Type == event.Service:
			peers = append(peers, r.Key)
		}
	}
	return callers, peers
}

// complaintsFrom are the recent complaints of the callers about the peers (about
// any, when there is none): of no answer, as a dropped packet gives.
func complaintsFrom(w *window.Window, callers, peers []event.Key) []window.Fact {
	var out []window.Fact
	for _, f := range w.Of(logs.Failure) {
		what := logs.What.Or(f.Event, "")
		pod, ok := w.Graph.PodOf(f.Subject())
		if !ok || !slices.Contains(callers, pod) || w.To.Sub(f.End()) > recent {
			continue
		}
		peer, known := f.Ref(event.Peer)
		if len(peers) > 0 && (!known || !slices.Contains(peers, peer)) {
			continue
		}
		if what == logs.Timeout || what == logs.Unreachable || len(peers) == 0 && what == logs.Unresolved {
			out = append(out, f)
		}
	}
	return out
}

// unwell is a container of one of the pods that is not ready.
func unwell(w *window.Window, pods []event.Key) (window.Fact, bool) {
	for _, p := range pods {
		for _, c := range w.Graph.Containers(p) {
			f, ok := w.Last(lifecycle.Container, c)
			if ok && lifecycle.Role.Or(f.Event, lifecycle.Main) != lifecycle.Init && !lifecycle.Ready.Or(f.Event, true) {
				return f, true
			}
		}
	}
	return window.Fact{}, false
}
