package probe

import (
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// ill is a probe that does harm: the container is killed for it, or is not
// ready by it.
type ill struct {
	container event.Key
	pod       event.Key
	which     string
	probe     window.Fact
	state     window.Fact   // the container as the API last told it
	failures  []window.Fact // of the current trouble, in order of time
	kill      *window.Fact  // the kubelet's word that it killed for it
	ends      []window.Fact // ends of instances that the probe can have brought about
}

func (p ill) get(f event.Field[int64]) int64    { return f.Or(p.probe.Event, 0) }
func (p ill) text(f event.Field[string]) string { return f.Or(p.probe.Event, "") }

// kills tells whether the kubelet ends the container for such a probe.
func (p ill) kills() bool { return p.which != health.Readiness }

func whichOf(e event.Event) string { return health.Which.Or(e, "") }

// ills lists the probes of the window that do harm, sorted.
func ills(w *window.Window) []ill {
	var out []ill
	for _, f := range claims.Current(w, health.Probe, health.Over, whichOf) {
		if p, ok := illOf(w, f); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b ill) int {
		if c := a.container.Compare(b.container); c != 0 {
			return c
		}
		return strings.Compare(a.which, b.which)
	})
	return out
}

func illOf(w *window.Window, f window.Fact) (ill, bool) {
	c := f.Subject()
	pod, ok := w.Graph.PodOf(c)
	state, known := w.Last(lifecycle.Container, c)
	if !ok || !known || leaving(w, pod) {
		return ill{}, false
	}
	p := ill{container: c, pod: pod, which: health.Which.Or(f.Event, ""), probe: f, state: state}
	since := w.From
	if began, ok := p.began(); ok && !p.kills() {
		since = began
	}
	for _, x := range w.About(health.Failed, c) {
		if whichOf(x.Event) == p.which && x.End().After(since) {
			p.failures = newest(p.failures, x)
		}
	}
	for _, x := range w.About(health.Killed, c) {
		if whichOf(x.Event) == p.which && x.End().After(w.From) {
			p.kill = &x
		}
	}
	for _, x := range w.About(lifecycle.Ended, c) {
		if x.At.After(w.From) && lifecycle.Reason.Or(x.Event, "") != "OOMKilled" && lifecycle.Failure.Or(x.Event, "") == "" {
			p.ends = append(p.ends, x)
		}
	}
	if p.kills() {
		return p, p.killing()
	}
	return p, p.unready(w)
}

// newest keeps the last told of each sort of failure: a later one counts the
// earlier ones in.
func newest(list []window.Fact, x window.Fact) []window.Fact {
	list = slices.DeleteFunc(list, func(f window.Fact) bool {
		return health.What.Or(f.Event, "") == health.What.Or(x.Event, "") && health.Code.Or(f.Event, 0) == health.Code.Or(x.Event, 0) &&
			health.Port.Or(f.Event, 0) == health.Port.Or(x.Event, 0)
	})
	return append(list, x)
}

func leaving(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(f.Event)
	return deleted || lifecycle.Gone.Or(f.Event, false)
}

func (p ill) running() bool { return lifecycle.State.Or(p.state.Event, "") == lifecycle.Running }

// began is the start of the instance that runs now.
func (p ill) began() (time.Time, bool) {
	s, ok := lifecycle.Started.Get(p.state.Event)
	if !ok || s <= 0 || !p.running() {
		return time.Time{}, false
	}
	return time.Unix(s, 0).UTC(), true
}

// settle is how long after its first chance a readiness probe may fail without
// being at fault: programs take their time to start.
const settle = 10 * time.Second

// unready tells whether the container runs and its readiness probe had its
// chance.
func (p ill) unready(w *window.Window) bool {
	began, ok := p.began()
	if !ok || lifecycle.Ready.Or(p.state.Event, true) || p.startupPending() {
		return false
	}
	return w.To.Sub(began) > seconds(p.get(health.Delay))+settle
}

// startupPending tells whether the startup probe has yet to pass: until then no
// other probe is made. A container that is not ready and whose startup probe is
// told as failing waits for that one.
func (p ill) startupPending() bool {
	return health.Startup.Or(p.probe.Event, false) && len(p.failures) == 0
}

// killing tells whether the probe has the container killed: the kubelet says
// so, or instances died by signal about when the probe's patience ends.
func (p ill) killing() bool {
	if lifecycle.Restarts.Or(p.state.Event, 0) == 0 {
		return false
	}
	return p.kill != nil || len(p.byBudget()) > 0 && (len(p.failures) > 0 || p.misset() || p.hasty())
}

// hasty tells, where no report of the kubelet is left, whether a probe that
// forgives nothing can be behind the ends: instances died by the kubelet's
// signals just when its patience ends.
func (p ill) hasty() bool {
	if p.which != health.Liveness || p.get(health.Threshold) > 1 || seconds(p.get(health.Budget)) >= tight {
		return false
	}
	return slices.ContainsFunc(p.byBudget(), func(e window.Fact) bool {
		code := lifecycle.ExitCode.Or(e.Event, 0)
		return code == 137 || code == 143
	})
}

// byBudget are the ends that came about when the probe's patience does.
func (p ill) byBudget() []window.Fact {
	var out []window.Fact
	for _, e := range p.ends {
		if life, ok := lifeOf(e); ok && p.aboutBudget(life) {
			out = append(out, e)
		}
	}
	return out
}

// grace is how long a container may take to end once it was asked to: the
// default of Kubernetes, which the facts do not tell otherwise.
const grace = 30 * time.Second

// aboutBudget tells whether a life is what the probe gives: not shorter than
// its patience, and not longer than one more period and the grace to end.
func (p ill) aboutBudget(life time.Duration) bool {
	least := seconds(p.get(health.Budget))
	return life >= least-2*time.Second && life <= least+seconds(p.get(health.Period)+p.get(health.Timeout))+grace+5*time.Second
}

func lifeOf(end window.Fact) (time.Duration, bool) {
	s, ok := lifecycle.Started.Get(end.Event)
	if !ok || s <= 0 {
		return 0, false
	}
	return end.At.Sub(time.Unix(s, 0)), true
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// failed finds a reported failure of one of the sorts; the newest of them.
func (p ill) failed(what ...string) (window.Fact, bool) {
	for _, f := range slices.Backward(p.failures) {
		if slices.Contains(what, health.What.Or(f.Event, "")) {
			return f, true
		}
	}
	return window.Fact{}, false
}

// harm is the evidence that the probe does harm now.
func (p ill) harm() finding.Support {
	if p.kill != nil {
		return finding.Support{Evidence: claims.ProbeKilled(*p.kill), Weight: finding.ProbeKills}
	}
	return finding.Support{Evidence: claims.State(p.state), Weight: finding.ProbeFailsNow}
}

// changed tells whether the previous revision had another setting of the sort.
func (p ill) changed(what string) bool {
	return slices.Contains(strings.Split(p.text(health.Changed), ","), what)
}
