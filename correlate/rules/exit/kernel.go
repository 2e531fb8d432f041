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
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/observers/signals"
)

// witness is what the node's kernel tells of the end that the API tells of.
type witness struct {
	exit  *window.Fact // runtime.exit of the container's first process
	child *window.Fact // runtime.exit of another whose end the first one passed on
	fatal *window.Fact // the signal that ended exit, or else child
	stop  *window.Fact // the request to stop, from outside of the container
	abort *window.Fact // SIGABRT that the first process sent to itself

	logged *window.Fact // a fault of the kernel log that may be the fatal one
}

// The API gives ends in whole seconds, written after the runtime noticed them;
// a kernel's end within this of the API's is the same.
const (
	endBefore = 2 * time.Second
	endAfter  = 5 * time.Second
)

// longestGrace is how long before an end its request to stop is looked for.
const longestGrace = 15 * time.Minute

// kernel looks for what the kernel saw of the container's newest end. ok is
// false when it saw nothing of it.
func (c crash) kernel(w *window.Window) (k witness, ok bool) {
	code, api := codeOf(c.last), c.last.At
	exits := w.About(runtime.Exit, c.container)
	k.exit = nearest(exits, api, func(f window.Fact) bool { return runtime.Main.Or(f.Event, false) })
	pid, at := int64(0), api.Add(time.Second)
	if k.exit != nil {
		pid, at = runtime.PID.Or(k.exit.Event, 0), k.exit.At
		if got, exited := runtime.Code.Get(k.exit.Event); exited && got == code && code > 128 {
			k.child = nearest(exits, at, func(f window.Fact) bool {
				return !runtime.Main.Or(f.Event, false) && runtime.Signal.Or(f.Event, 0) == code-128 && !f.At.After(at)
			})
		}
	}
	end := k.exit
	if k.child != nil {
		end = k.child
	}
	for _, f := range w.About(signals.Sent, c.container) {
		if f.At.After(at.Add(endBefore)) || f.At.Before(at.Add(-longestGrace)) {
			continue
		}
		target := signals.TargetPID.Or(f.Event, 0)
		toMain := pid != 0 && target == pid || pid == 0 && signals.TargetNSPID.Or(f.Event, 0) == 1
		sig := signals.Signal.Or(f.Event, 0)
		ended := end != nil && target == runtime.PID.Or(end.Event, 0) && sig == runtime.Signal.Or(end.Event, 0) ||
			end == nil && toMain && sig == code-128
		if toMain && sig != signals.SIGKILL && fromRuntime(f) {
			k.stop = &f
		}
		switch {
		case ended && signals.Result.Or(f.Event, "") == signals.Delivered && at.Sub(f.At) < endAfter:
			k.fatal = &f
		case toMain && sig == signals.SIGABRT && signals.Sender.Or(f.Event, "") == signals.BySelf && at.Sub(f.At) < endAfter:
			k.abort = &f
		}
	}
	if k.fatal == nil {
		k.logged = c.logged(w)
	}
	return k, k.exit != nil || k.fatal != nil
}

// logged is the fault of which only the kernel log of the container's node
// tells: of the right signal, in the same second, and the only one. The log has
// no container, so the time alone joins them.
func (c crash) logged(w *window.Window) *window.Fact {
	node, ok := w.Graph.NodeOf(c.container)
	if !ok {
		return nil
	}
	var out *window.Fact
	for _, f := range w.About(signals.Sent, node) {
		lag := c.last.At.Sub(f.At)
		if signals.Origin.Or(f.Event, "") != signals.FromKernelLog || signals.Signal.Or(f.Event, 0) != codeOf(c.last)-128 || lag < -sameSecond || lag > sameSecond {
			continue
		}
		if out != nil {
			return nil
		}
		out = &f
	}
	return out
}

// sameSecond is how far an end of the API, a whole second, may be from the
// fault in the log, whose clock is not disciplined.
const sameSecond = 1500 * time.Millisecond

// nearest is the fact closest in time to an end.
func nearest(fs []window.Fact, at time.Time, fits func(window.Fact) bool) (out *window.Fact) {
	for _, f := range fs {
		lag := at.Sub(f.At)
		if !fits(f) || lag < -endBefore || lag > endAfter {
			continue
		}
		if out == nil || lag.Abs() < at.Sub(out.At).Abs() {
			out = &f
		}
	}
	return out
}

func fromRuntime(f window.Fact) bool {
	return slices.Contains([]string{signals.ByRuntime, signals.ByKubelet}, signals.Sender.Or(f.Event, ""))
}

// sender is who sent the fatal signal, "" when no signal is known.
func (k witness) sender() string {
	if k.fatal == nil {
		return ""
	}
	return signals.Sender.Or(k.fatal.Event, "")
}

