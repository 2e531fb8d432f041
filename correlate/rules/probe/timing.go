package probe

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// tight is the patience, from a container's start, below which a liveness probe
// is hard on most programs.
const tight = 10 * time.Second

// misset tells whether the probe asks a port or speaks a protocol that the
// objects deny: then its timing is not the fault.
func (p ill) misset() bool {
	if _, spoken := p.failed(health.Status, health.Unhealthy); spoken {
		return false
	}
	if health.Unnamed.Or(p.probe.Event, false) || p.get(health.Port) > 0 && p.get(health.Known) == 0 && p.get(health.Wanted) > 0 && p.get(health.Elsewhere) == 0 {
		return true
	}
	asks, speaks := p.text(health.Asks), p.text(health.Speaks)
	if asks != "" && speaks != "" && asks != speaks {
		return true
	}
	_, answered := p.failed(health.Malformed, health.Plaintext, health.TLS, health.Unimplemented, health.UnnamedPort)
	return answered
}

// evalTooEager proposes that the liveness probe kills the container while it
// still starts.
func evalTooEager(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, p := range ills(w) {
		if p.which != health.Liveness || p.misset() || health.Startup.Or(p.probe.Event, false) {
			continue
		}
		if h, ok := p.tooEager(w); ok {
			out = append(out, h)
		}
	}
	return out
}

func (p ill) tooEager(w *window.Window) (finding.Hypothesis, bool) {
	ends := p.byBudget()
	budget := seconds(p.get(health.Budget))
	if len(ends) == 0 && budget >= tight {
		return finding.Hypothesis{}, false
	}
	lead := claims.ProbeTiming(p.probe)
	h := p.propose(w, TooEager, fmt.Sprintf("%s is killed while it starts because its %s", p.where(w), lead.Claim), lead)
	h.For = []finding.Support{p.harm()}
	if len(ends) > 0 {
		h.For = append(h.For, finding.Support{Evidence: claims.Ended(ends[len(ends)-1]), Weight: finding.ProbeLifeBudget})
	}
	if budget < tight {
		h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbeTight})
		if p.get(health.Threshold) == 1 {
			h.For = append(h.For, finding.Support{Evidence: lead, Weight: finding.ProbeOneStrike})
		}
	}
	took := seconds(p.get(health.Took))
	switch {
	case took > budget:
		e := claims.ProbeTook(p.probe)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ProbeTookLonger})
		h.Headline += fmt.Sprintf(", and a pod of the workload took %s to be ready", words.Span(took))
	case budget >= tight && !lifecycle.Ready.Or(p.state.Event, false):
		h.Against = append(h.Against, finding.Support{Evidence: claims.State(p.state), Weight: finding.ProbeNeverReady})
	}
	if p.changed("timing") || p.changed("added") {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeBefore(p.probe), Weight: finding.ProbeChanged})
	}
	if f, ok := p.failed(health.Refused, health.Timeouts, health.Status, health.Reset); ok {
		h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeNoAnswer})
	}
	if f, ok := p.failed(health.Status); ok {
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("port"), Why: "something answers at the port: " + claims.ProbeFailed(f).Claim, Evidence: []finding.Evidence{claims.ProbeFailed(f)}})
	} else if p.get(health.Known) > 0 {
		e := claims.ProbePort(p.probe)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("port"), Why: e.Claim, Evidence: []finding.Evidence{e}})
	}
	if len(p.ends) > 0 && len(ends) == len(p.ends) {
		e := claims.Ended(ends[len(ends)-1])
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KillsSlow, Why: fmt.Sprintf("no instance lived longer than the start that the probe allows: %s", e.Claim), Evidence: []finding.Evidence{e}})
	}
	h.Absent = []finding.Absent{{What: "when the container began to listen", Why: "the node was not watched while it started"}}
	room := max(60, 2*p.get(health.Took))
	h.Advice = []finding.Advice{p.edit(w, `"initialDelaySeconds":%s,"failureThreshold":3,"periodSeconds":10`, fmt.Sprint(room),
		fmt.Sprintf("%ds to start before the first check; a startup probe is the finer way", room), p.rollback(w))}
	return h, true
}

