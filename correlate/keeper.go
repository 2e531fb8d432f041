package correlate

import (
	"fmt"
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
)

// kept tells in each advice that changes a workload which tool would take the
// change back, so that it is made in the right place.
func kept(w *window.Window, hs []finding.Hypothesis) []finding.Hypothesis {
	out := slices.Clone(hs)
	for i, h := range out {
		k := unit(w, h.Entity)
		f, ok := w.Last(changes.Keeper, k)
		if !ok && k.Type == event.Workload {
			if up, owned := w.Graph.OwnerOf(k); owned {
				f, ok = w.Last(changes.Keeper, up)
			}
		}
		if !ok || changes.Over.Or(f.Event, false) {
			continue
		}
		out[i].Advice = slices.Clone(h.Advice)
		for j, a := range out[i].Advice {
			if !a.ChangesCluster {
				continue
			}
			note := fmt.Sprintf("%s (%s) keeps %s as it is: make the change there, or it is taken back", changes.Tool.Or(f.Event, ""), changes.Name.Or(f.Event, ""), w.Graph.Label(f.Subject()))
			if a.Expect != "" {
				note = a.Expect + "; " + note
			}
			out[i].Advice[j].Expect = note
		}
	}
	return out
}
