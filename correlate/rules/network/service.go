package network

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/services"
)

// one is the id of facts of which an entity has one at most.
func one(event.Event) string { return "" }

// recent is how old a complaint may be to be about how things are now.
const recent = time.Minute

// complaint is the newest of what callers' logs say of the Service, ok is false
// when they are silent.
func complaint(w *window.Window, svc event.Key) (window.Fact, bool) {
	for _, f := range slices.Backward(w.Of(logs.Failure)) {
		if peer, ok := f.Ref(event.Peer); ok && peer == svc && w.To.Sub(f.End()) <= recent {
			return f, true
		}
	}
	return window.Fact{}, false
}

// propose fills in what all hypotheses about a Service have in common: the
// fault, who is configured to call it, who complains.
func propose(w *window.Window, cause finding.Cause, f window.Fact, fault finding.Evidence, weight finding.Weight) finding.Hypothesis {
	svc := f.Subject()
	n := w.Graph.Name(svc)
	h := finding.Hypothesis{Cause: cause, Entity: svc, Since: f.At, State: finding.Failing, Now: fault.Claim}
	h.Headline = fmt.Sprintf("Service %s: %s", n.Name, fault.Claim)
	h.For = []finding.Support{{Evidence: fault, Weight: weight}}
	h.Chain = []finding.Link{{From: svc, To: svc, Mechanism: finding.Misdirects, At: fault.At, Trust: finding.API, Sentence: fault.Claim, Evidence: []finding.Evidence{fault}}}
	if e, ok := claims.Callers(f); ok {
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.NamedByCallers})
		h.Chain = append(h.Chain, finding.Link{From: svc, To: svc, Mechanism: finding.Interrupts, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	}
	if c, ok := complaint(w, svc); ok {
		h.For = append(h.For, finding.Support{Evidence: claims.Complaint(c), Weight: finding.CallersComplain})
	}
	h.Affected = w.Graph.Namers(svc)
	h.Explains = func(s finding.Symptom) bool {
		if s.Sort == finding.CallsFailed {
			return s.Peer == svc
		}
		return s.Entity == svc
	}
	return h
}

// worth tells whether a hypothesis is worth telling: it is supported, or a
// caller complains. What is merely odd in objects that serve well is no trouble.
func worth(w *window.Window, h finding.Hypothesis) bool {
	_, complains := complaint(w, h.Entity)
	return complains || h.Own() >= finding.Supported
}

// patch is advice that changes the Service.
func patch(w *window.Window, svc event.Key, body, expect, undo string) finding.Advice {
	n := w.Graph.Name(svc)
	cmd := func(body string) string {
		return fmt.Sprintf("kubectl -n %s patch service %s -p '%s'", n.Namespace, n.Name, body)
	}
	a := finding.Advice{Command: cmd(body), ChangesCluster: true, Expect: expect}
	if undo != "" {
		a.Undo = cmd(undo)
	}
	return a
}

func quoted(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "'", "").Replace(s) }

// evalSelector proposes that a Service's selector does not match the pods that
// are meant.
func evalSelector(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, services.Unmatched, services.Over, one) {
		if services.Near.Or(f.Event, 0) == 0 || services.NoPods.Or(f.Event, false) {
			continue
		}
		fault := claims.Unmatched(f)
		h := propose(w, SelectorMismatch, f, fault, finding.SelectorNear)
		label, carries, wants := services.Label.Or(f.Event, ""), services.Carries.Or(f.Event, ""), services.Wants.Or(f.Event, "")
		h.RuledOut = []finding.Rival{{
			Cause: NoEndpoints, Why: fmt.Sprintf("no pod has the labels, while %s are ready that differ in one", words.Count(services.NearReady.Or(f.Event, 0), "pod")),
			Evidence: []finding.Evidence{fault},
		}}
		if carries != "" {
			h.Advice = []finding.Advice{patch(w, f.Subject(), fmt.Sprintf(`{"spec":{"selector":{"%s":"%s"}}}`, quoted(label), quoted(carries)),
				fmt.Sprintf("the Service selects %s", words.Count(services.Near.Or(f.Event, 0), "pod")),
				fmt.Sprintf(`{"spec":{"selector":{"%s":"%s"}}}`, quoted(label), quoted(wants)))}
		} else {
			h.Advice = []finding.Advice{patch(w, f.Subject(), fmt.Sprintf(`{"spec":{"selector":{"%s":null}}}`, quoted(label)),
				"the Service no longer asks for a label that the pods lack", fmt.Sprintf(`{"spec":{"selector":{"%s":"%s"}}}`, quoted(label), quoted(wants)))}
		}
		h.Alternatives = []finding.Alternative{{
			Change: fmt.Sprintf("selector %s=%s", label, carries), Helps: true,
			Effect: fmt.Sprintf("matches %s, %d ready", words.Count(services.Near.Or(f.Event, 0), "pod"), services.NearReady.Or(f.Event, 0)),
		}}
		out = append(out, h)
	}
	return out
}