// evalKillsSlow proposes that the liveness probe kills a container that was
// well and now answers late.
func evalKillsSlow(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, p := range ills(w) {
		if p.which != health.Liveness || p.misset() || p.kill == nil {
			continue
		}
		late, ok := p.failed(health.Timeouts)
		end, outlived := p.outlived()
		if !ok || !outlived {
			continue
		}
		e := claims.Ended(end)
		life, _ := lifeOf(end)
		h := p.propose(w, KillsSlow, fmt.Sprintf("%s is killed by its liveness probe for late answers after %s of good service: %s", p.where(w), words.Span(life), claims.ProbeFailed(late).Claim), claims.ProbeFailed(late))
		h.For = []finding.Support{p.harm(), {Evidence: e, Weight: finding.ProbeOutlived}, {Evidence: claims.ProbeFailed(late), Weight: finding.ProbeNoAnswer}}
		if p.get(health.Timeout) <= 1 {
			h.For = append(h.For, finding.Support{Evidence: claims.ProbeTiming(p.probe), Weight: finding.ProbeShortWait})
		}
		if p.changed("timing") {
			h.For = append(h.For, finding.Support{Evidence: claims.ProbeBefore(p.probe), Weight: finding.ProbeChanged})
		}
		h.RuledOut = []finding.Rival{{Cause: TooEager, Why: "the instance had outlived its start: " + e.Claim, Evidence: []finding.Evidence{e}}}
		h.Absent = []finding.Absent{{What: "why the answers are late: throttled, waiting for the disk or a peer, or hung", Why: "the API does not tell what the program did"}}
		h.Advice = []finding.Advice{p.edit(w, `"timeoutSeconds":%s`, fmt.Sprint(max(5, 3*p.get(health.Timeout))), "late answers are no longer deadly; find out why they are late", p.rollback(w))}
		out = append(out, h)
	}
	return out
}

// outlived is the newest end of an instance that lived far longer than the
// probe's patience.
func (p ill) outlived() (window.Fact, bool) {
	if len(p.ends) == 0 {
		return window.Fact{}, false
	}
	last := p.ends[len(p.ends)-1]
	life, ok := lifeOf(last)
	patience := seconds(p.get(health.Budget) + p.get(health.Period)*(p.get(health.Threshold)+1) + p.get(health.Timeout))
	return last, ok && life > patience+grace
}

// evalStartup proposes that the startup probe does not wait long enough.
func evalStartup(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, p := range ills(w) {
		if p.which != health.StartupKind || p.misset() {
			continue
		}
		ends := p.byBudget()
		if p.kill == nil || len(ends) == 0 {
			continue
		}
		lead := claims.ProbeTiming(p.probe)
		e := claims.Ended(ends[len(ends)-1])
		h := p.propose(w, StartupTooSlow, fmt.Sprintf("%s does not start in time: its %s", p.where(w), lead.Claim), lead)
		h.For = []finding.Support{p.harm(), {Evidence: e, Weight: finding.ProbeLifeBudget}}
		if f, ok := p.failed(health.Refused, health.Timeouts, health.Status, health.Reset, health.Other); ok {
			h.For = append(h.For, finding.Support{Evidence: claims.ProbeFailed(f), Weight: finding.ProbeNoAnswer})
		}
		if seconds(p.get(health.Took)) > seconds(p.get(health.Budget)) {
			h.For = append(h.For, finding.Support{Evidence: claims.ProbeTook(p.probe), Weight: finding.ProbeTookLonger})
		}
		h.RuledOut = []finding.Rival{{Cause: TooEager, Why: "the startup probe killed it, not the liveness probe: " + claims.ProbeKilled(*p.kill).Claim, Evidence: []finding.Evidence{claims.ProbeKilled(*p.kill)}}}
		h.Absent = []finding.Absent{{What: "whether it would have started with more time", Why: "no instance was given any"}}
		h.Advice = []finding.Advice{p.edit(w, `"failureThreshold":%s`, fmt.Sprint(3*p.get(health.Threshold)), "three times as long to start", p.rollback(w))}
		out = append(out, h)
	}
	return out
}

// evalReadinessFailing proposes that the readiness probe is set right and the
// program says that it is not well, or does not answer.
func evalReadinessFailing(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, p := range ills(w) {
		if p.which != health.Readiness || p.misset() || len(p.failures) == 0 {
			continue
		}
		f := p.failures[len(p.failures)-1]
		e := claims.ProbeFailed(f)
		code := health.Code.Or(f.Event, 0)
		if code == 404 || code == 405 || code == 410 {
			continue
		}
		h := p.propose(w, ReadinessFailing, fmt.Sprintf("%s is not ready: its %s", p.where(w), e.Claim), e)
		h.For = []finding.Support{p.harm(), {Evidence: e, Weight: finding.ProbeSaysNo}}
		if p.get(health.Known) > 0 {
			port := claims.ProbePort(p.probe)
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: p.cause("port"), Why: port.Claim, Evidence: []finding.Evidence{port}})
		}
		if e, ok := lastKill(w, p.container); ok {
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KillsSlow, Why: "it is not ready all the while, not only after restarts", Evidence: []finding.Evidence{e}})
		}
		h.Absent = []finding.Absent{{What: "why the program says so", Why: "the probe tells that it is not ready, not why"}}
		n := w.Graph.Name(p.container)
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container), Expect: "what it waits for"}}
		out = append(out, h)
	}
	return out
}

func lastKill(w *window.Window, c event.Key) (finding.Evidence, bool) {
	f, ok := w.Last(health.Killed, c)
	if !ok {
		return finding.Evidence{}, false
	}
	return claims.ProbeKilled(f), true
}
