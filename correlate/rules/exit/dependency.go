package exit

import (
	"fmt"
	"net/netip"
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
)

// The causes for which a program quits because a peer is not to be had.
const (
	DependencyUnavailable finding.Cause = "exit/dependency-unavailable"
	SidecarOrder          finding.Cause = "exit/sidecar-order"
)

// unavailable are the complaints of a peer that is not to be had at all. One
// that answers and refuses is told by other causes.
var unavailable = []string{logs.Refused, logs.Timeout, logs.Unreachable, logs.Unresolved, logs.Closed, logs.Reset}

// evalDependencyUnavailable proposes the cause for containers whose last words
// complain of a peer in another pod.
func evalDependencyUnavailable(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range crashes(w, ownEnd) {
		f, ok := c.lastComplaint(w)
		if !ok || local(logs.Target.Or(f.Event, "")) {
			continue
		}
		out = append(out, c.quits(w, f))
	}
	return out
}

// lastComplaint is the newest complaint among the last words.
func (c crash) lastComplaint(w *window.Window) (window.Fact, bool) {
	for _, f := range slices.Backward(c.words(w)) {
		if f.Kind == logs.Failure && slices.Contains(unavailable, logs.What.Or(f.Event, "")) {
			return f, true
		}
	}
	return window.Fact{}, false
}

func (c crash) quits(w *window.Window, f window.Fact) finding.Hypothesis {
	target := logs.Target.Or(f.Event, "")
	if target == "" {
		target = "a peer"
	}
	h := c.bySaying(w, DependencyUnavailable, f, map[string]string{
		logs.Refused: target + " refuses connections", logs.Timeout: target + " does not answer in time",
		logs.Unreachable: "no route leads to " + target, logs.Unresolved: "the name " + target + " has no address",
		logs.Closed: target + " closes the connection", logs.Reset: target + " resets the connection",
	}[logs.What.Or(f.Event, "")])
	if peer, ok := f.Ref(event.Peer); ok {
		h.Chain[0].From = peer
		n := w.Graph.Name(peer)
		h.Advice = append([]finding.Advice{{
			Command: fmt.Sprintf("kubectl tapio explain -n %s %s/%s", n.Namespace, strings.ToLower(n.Kind), n.Name), Expect: "what ails the peer",
		}}, h.Advice...)
	}
	own := h.Explains
	said := claims.Complaint(f).Key()
	h.Explains = func(s finding.Symptom) bool {
		return own(s) || s.Sort == finding.CallsFailed && s.Evidence.Key() == said
	}
	h.RuledOut = append(h.RuledOut, finding.Rival{
		Cause: ConfigMissing, Why: "it got as far as calling " + target, Evidence: []finding.Evidence{claims.Complaint(f)},
	})
	return h
}

// local tells whether a target is in the program's own pod.
func local(target string) bool {
	host := target
	if i := strings.LastIndexByte(target, ':'); i > 0 {
		host = target[:i]
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// evalSidecarOrder proposes the cause for containers that ended with a
// complaint about an address of their own pod before another container of the
// pod had begun, or was ready, which has begun since.
func evalSidecarOrder(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range crashes(w, ownEnd) {
		f, ok := c.lastComplaint(w)
		if !ok || !local(logs.Target.Or(f.Event, "")) || c.role == lifecycle.Init {
			continue
		}
		mate, began, ok := c.laterMate(w)
		if !ok {
			continue
		}
		target := logs.Target.Or(f.Event, "")
		h := c.bySaying(w, SidecarOrder, f, fmt.Sprintf("it calls %s before container %s of its pod serves it", target, mate.Leaf()))
		state, _ := w.Last(lifecycle.Container, mate)
		e := claims.State(state)
		e.At = began
		e.Claim = fmt.Sprintf("container %s began %s after it", mate.Leaf(), words.Span(began.Sub(c.started())))
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.MateBeganLater})
		h.Chain = append([]finding.Link{{From: mate, To: c.container, Mechanism: finding.Fails, At: began, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}, h.Chain...)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: DependencyUnavailable, Why: target + " is in its own pod", Evidence: []finding.Evidence{claims.Complaint(f)}})
		h.Advice[0].Expect = "its last words; a native sidecar (an init container with restartPolicy Always) begins first"
		out = append(out, h)
	}
	return out
}

func (c crash) started() time.Time {
	return time.Unix(lifecycle.Started.Or(c.last.Event, c.last.At.Unix()), 0)
}

// laterMate is another container of the pod that began only after this one had
// begun.
func (c crash) laterMate(w *window.Window) (event.Key, time.Time, bool) {
	for _, mate := range w.Graph.Containers(c.pod) {
		f, ok := w.Last(lifecycle.Container, mate)
		if !ok || mate == c.container || lifecycle.Role.Or(f.Event, lifecycle.Main) == lifecycle.Init {
			continue
		}
		s, ok := lifecycle.Started.Get(f.Event)
		if began := time.Unix(s, 0); ok && lifecycle.Restarts.Or(f.Event, 0) == 0 && !began.Before(c.started()) && began.After(c.started().Add(-time.Second)) {
			return mate, began, true
		}
	}
	return event.Key{}, time.Time{}, false
}

// saying lists what the log of a container that still runs complained of
// within the last minute, the newest first.
func (c crash) saying(w *window.Window) []finding.Evidence {
	var out []finding.Evidence
	for _, f := range slices.Backward(w.About(logs.Failure, c.container)) {
		if w.To.Sub(f.End()) <= time.Minute {
			out = append(out, claims.Complaint(f))
		}
	}
	return out
}
