package correlate

import (
	"fmt"
	"time"

	memoryrules "github.com/yairfalse/tapio/correlate/rules/memory"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// checked lists what was looked at, with the numbers found: silence is claimed
// only where somebody listened.
func checked(w *window.Window) []string {
	var out []string
	var ready, total int
	var restarts int64
	for _, pod := range w.Target.Pods {
		for _, c := range w.Graph.Containers(pod) {
			f, ok := w.Last(lifecycle.Container, c)
			if !ok || lifecycle.Role.Or(f.Event, lifecycle.Main) == lifecycle.Init {
				continue
			}
			total++
			if lifecycle.Ready.Or(f.Event, false) {
				ready++
			}
			restarts += lifecycle.Restarts.Or(f.Event, 0)
		}
	}
	if total > 0 {
		out = append(out, fmt.Sprintf("%d of %s ready, %s", ready, words.Count(total, "container"), words.Count(restarts, "restart")))
	}
	for _, pod := range w.Target.Pods {
		for _, c := range w.Graph.Containers(pod) {
			if s, ok := memoryUse(w, c); ok {
				out = append(out, s)
			}
		}
	}
	if s, ok := noKill(w); ok {
		out = append(out, s)
	}
	out = append(out, pastLines(w)...)
	return out
}

// memoryUse is the newest sample of a container against its limit.
func memoryUse(w *window.Window, c event.Key) (string, bool) {
	f, ok := w.Last(memory.Usage, c)
	if !ok {
		return "", false
	}
	used := memory.Used.Or(f.Event, 0)
	limit, limited := memory.Limit.Get(f.Event)
	if !limited {
		return fmt.Sprintf("%s uses %s of memory, no limit", c.Leaf(), words.Bytes(used)), true
	}
	return fmt.Sprintf("%s uses %d%% of its %s memory limit", c.Leaf(), used*100/max(limit, 1), words.Bytes(limit)), true
}

// noKill says since when the kernel would have told of an OOM kill, when every
// node of the target was watched.
func noKill(w *window.Window) (string, bool) {
	var since time.Time
	for _, pod := range w.Target.Pods {
		from, ok := w.Watched(memory.Spec.Name, pod)
		if !ok || len(podKills(w, pod)) > 0 {
			return "", false
		}
		if n := memoryrules.Unascribed(w, pod); n > 0 {
			return fmt.Sprintf("%s on its node that the kernel log ascribes to nobody", words.Count(n, "OOM kill")), true
		}
		if from.After(since) {
			since = from
		}
	}
	if since.IsZero() {
		return "", false
	}
	return "no OOM kill in the kernel log, and none seen from " + words.At(since, w.To) + " on", true
}

func podKills(w *window.Window, pod event.Key) []window.Fact {
	var out []window.Fact
	for _, f := range w.Of(memory.OOMKill) {
		if p, ok := w.Graph.PodOf(f.Subject()); ok && p == pod {
			out = append(out, f)
		}
	}
	return out
}
