package memory

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// calm is how long a container must have run since its last OOM kill, beyond
// twice its longest known life, to count as recovered.
const calm = 10 * time.Minute

// outlook tells how the container stands now and, while it grows, when the
// next kill is due.
func outlook(w *window.Window, c event.Key, deaths []death, g growth, grows bool) (finding.State, string) {
	f, ok := w.Last(lifecycle.Container, c)
	if !ok {
		return finding.StateUnknown, "the container is gone from the API"
	}
	last := deaths[len(deaths)-1].at
	state := lifecycle.State.Or(f.Event, "")
	if state != lifecycle.Running {
		reason := lifecycle.Reason.Or(f.Event, "")
		if reason != "" {
			reason = " (" + reason + ")"
		}
		return finding.Failing, fmt.Sprintf("%s%s, %s since the last kill", state, reason, words.Span(w.To.Sub(last)))
	}
	run, _ := running(w, c)
	now := fmt.Sprintf("running again for %s", words.Span(run.Truncate(time.Second)))
	longest := time.Duration(0)
	for _, d := range deaths {
		if life, ok := d.life(); ok {
			longest = max(longest, life)
		}
	}
	if !grows && run > max(calm, 2*longest) {
		return finding.Recovered, now + ", no growth seen"
	}
	if grows && g.last.At.After(last) {
		now += fmt.Sprintf("; at %s the next kill is due about %s", words.Rate(g.rate), words.At(g.fullAt(), w.To))
	}
	return finding.Intermittent, now
}

// rivals are the causes that an OOM kill by the container's own limit
// excludes, each with the fact that decides.
func rivals(w *window.Window, c event.Key, deaths []death) []finding.Rival {
	var out []finding.Rival
	last := lastKill(deaths)
	if last != nil {
		e := killEvidence(w, c, *last)
		out = append(out, finding.Rival{
			Cause: "memory/node-oom", Why: "the limit hit was " + limiterWords(w, c, *last), Evidence: []finding.Evidence{e},
		}, finding.Rival{
			Cause: "memory/evicted", Why: "the kernel's OOM killer did it, not the kubelet", Evidence: []finding.Evidence{e},
		}, finding.Rival{
			Cause: "exit/killed-after-grace", Why: "the fatal signal came from the kernel", Evidence: []finding.Evidence{e},
		})
	}
	if life, ok := longLife(w, c, deaths); ok && life > startUp {
		var es []finding.Evidence
		if d := deaths[len(deaths)-1]; d.end != nil {
			es = append(es, endEvidence(*d.end))
		} else if last != nil {
			es = append(es, killEvidence(w, c, *last))
		}
		out = append(out, finding.Rival{Cause: LimitTooSmall, Why: "an instance ran for " + words.Span(life), Evidence: es})
	}
	return out
}

func lastKill(deaths []death) *window.Fact {
	for i := len(deaths) - 1; i >= 0; i-- {
		if deaths[i].kill != nil {
			return deaths[i].kill
		}
	}
	return nil
}

// absent is what would have made the case complete.
func absent(w *window.Window, c event.Key, deaths []death, grows bool) []finding.Absent {
	var out []finding.Absent
	if lastKill(deaths) == nil {
		out = append(out, finding.Absent{What: "whose limit was hit", Why: "no kernel report of the kill: " + why(w, c)})
	}
	if !grows && len(w.About(memory.Usage, c)) < 2 {
		out = append(out, finding.Absent{What: "how its memory grew", Why: "fewer than two samples of a running instance: " + why(w, c)})
	}
	return out
}

// why tells why the kernel's side is missing.
func why(w *window.Window, c event.Key) string {
	node, known := w.Graph.NodeOf(c)
	if !known {
		return "its node is not known"
	}
	since, ok := w.Watched(memory.Spec.Name, c)
	if !ok {
		return "no probe saw " + node.ID
	}
	return "the probe on " + node.ID + " saw from " + words.At(since, w.To) + " on"
}

// advice: the log of the instance that died, and room while the growth is
// looked at. The limit proposed is half as much again, rounded up to 16Mi.
func advice(w *window.Window, c event.Key, limit int64, grows bool) []finding.Advice {
	n := w.Graph.Name(c)
	out := []finding.Advice{}
	wl, owned := w.Graph.WorkloadOf(c)
	if limit > 0 && owned {
		target := w.Graph.Name(wl)
		const step = 16 << 20
		more := (limit*3/2 + step - 1) / step * step
		expect := "room for half as much again; if it leaks, this only postpones the next kill"
		if !grows {
			expect = "room for half as much again"
		}
		set := "kubectl -n %s set resources %s/%s -c %s --limits=memory=%s"
		kind := lower(target.Kind)
		out = append(out, finding.Advice{
			Command: fmt.Sprintf(set, n.Namespace, kind, target.Name, n.Container, words.Bytes(more)), ChangesCluster: true,
			Expect: expect, Undo: fmt.Sprintf("--limits=memory=%s", words.Bytes(limit)),
		})
	}
	return append(out, finding.Advice{
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --previous", n.Namespace, n.Name, n.Container),
		Expect:  "what it did before the kill",
	})
}