// evalNoEndpoints proposes that a Service has no ready pod: none has its labels
// and none is near, or those that have them are not ready.
func evalNoEndpoints(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, services.Unmatched, services.Over, one) {
		if services.Near.Or(f.Event, 0) > 0 || services.NoPods.Or(f.Event, false) {
			continue
		}
		if _, called := claims.Callers(f); !called {
			continue // a Service that nobody uses may well stand empty
		}
		h := propose(w, NoEndpoints, f, claims.Unmatched(f), finding.SelectorNobody)
		h.Absent = []finding.Absent{{What: "which pods are meant", Why: "no pod differs from the selector in one label only and is told apart by further signs"}}
		out = append(out, h)
	}
	for _, svc := range w.Graph.AllServices() {
		f, ok := w.Last(services.Selects, svc)
		pods := w.Graph.Pods(svc)
		ready, known := services.ReadyPods.Get(f.Event)
		callers := w.Graph.Namers(svc)
		if !ok || !known || ready > 0 || len(pods) == 0 || len(callers) == 0 {
			continue
		}
		e := claims.Backends(f)
		h := propose(w, NoEndpoints, f, e, finding.NoneReady)
		for i := range h.For {
			if h.For[i].Weight == finding.CallersComplain {
				h.For[i].Weight = finding.UnreadyComplaint
			}
		}
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.NamedByCallers})
		h.RuledOut = []finding.Rival{{Cause: SelectorMismatch, Why: "the labels match " + words.Count(len(pods), "pod"), Evidence: []finding.Evidence{e}}}
		h.Affected = append(h.Affected, pods...)
		out = append(out, h)
	}
	return out
}

// evalTargetPort proposes that a Service's port leads where its pods do not
// listen.
func evalTargetPort(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range badPorts(w) {
		problem := services.Problem.Or(f.Event, "")
		if problem != services.BadName && problem != services.BadNumber {
			continue
		}
		fault := claims.BadPort(f)
		weight := finding.TargetUndeclared
		if problem == services.BadName {
			weight = finding.TargetUnnamed
		}
		h := propose(w, TargetPort, f, fault, weight)
		n := services.WantedN.Or(f.Event, 0)
		if problem == services.BadNumber && n > 1 {
			h.For = append(h.For, finding.Support{Evidence: fault, Weight: finding.TargetAgreed})
		}
		if problem == services.BadNumber && n > 2 {
			h.For = append(h.For, finding.Support{Evidence: fault, Weight: finding.TargetManyAgree})
		}
		if ready := services.ReadyBehind.Or(f.Event, 0); ready > 0 {
			h.RuledOut = []finding.Rival{{Cause: Refused, Why: fmt.Sprintf("the %s behind it are well: the Service sends calls elsewhere", words.Count(ready, "ready pod")), Evidence: []finding.Evidence{fault}}}
		}
		h.Absent = []finding.Absent{{What: "which ports the pods really listen on", Why: "the node was not looked at; the spec says what it should be"}}
		if wanted := services.Wanted.Or(f.Event, 0); wanted > 0 {
			body := func(target string) string {
				return fmt.Sprintf(`{"spec":{"ports":[{"port":%d,"targetPort":%s}]}}`, services.Port.Or(f.Event, 0), target)
			}
			old := services.Target.Or(f.Event, "")
			if problem == services.BadName {
				old = `"` + quoted(old) + `"`
			}
			h.Advice = []finding.Advice{patch(w, f.Subject(), body(fmt.Sprint(wanted)), fmt.Sprintf("calls reach port %d of the pods", wanted), body(old))}
		}
		if worth(w, h) {
			out = append(out, h)
		}
	}
	return out
}

func badPorts(w *window.Window) []window.Fact {
	return claims.Current(w, services.BadPort, services.Over, func(e event.Event) string {
		return fmt.Sprint(services.Port.Or(e, 0), services.Problem.Or(e, "") == services.BadProtocol, services.Protocol.Or(e, ""))
	})
}

