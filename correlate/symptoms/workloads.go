package symptoms

import (
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/services"
)

// ofWorkload tells of a controller that has fewer ready pods than it asks for.
// A Job whose state has not changed within the window is over: a failed one of
// last week is history.
func ofWorkload(w *window.Window, wl event.Key) []finding.Symptom {
	f, ok := w.Last(lifecycle.Workload, wl)
	if !ok {
		return nil
	}
	desired, known := lifecycle.Desired.Get(f.Event)
	created := time.Unix(lifecycle.Created.Or(f.Event, 0), 0)
	if !known || lifecycle.Available.Or(f.Event, 0) >= desired || w.To.Sub(created) < Grace {
		return nil
	}
	if w.Graph.Name(wl).Kind == "Job" && f.At.Before(w.From) && w.Target.Key != wl && !busy(w, wl) {
		return nil
	}
	e := claims.Workload(f)
	return []finding.Symptom{{Sort: finding.Short, Entity: wl, At: f.At, Sentence: e.Claim, Lasting: true, Evidence: e}}
}

// busy tells whether a workload has a pod that is neither finished nor leaving.
func busy(w *window.Window, wl event.Key) bool {
	for _, p := range w.Graph.Pods(wl) {
		f, ok := w.Last(lifecycle.Pod, p)
		phase := lifecycle.Phase.Or(f.Event, "")
		if ok && phase != "Failed" && phase != "Succeeded" && !lifecycle.Gone.Or(f.Event, false) {
			return true
		}
	}
	return false
}

// ofService tells of a Service that a pod names, or that was asked about, and
// that has no ready pod behind it. Its selector is looked at elsewhere; a
// Service that nobody uses may well stand empty.
func ofService(w *window.Window, svc event.Key) []finding.Symptom {
	f, ok := w.Last(services.Selects, svc)
	if !ok || !services.Selecting.Or(f.Event, false) || services.ReadyPods.Or(f.Event, 0) > 0 || w.To.Sub(f.At) < Grace {
		return nil
	}
	if w.Target.Key != svc && len(w.Graph.Namers(svc)) == 0 {
		return nil
	}
	e := claims.Backends(f)
	return []finding.Symptom{{Sort: finding.NoBackends, Entity: svc, At: f.At, Sentence: e.Claim, Lasting: true, Evidence: e}}
}
