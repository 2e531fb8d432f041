package memory

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// Unascribed counts the OOM kills on the pod's node, since the pod was made, of
// which the kernel log does not tell the cgroup: they might be the pod's.
func Unascribed(w *window.Window, pod event.Key) int {
	node, ok := w.Graph.NodeOf(pod)
	if !ok {
		return 0
	}
	var made int64
	if f, ok := w.Last(lifecycle.Pod, pod); ok {
		made = lifecycle.Created.Or(f.Event, 0)
	}
	n := 0
	for _, f := range w.About(memory.OOMKill, node) {
		if f.At.Unix() >= made {
			n++
		}
	}
	return n
}

// refuteLimitOOM excludes an OOM kill for the target when one of its
// containers ended badly and both witnesses that would tell of a kill deny it:
// the runtime reported another reason, and where the node was watched neither
// kernel log nor cgroup counter knows of one.
func refuteLimitOOM(w *window.Window) []finding.Rival {
	for _, pod := range w.Target.Pods {
		for _, c := range w.Graph.Containers(pod) {
			ends := w.About(lifecycle.Ended, c)
			if len(ends) == 0 || len(deathsOf(w, c)) > 0 {
				continue
			}
			last := ends[len(ends)-1]
			if lifecycle.ExitCode.Or(last.Event, 0) == 0 {
				continue
			}
			r := finding.Rival{
				Cause: LimitOOM, Evidence: []finding.Evidence{claims.Ended(last)},
				Why: fmt.Sprintf("the runtime reports %s, not OOMKilled", lifecycle.Reason.Or(last.Event, "no reason")),
			}
			if _, ok := w.Watched(memory.Spec.Name, c); ok && Unascribed(w, pod) == 0 {
				r.Why += ", and the kernel log has no kill of it"
			}
			if u, ok := w.Last(memory.Usage, c); ok {
				if limit, limited := memory.Limit.Get(u.Event); limited {
					peak := memory.Peak.Or(u.Event, 0)
					r.Why += fmt.Sprintf("; peak use %s", words.Of(peak, limit))
				}
			}
			return []finding.Rival{r}
		}
	}
	return nil
}
