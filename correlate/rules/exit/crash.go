package exit

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// crash is how the instances of a container ended of late. A container whose
// pod somebody asked to end has none.
type crash struct {
	container event.Key
	pod       event.Key
	role      string
	ends      []window.Fact // of the window, in order of time, never empty
	last      window.Fact   // the newest of them
	state     window.Fact   // the container as the API last told it
	known     bool          // whether it did
}

// crashes lists the containers of the window with an end that fits, sorted.
// Ends that the OOM killer made belong to another family.
func crashes(w *window.Window, fits func(window.Fact) bool) []crash {
	return crashesOf(w, fits, func(pod event.Key) bool { return !leaving(w, pod) })
}

// crashesOf is crashes for the pods that count.
func crashesOf(w *window.Window, fits func(window.Fact) bool, counts func(pod event.Key) bool) []crash {
	seen := map[event.Key]bool{}
	var out []crash
	for _, f := range w.Of(lifecycle.Ended) {
		c := f.Subject()
		if seen[c] {
			continue
		}
		seen[c] = true
		if cr, ok := crashOf(w, c, fits, counts); ok {
			out = append(out, cr)
		}
	}
	slices.SortFunc(out, func(a, b crash) int { return a.container.Compare(b.container) })
	return out
}

// crashOf is the container's crash when its newest end within the window fits.
func crashOf(w *window.Window, c event.Key, fits func(window.Fact) bool, counts func(pod event.Key) bool) (crash, bool) {
	pod, ok := w.Graph.PodOf(c)
	if !ok || !counts(pod) {
		return crash{}, false
	}
	cr := crash{container: c, pod: pod}
	for _, f := range w.About(lifecycle.Ended, c) {
		if !f.At.Before(w.From) {
			cr.ends = append(cr.ends, f)
		}
	}
	if len(cr.ends) == 0 {
		return crash{}, false
	}
	cr.last = cr.ends[len(cr.ends)-1]
	cr.state, cr.known = w.Last(lifecycle.Container, c)
	cr.role = lifecycle.Role.Or(cr.last.Event, lifecycle.Role.Or(cr.state.Event, lifecycle.Main))
	return cr, !byOOM(cr.last) && fits(cr.last)
}

// leaving tells whether somebody asked for the pod's end: how its containers
// end then was wanted.
func leaving(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(f.Event)
	return deleted || lifecycle.Gone.Or(f.Event, false)
}

func byOOM(f window.Fact) bool {
	return lifecycle.Reason.Or(f.Event, "") == "OOMKilled" || lifecycle.Failure.Or(f.Event, "") == lifecycle.FailOOM
}

func codeOf(f window.Fact) int64 { return lifecycle.ExitCode.Or(f.Event, 0) }

// life is how long the newest instance lived; ok is false when the API does
// not tell.
func (c crash) life() (time.Duration, bool) {
	s, ok := lifecycle.Started.Get(c.last.Event)
	if !ok || s <= 0 {
		return 0, false
	}
	return c.last.At.Sub(time.Unix(s, 0)), true
}

// alike are the ends that are as the newest one.
func (c crash) alike() []window.Fact {
	var out []window.Fact
	for _, f := range c.ends {
		if codeOf(f) == codeOf(c.last) && lifecycle.Failure.Or(f.Event, "") == lifecycle.Failure.Or(c.last.Event, "") {
			out = append(out, f)
		}
	}
	return out
}

// times tells how often it ended, as the kubelet counts, and when last.
func (c crash) times(w *window.Window) string {
	n := int(lifecycle.Restarts.Or(c.last.Event, 0)) + 1
	if n == 1 {
		return "at " + words.At(c.last.At, w.To)
	}
	return fmt.Sprintf("%s, last at %s", words.Times(n), words.At(c.last.At, w.To))
}

// where names the container as sentences do: "web-1: container app".
func (c crash) where(w *window.Window) string {
	kind := "container"
	if c.role == lifecycle.Init {
		kind = "init container"
	}
	return fmt.Sprintf("%s: %s %s", w.Graph.Name(c.container).Name, kind, c.container.Leaf())
}

// support weighs the newest end, and that it is the same each time.
func (c crash) support(weight finding.Weight) []finding.Support {
	e := claims.Ended(c.last)
	out := []finding.Support{{Evidence: e, Weight: weight}}
	if len(c.alike()) > 1 {
		out = append(out, finding.Support{Evidence: e, Weight: finding.SameExit})
	}
	return out
}

// propose fills in what all hypotheses about a crash have in common: onset,
// outlook, chain, advice, and which symptoms they account for.
func (c crash) propose(w *window.Window, cause finding.Cause, headline string, support ...finding.Support) finding.Hypothesis {
	h := finding.Hypothesis{Cause: cause, Entity: c.container, Since: c.alike()[0].At, Headline: headline, For: support}
	h.State, h.Now = c.outlook(w)
	h.Chain = c.chain(w)
	h.Advice = []finding.Advice{c.logs(w)}
	h.Explains = c.explains(w)
	h.Affected = affected(h.Chain, c.container)
	return h
}

// calm is how long a container must have run since its last bad end, beyond
// five times the life of the instance before, to count as recovered.
const calm = time.Minute

func (c crash) outlook(w *window.Window) (finding.State, string) {
	if !c.known {
		return finding.StateUnknown, "the container is gone from the API"
	}
	since := words.Span(w.To.Sub(c.last.At))
	if lifecycle.State.Or(c.state.Event, "") != lifecycle.Running {
		return finding.Failing, claims.State(c.state).Claim + "; " + since + " since it last ended"
	}
	started, ok := lifecycle.Started.Get(c.state.Event)
	if !ok {
		return finding.Intermittent, "running again"
	}
	run := w.To.Sub(time.Unix(started, 0)).Truncate(time.Second)
	life, _ := c.life()
	now := "running again for " + words.Span(run)
	if run > max(calm, 5*life) {
		return finding.Recovered, now
	}
	return finding.Intermittent, now
}

// logs is the advice to read what the program said last.
func (c crash) logs(w *window.Window) finding.Advice {
	n := w.Graph.Name(c.container)
	cmd := fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container)
	if lifecycle.Restarts.Or(c.state.Event, 0) > 0 {
		cmd += " --previous"
	}
	return finding.Advice{Command: cmd, Expect: "what it said before it ended"}
}

// explains: the container's ends like this one, its waiting and unreadiness,
// what its pod and workload lack for it, and the complaints in the chain.
func (c crash) explains(w *window.Window) func(finding.Symptom) bool {
	mine := map[event.Key]bool{c.container: true, c.pod: true}
	if wl, ok := w.Graph.WorkloadOf(c.pod); ok {
		mine[wl] = true
	}
	callers := map[string]bool{}
	for _, e := range c.complaints(w) {
		callers[e.Key()] = true
	}
	code := codeOf(c.last)
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.EndedBadly:
			return s.Entity == c.container && s.ExitCode == code
		case finding.CallsFailed:
			return callers[s.Evidence.Key()]
		}
		return mine[s.Entity]
	}
}