// foreign tells whether the fatal signal came from a process that is neither
// the target itself nor the runtime.
func (k witness) foreign() bool {
	return slices.Contains([]string{signals.ByContainer, signals.ByPod, signals.ByOtherPod, signals.ByHost}, k.sender())
}

// support weighs what the kernel saw, and whether it says the same as the API.
func (k witness) support(w *window.Window, c crash) (out, against []finding.Support) {
	if k.fatal != nil {
		out = append(out, finding.Support{Evidence: claims.Sent(w, *k.fatal), Weight: finding.SignalSeen})
	}
	if k.logged != nil {
		out = append(out, finding.Support{Evidence: claims.Logged(*k.logged), Weight: finding.FaultLogged})
	}
	if k.exit == nil {
		return out, nil
	}
	e := finding.Support{Evidence: claims.ProcessEnd(*k.exit), Weight: finding.ExitSeen}
	if k.agrees(codeOf(c.last)) {
		return append(out, e), nil
	}
	e.Weight = finding.ExitDiffers
	e.Evidence.Claim += fmt.Sprintf(", while the API tells %s", claims.Exit(codeOf(c.last)))
	return out, []finding.Support{e}
}

// agrees tells whether the kernel's end of the first process is the API's code.
func (k witness) agrees(code int64) bool {
	if sig, ok := runtime.Signal.Get(k.exit.Event); ok {
		return code == 128+sig
	}
	return runtime.Code.Or(k.exit.Event, -1) == code
}

// links are the kernel's part of the chain: the request to stop, the signal,
// and whose end was passed on.
func (k witness) links(w *window.Window, c crash) []finding.Link {
	var out []finding.Link
	add := func(f *window.Fact, e finding.Evidence, m finding.Mechanism) {
		from := c.container
		if culprit, ok := f.Ref(event.Culprit); ok {
			from = culprit
		}
		out = append(out, finding.Link{From: from, To: c.container, Mechanism: m, At: f.At, Trust: finding.Seen, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	}
	if k.stop != nil {
		add(k.stop, claims.Sent(w, *k.stop), finding.Kills)
	}
	if k.abort != nil && k.abort != k.fatal {
		add(k.abort, claims.Sent(w, *k.abort), finding.Kills)
	}
	if k.fatal != nil && k.fatal != k.stop {
		add(k.fatal, claims.Sent(w, *k.fatal), finding.Kills)
	}
	if k.logged != nil {
		add(k.logged, claims.Logged(*k.logged), finding.Kills)
	}
	if k.child != nil {
		add(k.child, claims.ProcessEnd(*k.child), finding.Ends)
	}
	return out
}

// stopReport is why the kubelet stopped the container, as its own report of about
// that moment says. ok is false without one.
func (c crash) stopReport(w *window.Window, at time.Time) (a request, ok bool) {
	for _, f := range w.About(lifecycle.Report, c.pod) {
		if lifecycle.Reason.Or(f.Event, "") != "Killing" || !ofContainer(f, c.container.Leaf()) {
			continue
		}
		for _, t := range []time.Time{f.At, f.End()} {
			if lag := at.Sub(t); lag > -endBefore && lag < endAfter {
				return requestOf(f, t), true
			}
		}
	}
	return request{}, false
}

// request is the kubelet's report that it stops a container.
type request struct {
	at       time.Time
	why      string
	byProbe  bool
	evidence finding.Evidence
}

func requestOf(f window.Fact, at time.Time) request {
	message := lifecycle.Message.Or(f.Event, "")
	r := request{at: at, why: "the pod was asked to end"}
	switch {
	case containsFold(message, "failed liveness probe"):
		r.why, r.byProbe = "its liveness probe failed", true
	case containsFold(message, "failed startup probe"):
		r.why, r.byProbe = "its startup probe failed", true
	case containsFold(message, "definition changed"), containsFold(message, "image changed"):
		r.why = "its definition changed"
	}
	r.evidence = finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Report, Entity: f.Subject(), At: at, Trust: finding.API,
		Claim: "kubelet stopped the container: " + r.why,
	}
	return r
}

// ofContainer tells whether a report is about the container, by its field path
// or, without one, whether it may be.
func ofContainer(f window.Fact, name string) bool {
	path, ok := lifecycle.FieldPath.Get(f.Event)
	return !ok || path == "" || path == "spec.containers{"+name+"}" || path == "spec.initContainers{"+name+"}"
}

// watchedFrom says from when on the signals of the container's node were seen,
// or that they were not.
func watchedFrom(w *window.Window, c event.Key) string {
	if since, ok := w.Watched(signals.Spec.Name, c); ok {
		return "the probe saw signals from " + words.At(since, w.To) + " on"
	}
	return "no probe saw the signals of its node"
}
