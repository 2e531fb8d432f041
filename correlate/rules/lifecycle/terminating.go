package lifecycle

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// StuckTerminating is the cause "it was deleted and does not go".
const StuckTerminating finding.Cause = "lifecycle/stuck-terminating"

// overdue is how long a deletion may take beyond its grace before it is stuck.
const overdue = 30 * time.Second

// evalStuckTerminating proposes StuckTerminating for each pod of the target
// whose deletion waits for a finalizer.
func evalStuckTerminating(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, p := range w.Graph.Pods(event.Key{}) {
		f, ok := w.Last(lifecycle.Pod, p)
		deleted, asked := lifecycle.Deleted.Get(f.Event)
		left := lifecycle.Finalizers.Or(f.Event, "")
		since := time.Unix(deleted, 0).UTC()
		if !ok || !asked || left == "" || lifecycle.Gone.Or(f.Event, false) || w.To.Sub(since) < overdue {
			continue
		}
		n := w.Graph.Name(p)
		e := claims.Pod(f)
		e.At, e.Claim = since, fmt.Sprintf("deletion was asked for at %s, %s ago", words.At(since, w.To), words.Span(w.To.Sub(since).Truncate(time.Second)))
		fin := e
		fin.Claim = "finalizer " + left + " is left, and nobody has removed it"
		h := finding.Hypothesis{Cause: StuckTerminating, Entity: p, Since: since, State: finding.Failing, Now: fin.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.DeletionStuck}, {Evidence: fin, Weight: finding.FinalizerLeft}}
		h.Chain = []finding.Link{link(p, p, finding.Changes, e), link(p, p, finding.Blocks, fin)}
		h.Headline = fmt.Sprintf("%s: deleted %s ago and still there because finalizer %s is left", n.Name, words.Span(w.To.Sub(since).Truncate(time.Second)), left)
		h.Absent = []finding.Absent{{What: "who should remove finalizer " + left, Why: "a finalizer's name is all that the API server knows of it"}}
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s get pod %s -o yaml", n.Namespace, n.Name), Expect: "the finalizer's domain tells which controller should remove it"},
			{
				Command:        fmt.Sprintf(`kubectl -n %s patch pod %s --type=merge -p '{"metadata":{"finalizers":null}}'`, n.Namespace, n.Name),
				ChangesCluster: true, Expect: "it goes at once; what the finalizer was to clean up stays behind", Undo: "none: a pod that is gone does not come back",
			},
		}
		out = append(out, h)
	}
	return out
}