// evalProtocol proposes that a Service's port has another protocol than what
// its pods listen with.
func evalProtocol(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range badPorts(w) {
		fault := claims.BadPort(f)
		weight := finding.TransportDiffers
		switch services.Problem.Or(f.Event, "") {
		case services.BadProtocol:
		case services.BadApplication:
			weight = finding.ApplicationOther
		default:
			continue
		}
		h := propose(w, ServiceProtocol, f, fault, weight)
		h.RuledOut = []finding.Rival{{Cause: TargetPort, Why: "the containers do listen on that number, by another protocol", Evidence: []finding.Evidence{fault}}}
		if weight == finding.TransportDiffers {
			n := w.Graph.Name(f.Subject())
			h.Advice = []finding.Advice{{
				Command: fmt.Sprintf(`kubectl -n %s get service %s -o json | sed 's/"protocol": "%s"/"protocol": "%s"/' | kubectl replace -f -`,
					n.Namespace, n.Name, services.Protocol.Or(f.Event, ""), services.Speaks.Or(f.Event, "")),
				ChangesCluster: true, Expect: fmt.Sprintf("port %d speaks %s as the containers do", services.Port.Or(f.Event, 0), services.Speaks.Or(f.Event, "")),
				Undo: "the same with the two protocols exchanged",
			}}
		}
		if worth(w, h) {
			out = append(out, h)
		}
	}
	return out
}

// evalTooWide proposes that a Service selects pods of another workload as well.
func evalTooWide(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, services.Foreign, services.Over, func(e event.Event) string {
		owner, _ := e.Ref(event.Owner)
		return owner.ID
	}) {
		fault := claims.Foreign(f)
		h := propose(w, SelectorTooWide, f, fault, finding.SelectsStrangers)
		if services.OwnService.Or(f.Event, "") != "" {
			h.For = append(h.For, finding.Support{Evidence: fault, Weight: finding.StrangersOwn})
		}
		s, n := services.Strangers.Or(f.Event, 0), services.Natives.Or(f.Event, 0)
		h.Headline += fmt.Sprintf(": about %d of 100 calls go astray", s*100/max(s+n, 1))
		h.Absent = []finding.Absent{{What: "calls that reach the wrong pods", Why: "calls are not watched by the API"}}
		h.State = finding.Intermittent
		out = append(out, h)
	}
	return out
}

// evalLocal proposes that traffic which may not leave a node finds no pod there.
func evalLocal(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, services.NoLocal, services.Over, one) {
		fault := claims.NoLocal(f)
		h := propose(w, PolicyLocal, f, fault, finding.NoLocalBackend)
		h.RuledOut = []finding.Rival{{Cause: NoEndpoints, Why: words.Count(services.ReadyBehind.Or(f.Event, 0), "ready pod") + " on other nodes", Evidence: []finding.Evidence{fault}}}
		h.Advice = []finding.Advice{patch(w, f.Subject(), `{"spec":{"internalTrafficPolicy":"Cluster"}}`, "calls may go to pods on other nodes", `{"spec":{"internalTrafficPolicy":"Local"}}`)}
		out = append(out, h)
	}
	return out
}

// evalRefused proposes that calls to a Service with ready pods are refused.
func evalRefused(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, svc := range w.Graph.AllServices() {
		sel, ok := w.Last(services.Selects, svc)
		f, complains := complaint(w, svc)
		if !ok || !complains || logs.What.Or(f.Event, "") != logs.Refused || services.ReadyPods.Or(sel.Event, 0) == 0 || restarted(w, svc, f) {
			continue
		}
		e := claims.Complaint(f)
		behind := claims.Backends(sel)
		h := finding.Hypothesis{
			Cause: Refused, Entity: svc, Since: f.At, State: finding.Failing, Now: e.Claim,
			Headline: fmt.Sprintf("Service %s: %s although %s", w.Graph.Name(svc).Name, e.Claim, behind.Claim),
			For:      []finding.Support{{Evidence: e, Weight: finding.RefusedByLog}, {Evidence: behind, Weight: finding.ReadyBehind}},
			Chain:    []finding.Link{{From: svc, To: f.Subject(), Mechanism: finding.Interrupts, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e, behind}}},
			RuledOut: []finding.Rival{{Cause: NoEndpoints, Why: behind.Claim, Evidence: []finding.Evidence{behind}}},
			Absent:   []finding.Absent{{What: "whether a process listens on the pods' port", Why: "the node was not looked at"}},
			Affected: w.Graph.Namers(svc),
			Explains: func(s finding.Symptom) bool { return s.Sort == finding.CallsFailed && s.Peer == svc },
		}
		out = append(out, h)
	}
	return out
}

// restarted tells whether a container behind the Service ended about when the
// complaint was made: then that explains it.
func restarted(w *window.Window, svc event.Key, complaint window.Fact) bool {
	for _, p := range w.Graph.Pods(svc) {
		for _, c := range w.Graph.Containers(p) {
			if f, ok := w.Last(lifecycle.Ended, c); ok && complaint.End().Sub(f.At) < recent {
				return true
			}
		}
	}
	return false
}
