package network

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/services"
)

// evalConflict proposes that two containers of a pod want the same port and one
// of them fails for it.
func evalConflict(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, services.Conflict, services.Over, func(e event.Event) string {
		other, _ := e.Ref(event.Peer)
		return fmt.Sprint(other.ID, services.Port.Or(e, 0), services.Protocol.Or(e, ""))
	}) {
		if h, ok := conflict(w, f); ok {
			out = append(out, h)
		}
	}
	return out
}

func conflict(w *window.Window, f window.Fact) (finding.Hypothesis, bool) {
	c := f.Subject()
	other, ok := f.Ref(event.Peer)
	pod, isPod := w.Graph.PodOf(c)
	state, known := w.Last(lifecycle.Container, c)
	if !ok || !isPod || !known || leaving(w, pod) {
		return finding.Hypothesis{}, false
	}
	end, crashed := crash(w, c)
	unready := !lifecycle.Ready.Or(state.Event, true)
	if !crashed && !unready {
		return finding.Hypothesis{}, false
	}
	fault, now := claims.Conflict(f), claims.State(state)
	h := finding.Hypothesis{Cause: PortConflict, Entity: c, Since: f.At, State: finding.Failing, Now: now.Claim, Affected: []event.Key{pod}}
	h.Headline = fmt.Sprintf("%s: %s; %s is %s", w.Graph.Name(c).Name, fault.Claim, c.Leaf(), now.Claim)
	weight := finding.PortClaimedTwice
	if !services.Configured.Or(f.Event, false) {
		weight = finding.PortDeclared2
	}
	h.For = []finding.Support{{Evidence: fault, Weight: weight}}
	link := func(to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
		return finding.Link{From: c, To: to, Mechanism: m, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
	}
	h.Chain = []finding.Link{link(c, finding.Blocks, fault)}
	if crashed {
		e := claims.Ended(end)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ClaimantCrashes})
		h.Chain = append(h.Chain, link(c, finding.Ends, e))
	} else {
		h.For = append(h.For, finding.Support{Evidence: now, Weight: finding.ClaimantUnready})
	}
	h.Chain = append(h.Chain, link(pod, finding.Restarts, now))
	if s, ok := w.Last(lifecycle.Container, other); ok && lifecycle.Ready.Or(s.Event, false) && lifecycle.Restarts.Or(s.Event, 0) == 0 {
		h.For = append(h.For, finding.Support{Evidence: claims.State(s), Weight: finding.OtherIsWell})
	}
	h.Absent = []finding.Absent{{What: "the refused bind and who held the port", Why: "the node was not looked at while the program started"}}
	n := w.Graph.Name(c)
	logs := fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container)
	if lifecycle.Restarts.Or(state.Event, 0) > 0 {
		logs += " --previous"
	}
	h.Advice = []finding.Advice{{Command: logs, Expect: fmt.Sprintf("that port %d is in use", services.Port.Or(f.Event, 0))}}
	h.Explains = func(s finding.Symptom) bool {
		if s.Sort == finding.EndedBadly {
			return s.Entity == c
		}
		wl, owned := w.Graph.WorkloadOf(pod)
		return s.Entity == c || s.Entity == pod || owned && s.Entity == wl
	}
	if crashed {
		h.State = finding.Intermittent
		h.Now = fmt.Sprintf("%s; last ended %s ago", now.Claim, words.Span(w.To.Sub(end.At)))
	}
	return h, true
}

// crash is the newest end of the container within the window that it brought
// about itself: no signal from outside, no OOM kill, no failed start.
func crash(w *window.Window, c event.Key) (window.Fact, bool) {
	f, ok := w.Last(lifecycle.Ended, c)
	if !ok || f.At.Before(w.From) || lifecycle.Failure.Or(f.Event, "") != "" || lifecycle.Reason.Or(f.Event, "") == "OOMKilled" {
		return window.Fact{}, false
	}
	code := lifecycle.ExitCode.Or(f.Event, 0)
	return f, code > 0 && code < 128
}

func leaving(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(f.Event)
	return deleted || lifecycle.Gone.Or(f.Event, false)
}
