package memory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
)

// LimitOOM is the cause "a container grew to its memory limit and the kernel
// killed it".
const LimitOOM finding.Cause = "memory/limit-oom"

// nearLimit is the share of the limit from which use fits an OOM kill.
const nearLimit = 0.9

// evalLimitOOM proposes LimitOOM for every container with an OOM death that is
// not known to come from somebody else's limit.
func evalLimitOOM(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range containers(w) {
		deaths := ownDeaths(w, c)
		if len(deaths) == 0 {
			continue
		}
		out = append(out, limitOOM(w, c, deaths))
	}
	return out
}

// ownDeaths drops the deaths that another's limit explains, those that the
// container outlived, and those nobody can ascribe to a limit because the
// container has none. A container that runs since before the window has
// outlived them all: they explain nothing in it.
func ownDeaths(w *window.Window, c event.Key) []death {
	if run, ok := running(w, c); ok && run > w.To.Sub(w.From) {
		return nil
	}
	var out []death
	for _, d := range deathsOf(w, c) {
		own, known := d.byOwnLimit()
		if known && !own || !known && w.Graph.Limit(c) == 0 || fateOf(w, c, d) != ended {
			continue
		}
		out = append(out, d)
	}
	return out
}

// childDeaths are the deaths, by the container's own limit, that it outlives
// without a restart.
func childDeaths(w *window.Window, c event.Key) []death {
	return slices.DeleteFunc(deathsOf(w, c), func(d death) bool {
		own, _ := d.byOwnLimit()
		return !own || fateOf(w, c, d) != livedOn
	})
}

func since(from time.Time, deaths []death) []death {
	return slices.DeleteFunc(deaths, func(d death) bool { return d.at.Before(from) })
}

func limitOOM(w *window.Window, c event.Key, deaths []death) finding.Hypothesis {
	last := deaths[len(deaths)-1]
	h := finding.Hypothesis{Cause: LimitOOM, Entity: c, Since: deaths[0].at}
	h.Headline = headline(w, c, deaths)
	h.For = weigh(w, c, deaths)
	grown, grows := growthOf(w, c)
	if grows {
		h.For = append(h.For, finding.Support{Evidence: grown.evidence(c), Weight: finding.GrewToLimit})
	}
	if short, ok := diedAtStart(w, c, deaths); ok {
		h.Against = append(h.Against, finding.Support{Evidence: short, Weight: finding.DiedAtStart})
	}
	h.State, h.Now = outlook(w, c, deaths, grown, grows)
	h.Chain = chain(w, c, deaths, grown, grows)
	h.RuledOut = rivals(w, c, deaths)
	h.Absent = absent(w, c, deaths, grows)
	h.Advice = advice(w, c, last.limit(w, c), grows)
	h.Explains = explains(w, c, h.Chain)
	h.Affected = affected(h.Chain, c)
	return h
}

// weigh lists the evidence of the deaths themselves: the newest report of the
// kernel and of the API each count once, a second death counts as a pattern.
func weigh(w *window.Window, c event.Key, deaths []death) []finding.Support {
	var out []finding.Support
	var kernel, api bool
	for i := len(deaths) - 1; i >= 0; i-- {
		d := deaths[i]
		if d.kill != nil && !kernel {
			kernel = true
			out = append(out, finding.Support{Evidence: killEvidence(w, c, *d.kill), Weight: finding.KillReported})
		}
		if d.end != nil && !api {
			api = true
			weight := finding.ReasonOOM
			if kernel {
				weight = finding.KillBySource2
			}
			out = append(out, finding.Support{Evidence: endEvidence(*d.end), Weight: weight})
		}
	}
	if len(deaths) > 1 {
		out = append(out, finding.Support{Evidence: out[0].Evidence, Weight: finding.RepeatedEnd})
	}
	if u, ok := nearLimitUse(w, c); ok {
		out = append(out, finding.Support{Evidence: u, Weight: finding.NearLimit})
	}
	return out
}

// headline names container, limit, use, how often, when, and who triggered.
func headline(w *window.Window, c event.Key, deaths []death) string {
	last := deaths[len(deaths)-1]
	name := w.Graph.Name(c)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: container %s reached its %s", name.Name, name.Container, limitWords(w, c, last))
	if last.kill != nil {
		if used, ok := memory.LimiterUsage.Get(last.kill.Event); ok {
			fmt.Fprintf(&b, " (%s used)", words.Bytes(used))
		}
	}
	fmt.Fprintf(&b, " and was OOM-killed %s", often(deaths, w.To))
	if last.kill != nil {
		fmt.Fprintf(&b, "; %s", triggerWords(w, c, *last.kill))
	}
	return b.String()
}

// limitWords names the limit as "64Mi memory limit". A pod's own cgroup has the
// sum of its containers' limits and also counts the sandbox, so with a single
// limited container the two are the same limit and the pod's is hit first.
func limitWords(w *window.Window, c event.Key, d death) string {
	limit := d.limit(w, c)
	size := ""
	if limit > 0 {
		size = words.Bytes(limit) + " "
	}
	if d.kill != nil && memory.Constraint.Or(d.kill.Event, "") == memory.ByPod && limit != w.Graph.Limit(c) {
		return "pod's " + size + "memory limit"
	}
	return size + "memory limit"
}

// often tells how many times and when: "at 14:02:07 UTC", or "3 times in 4m,
// last at 14:02:07 UTC".
func often(deaths []death, now time.Time) string {
	last := deaths[len(deaths)-1].at
	if len(deaths) == 1 {
		return "at " + words.At(last, now)
	}
	return fmt.Sprintf("%s in %s, last at %s", words.Times(len(deaths)), words.Span(last.Sub(deaths[0].at)), words.At(last, now))
}

// triggerWords tells whose allocation could not be met.
func triggerWords(w *window.Window, c event.Key, kill window.Fact) string {
	comm := memory.TriggerComm.Or(kill.Event, "a process")
	pid, _ := memory.TriggerPID.Get(kill.Event)
	victim, _ := memory.VictimPID.Get(kill.Event)
	culprit, known := kill.Ref(event.Culprit)
	switch {
	case pid != 0 && pid == victim:
		return fmt.Sprintf("the victim %s (pid %d in the container) triggered it itself", comm, memory.VictimNSPID.Or(kill.Event, pid))
	case known && culprit == c:
		return fmt.Sprintf("triggered by %s (pid %d on the node) in the same container", comm, pid)
	case known:
		return fmt.Sprintf("triggered by %s (pid %d on the node) of %s", comm, pid, where(w, culprit))
	}
	return fmt.Sprintf("triggered by %s (pid %d on the node)", comm, pid)
}

// where names an entity, with its container when it has one.
func where(w *window.Window, k event.Key) string {
	n := w.Graph.Name(k)
	if n.Container != "" {
		return n.Name + "/" + n.Container
	}
	return n.Name
}
