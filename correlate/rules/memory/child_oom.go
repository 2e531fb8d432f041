package memory

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
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/runtime"
)

// ChildOOM is the cause "a process below the container's first one was killed
// at the container's limit; the container lives on".
const ChildOOM finding.Cause = "memory/child-oom"

// evalChildOOM proposes ChildOOM for every container that outlived an OOM kill
// by its own limit within the window.
func evalChildOOM(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range containers(w) {
		if deaths := since(w.From, childDeaths(w, c)); len(deaths) > 0 {
			out = append(out, childOOM(w, c, deaths))
		}
	}
	return out
}

func childOOM(w *window.Window, c event.Key, deaths []death) finding.Hypothesis {
	last := deaths[len(deaths)-1]
	kill := *last.kill
	name := w.Graph.Name(c)
	who := memory.VictimComm.Or(kill.Event, "a process")
	if pid, ok := memory.VictimNSPID.Get(kill.Event); ok {
		who += fmt.Sprintf(" (pid %d in the container)", pid)
	}
	h := finding.Hypothesis{Cause: ChildOOM, Entity: c, Since: deaths[0].at}
	h.Headline = fmt.Sprintf("%s: the kernel OOM-killed process %s of container %s at its %s, and the container lives on, %s; %s",
		name.Name, who, name.Container, limitWords(w, c, last), often(deaths, w.To), triggerWords(w, c, kill))
	h.For = weigh(w, c, deaths)
	if e, ok := endOfVictim(w, c, kill); ok {
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.KillBySource2})
	}
	grown, grows := growthOf(w, c)
	if grows {
		h.For = append(h.For, finding.Support{Evidence: grown.evidence(c), Weight: finding.GrewToLimit})
	}
	h.State, h.Now = outlook(w, c, deaths, grown, grows)
	if _, runs := running(w, c); runs {
		h.Now = fmt.Sprintf("the container runs on, %s since the kill", words.Span(w.To.Sub(last.at).Truncate(time.Second)))
		if grows && grown.last.At.After(last.at) {
			h.Now += fmt.Sprintf("; at %s the next is due about %s", words.Rate(grown.rate), words.At(grown.fullAt(), w.To))
		}
	}
	h.Chain = append(chain(w, c, deaths, grown, grows), livesOn(w, c, last)...)
	e := []finding.Evidence{killEvidence(w, c, kill)}
	h.RuledOut = []finding.Rival{
		{Cause: LimitOOM, Why: "the victim was not the container's first process: the container was not restarted by it", Evidence: e},
		{Cause: NodeOOM, Why: "the limit hit was " + limiterWords(w, c, kill), Evidence: e},
		{Cause: Evicted, Why: "the kernel's OOM killer did it, not the kubelet", Evidence: e},
	}
	h.Absent = absent(w, c, deaths, grows)
	h.Advice = advice(w, c, last.limit(w, c), grows)
	h.Advice[len(h.Advice)-1] = finding.Advice{
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s", name.Namespace, name.Name, name.Container),
		Expect:  "what it says of the process it lost; Kubernetes does not tell of it",
	}
	h.Explains = explains(w, c, h.Chain)
	h.Affected = affected(h.Chain, c)
	return h
}

// endOfVictim is the end of the victim as the runtime observer saw it.
func endOfVictim(w *window.Window, c event.Key, kill window.Fact) (finding.Evidence, bool) {
	pid, ok := memory.VictimPID.Get(kill.Event)
	for _, f := range w.About(runtime.Exit, c) {
		if ok && runtime.PID.Or(f.Event, 0) == pid && f.At.Sub(kill.At).Abs() < oneDeath*5 {
			return claims.ProcessEnd(f), true
		}
	}
	return finding.Evidence{}, false
}

// livesOn is the container as it runs on after the kill.
func livesOn(w *window.Window, c event.Key, last death) []finding.Link {
	f, ok := w.Last(lifecycle.Container, c)
	run, runs := running(w, c)
	if !ok || !runs || fateOf(w, c, last) != livedOn {
		return nil
	}
	e := claims.State(f)
	e.Claim = fmt.Sprintf("container runs on, for %s now, %s", words.Span(run), words.Count(lifecycle.Restarts.Or(f.Event, 0), "restart"))
	return []finding.Link{{From: c, To: c, Mechanism: finding.Fails, At: w.To, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
}

// settle is how long the API may take to tell of an end, and soon how long the
// kernel's own observers may be apart.
const (
	settle = 10 * time.Second
	soon   = 2 * time.Second
)

// fate is what became of a container at the death of one of its processes.
type fate int

const (
	ended    fate = iota // with its first process
	livedOn              // another process died
	notKnown             // nobody has told yet whether it was the first
)

// fateOf: the first process has number 1 inside, or the kernel saw it end, or
// the API tells of an end; it lived on if another process died, or if the
// instance that runs now is the only one there was or was started before the
// kill, a start of the API being a whole second, cut.
func fateOf(w *window.Window, c event.Key, d death) fate {
	run, runs := running(w, c)
	switch age := w.To.Sub(d.at); {
	case d.kill == nil || d.end != nil || ofMain(*d.kill) || mainEnded(w, c, d):
		return ended
	case d.ofChild() && age > soon:
		return livedOn
	case d.ofChild():
		return notKnown
	case !runs || restarted(w, c) && !w.To.Add(-run).Before(d.kill.At.Add(-oneDeath)):
		return ended
	case age > settle:
		return livedOn
	}
	return notKnown
}

func restarted(w *window.Window, c event.Key) bool {
	f, ok := w.Last(lifecycle.Container, c)
	return !ok || lifecycle.Restarts.Or(f.Event, 0) > 0
}

// mainEnded tells whether the kernel saw the container's first process end with
// the kill: in a pod with one pid namespace for all its containers its number
// does not tell.
func mainEnded(w *window.Window, c event.Key, d death) bool {
	return slices.ContainsFunc(w.About(runtime.Exit, c), func(f window.Fact) bool {
		return runtime.Main.Or(f.Event, false) && f.At.Sub(d.at).Abs() < endAfterKill
	})
}
