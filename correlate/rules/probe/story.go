package probe

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
	"github.com/yairfalse/tapio/observers/health"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// where names the container as sentences do.
func (p ill) where(w *window.Window) string {
	return fmt.Sprintf("%s: container %s", w.Graph.Name(p.container).Name, p.container.Leaf())
}

// consequence is how the headline ends.
func (p ill) consequence() string {
	if !p.kills() {
		return "is not ready"
	}
	return "is killed again and again (" + words.Count(lifecycle.Restarts.Or(p.state.Event, 0), "restart") + ")"
}

// propose fills in what all hypotheses about a probe have in common.
func (p ill) propose(w *window.Window, cause finding.Cause, headline string, lead finding.Evidence) finding.Hypothesis {
	h := finding.Hypothesis{Cause: cause, Entity: p.container, Since: p.since(), Headline: headline}
	h.State, h.Now = p.outlook(w)
	h.Chain = p.chain(lead)
	h.Affected = append([]event.Key{p.pod}, w.Graph.Services(p.pod)...)
	h.Explains = p.explains(w)
	return h
}

// explains: the container's unreadiness, what its pod, workload and Services
// lack for it, complaints of those Services, and the ends that the kubelet made.
func (p ill) explains(w *window.Window) func(finding.Symptom) bool {
	mine := map[event.Key]bool{p.container: true, p.pod: true}
	if wl, ok := w.Graph.WorkloadOf(p.pod); ok {
		mine[wl] = true
	}
	for _, svc := range w.Graph.Services(p.pod) {
		mine[svc] = true
	}
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.EndedBadly:
			return s.Entity == p.container && p.kills()
		case finding.CallsFailed:
			return mine[s.Peer]
		}
		return mine[s.Entity]
	}
}

// since is the first sign of the trouble.
func (p ill) since() time.Time {
	t := p.probe.At
	for _, f := range append(slices.Clone(p.failures), p.ends...) {
		if f.At.Before(t) && !f.At.IsZero() {
			t = f.At
		}
	}
	if p.kill != nil && p.kill.At.Before(t) && !p.kill.At.IsZero() {
		t = p.kill.At
	}
	return t
}

// calm is for how long a container must have run undisturbed, at the least, to
// count as recovered.
const calm = 5 * time.Minute

func (p ill) outlook(w *window.Window) (finding.State, string) {
	began, runs := p.began()
	if !p.kills() {
		return finding.Failing, "not ready for " + words.Span(w.To.Sub(began).Truncate(time.Second))
	}
	if !runs {
		return finding.Failing, claims.State(p.state).Claim
	}
	run := w.To.Sub(began).Truncate(time.Second)
	patience := seconds(p.get(health.Budget) + p.get(health.Period) + p.get(health.Timeout))
	if health.Passes.Or(p.probe.Event, false) && run > max(calm, 3*patience) {
		return finding.Recovered, "running undisturbed for " + words.Span(run)
	}
	return finding.Intermittent, fmt.Sprintf("running for %s; the probe's patience ends %s after the start at the earliest", words.Span(run), words.Span(seconds(p.get(health.Budget))))
}

// chain is the probe's setting, how it fails, and what comes of it.
func (p ill) chain(lead finding.Evidence) []finding.Link {
	link := func(to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
		return finding.Link{From: p.container, To: to, Mechanism: m, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
	}
	out := []finding.Link{link(p.container, finding.Misdirects, lead)}
	if len(p.failures) > 0 {
		e := claims.ProbeFailed(p.failures[len(p.failures)-1])
		if e.Key() != lead.Key() {
			out = append(out, link(p.container, finding.Fails, e))
		}
	}
	if p.kill != nil {
		out = append(out, link(p.container, finding.Kills, claims.ProbeKilled(*p.kill)))
	}
	m := finding.Fails
	if p.kills() {
		m = finding.Restarts
	}
	return append(out, link(p.pod, m, claims.State(p.state)))
}

// edit is the advice to change the probe at the workload that makes the pods.
func (p ill) edit(w *window.Window, path, value, expect, undo string) finding.Advice {
	n := w.Graph.Name(p.container)
	wl, ok := w.Graph.WorkloadOf(p.container)
	if !ok {
		return finding.Advice{Command: fmt.Sprintf("kubectl -n %s get pod %s -o yaml", n.Namespace, n.Name), Expect: expect + "; the probe of a bare pod cannot be changed, make the pod anew"}
	}
	owner := w.Graph.Name(wl)
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"%sProbe":{%s}}]}}}}`, n.Container, p.which, fmt.Sprintf(path, value))
	return finding.Advice{
		Command:        fmt.Sprintf("kubectl -n %s patch %s %s -p '%s'", owner.Namespace, strings.ToLower(owner.Kind), owner.Name, patch),
		ChangesCluster: true, Expect: expect, Undo: undo,
	}
}

// rollback is the undo of every edit.
func (p ill) rollback(w *window.Window) string {
	wl, ok := w.Graph.WorkloadOf(p.container)
	if !ok {
		return ""
	}
	owner := w.Graph.Name(wl)
	return fmt.Sprintf("kubectl -n %s rollout undo %s/%s", owner.Namespace, strings.ToLower(owner.Kind), owner.Name)
}

// cause is the code of a fault of this probe: "probe/liveness-port".
func (p ill) cause(fault string) finding.Cause {
	return finding.Cause("probe/" + p.which + "-" + fault)
}
