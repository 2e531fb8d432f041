package exit

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// CompletedLoop is the cause "the main process finishes, and is started again".
const CompletedLoop finding.Cause = "exit/completed-loop"

// evalCompletedLoop proposes the cause for main containers that ended without
// error and are started again all the same. Who was asked to end does not
// finish.
func evalCompletedLoop(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range crashes(w, func(f window.Fact) bool { return codeOf(f) == 0 && lifecycle.Reason.Or(f.Event, "") == "Completed" }) {
		if c.role == lifecycle.Init || !c.known || !c.again(w) || c.asked(w) {
			continue
		}
		if lifecycle.State.Or(c.state.Event, "") == lifecycle.Running && lifecycle.Restarts.Or(c.state.Event, 0) < 2 {
			continue // one end that did not come again is no loop
		}
		life := "at once"
		if d, ok := c.life(); ok {
			life = "after " + words.Span(d)
		}
		headline := fmt.Sprintf("%s finishes %s without an error (exit 0) and is started again: %s; nothing keeps it in the foreground",
			c.where(w), life, words.Count(lifecycle.Restarts.Or(c.state.Event, 0), "restart"))
		h := c.propose(w, CompletedLoop, headline, c.support(finding.EndsWell)...)
		e := []finding.Evidence{claims.Ended(c.last)}
		h.RuledOut = []finding.Rival{
			{Cause: PanicOrUsage, Why: "it reports success", Evidence: e},
			{Cause: "exit/terminated-on-request", Why: "no Event tells that somebody stopped it", Evidence: e},
		}
		h.Advice[0].Expect = "what it did; a task that ends belongs into a Job, a server must stay in the foreground"
		out = append(out, h)
	}
	return out
}

// again tells whether the container ends over and over: it waits for its next
// start, or has come to more than one and lives no longer than before. One that
// ended once and runs since has another story.
func (c crash) again(w *window.Window) bool {
	restarts := lifecycle.Restarts.Or(c.state.Event, 0)
	if lifecycle.State.Or(c.state.Event, "") != lifecycle.Running {
		return restarts > 0
	}
	life, ok := c.life()
	run := w.To.Sub(time.Unix(lifecycle.Started.Or(c.state.Event, 0), 0))
	return restarts > 1 && ok && run <= 2*life+time.Second
}

// asked tells whether an Event says that the kubelet stopped the container
// about when it ended.
func (c crash) asked(w *window.Window) bool {
	const about = 3 * time.Minute // a grace period and the kubelet's delay
	for _, k := range []event.Key{c.container, c.pod} {
		for _, f := range w.About(lifecycle.Report, k) {
			if lifecycle.Reason.Or(f.Event, "") == "Killing" && !f.End().Before(c.last.At.Add(-about)) && !f.At.After(c.last.At.Add(time.Second)) {
				return true
			}
		}
	}
	return false
}

// InitFailed is the cause "an init container fails or hangs, so that the main
// ones never begin".
const InitFailed finding.Cause = "exit/init-failed"

// hangs is how long an init container may take before it counts as one that
// hangs.
const hangs = time.Minute

// evalInitFailed proposes the cause for pods that an init container keeps from
// starting: it ended with an error, or it runs for longer than a start takes.
func evalInitFailed(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range crashes(w, func(f window.Fact) bool { return codeOf(f) != 0 }) {
		if c.role != lifecycle.Init || c.known && ended(c.state) {
			continue
		}
		headline := fmt.Sprintf("%s fails, so that no other container of the pod begins: %s, %s", c.where(w), claims.Exit(codeOf(c.last)), c.times(w))
		h := c.propose(w, InitFailed, headline, c.support(finding.InitEnded)...)
		h.RuledOut = []finding.Rival{{Cause: PanicOrUsage, Why: "the main containers never began", Evidence: []finding.Evidence{claims.Ended(c.last)}}}
		h.Affected = append(h.Affected, c.pod)
		out = append(out, h)
	}
	for _, f := range w.Of(lifecycle.Container) {
		if h, ok := initHangs(w, f); ok {
			out = append(out, h)
		}
	}
	return out
}

// ended tells whether the container is done and did not fail.
func ended(state window.Fact) bool {
	return lifecycle.State.Or(state.Event, "") == lifecycle.Terminated && strings.EqualFold(lifecycle.Reason.Or(state.Event, ""), "completed")
}

// initHangs proposes the cause for an init container that runs for long.
func initHangs(w *window.Window, f window.Fact) (finding.Hypothesis, bool) {
	c := f.Subject()
	last, _ := w.Last(lifecycle.Container, c)
	pod, ok := w.Graph.PodOf(c)
	started, known := lifecycle.Started.Get(last.Event)
	if !ok || !known || last.Seq != f.Seq || last.Source != f.Source || lifecycle.Role.Or(f.Event, "") != lifecycle.Init ||
		lifecycle.State.Or(f.Event, "") != lifecycle.Running || leaving(w, pod) {
		return finding.Hypothesis{}, false
	}
	run := w.To.Sub(time.Unix(started, 0)).Truncate(time.Second)
	if run < hangs {
		return finding.Hypothesis{}, false
	}
	cr := crash{container: c, pod: pod, role: lifecycle.Init, ends: []window.Fact{last}, last: last, state: last, known: true}
	e := claims.State(last)
	h := finding.Hypothesis{
		Cause: InitFailed, Entity: c, Since: time.Unix(started, 0).UTC(), State: finding.Failing,
		Headline: fmt.Sprintf("%s has run for %s and does not end, so that no other container of the pod begins", cr.where(w), words.Span(run)),
		Now:      "still running",
		For:      []finding.Support{{Evidence: e, Weight: finding.InitHangs}},
		Chain:    []finding.Link{{From: c, To: pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}},
		Absent:   []finding.Absent{{What: "what it waits for", Why: "only that it runs is known"}},
		Advice:   []finding.Advice{cr.logs(w)},
		Affected: []event.Key{pod},
	}
	for _, said := range cr.saying(w) {
		h.For = append(h.For, finding.Support{Evidence: said, Weight: finding.LastWords})
		h.Absent = nil
		h.Headline += "; " + said.Claim
		h.Chain = append([]finding.Link{{From: c, To: c, Mechanism: finding.Fails, At: said.At, Trust: finding.API, Sentence: said.Claim, Evidence: []finding.Evidence{said}}}, h.Chain...)
		break
	}
	mine := map[event.Key]bool{c: true, pod: true}
	for _, other := range w.Graph.Containers(pod) {
		mine[other] = true
	}
	if wl, ok := w.Graph.WorkloadOf(pod); ok {
		mine[wl] = true
	}
	h.Explains = func(s finding.Symptom) bool { return mine[s.Entity] }
	return h, true
}
