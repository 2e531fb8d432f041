package symptoms

import (
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// overdue is how much longer than its grace period a pod may take to go before
// that is wrong.
const overdue = 30 * time.Second

// leaving tells whether somebody asked for the pod's end: what happens to it
// then is wanted. A pod that does not go is a symptom of its own. The deletion
// time that the API tells is the end of the grace period.
func leaving(w *window.Window, pod event.Key) (bool, []finding.Symptom) {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false, nil
	}
	if lifecycle.Gone.Or(f.Event, false) {
		return true, nil
	}
	deleted, ok := lifecycle.Deleted.Get(f.Event)
	if !ok {
		return false, nil
	}
	since := time.Unix(deleted, 0).UTC()
	late := w.To.Sub(since)
	if late < overdue {
		return true, nil
	}
	e := claims.Pod(f)
	e.Claim = "still there " + words.Span(late.Truncate(time.Second)) + " after the end of its grace period"
	return true, []finding.Symptom{{Sort: finding.Leaving, Entity: pod, At: since, Sentence: "pod is " + e.Claim, Lasting: true, Evidence: e}}
}

func ofPod(w *window.Window, pod event.Key) []finding.Symptom {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return nil
	}
	created := time.Unix(lifecycle.Created.Or(f.Event, 0), 0)
	e := claims.Pod(f)
	s := finding.Symptom{Sort: finding.NotRunning, Entity: pod, At: f.At, Sentence: "pod is " + e.Claim, Lasting: true, Evidence: e}
	switch phase := lifecycle.Phase.Or(f.Event, ""); {
	case phase == "Failed":
		wl, _ := w.Graph.WorkloadOf(pod)
		if f.At.Before(w.From) && w.Target.Key != pod && (wl.IsZero() || w.Target.Key != wl) {
			return nil // nobody asked about it, and it failed long ago
		}
		if replaced(w, pod) { // the API keeps failed pods, an evicted one for instance, long after they were replaced
			s.Lasting = false
			if w.To.Sub(f.At) > Calm {
				return nil
			}
		}
		return []finding.Symptom{s}
	case phase == "Pending" && w.To.Sub(created) > Grace:
		return []finding.Symptom{s}
	}
	return nil
}

// replaced tells whether the workload of a failed pod has what it asks for
// without it.
func replaced(w *window.Window, pod event.Key) bool {
	wl, ok := w.Graph.WorkloadOf(pod)
	if !ok {
		return false
	}
	f := w.Graph.Workload(wl)
	return f.Known && f.Available >= f.Desired
}

func ofContainer(w *window.Window, c event.Key) []finding.Symptom {
	out := endsOf(w, c)
	for _, f := range w.About(logs.Failure, c) {
		if w.To.Sub(f.End()) > Grace {
			continue // start-up trouble that is over explains nothing
		}
		e := claims.Complaint(f)
		s := finding.Symptom{Sort: finding.CallsFailed, Entity: c, At: f.At, Sentence: e.Claim, Lasting: true, Evidence: e}
		s.Peer, _ = f.Ref(event.Peer)
		out = append(out, s)
	}
	f, ok := w.Last(lifecycle.Container, c)
	if !ok {
		return out
	}
	e := claims.State(f)
	role := lifecycle.Role.Or(f.Event, lifecycle.Main)
	switch lifecycle.State.Or(f.Event, "") {
	case lifecycle.Waiting:
		if r := lifecycle.Reason.Or(f.Event, ""); r != "" && r != "ContainerCreating" && r != "PodInitializing" {
			out = append(out, finding.Symptom{Sort: finding.Waits, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " is " + e.Claim, Lasting: true, Evidence: e})
		}
	case lifecycle.Running:
		started := time.Unix(lifecycle.Started.Or(f.Event, 0), 0)
		if role != lifecycle.Init && role != lifecycle.Ephemeral && !lifecycle.Ready.Or(f.Event, true) && w.To.Sub(started) > Grace {
			out = append(out, finding.Symptom{Sort: finding.NotReady, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " is " + e.Claim, Lasting: true, Evidence: e})
		}
	}
	return out
}

// endsOf lists the bad ends of the container within the window, save those that
// it has outlived in good health for a while.
func endsOf(w *window.Window, c event.Key) []finding.Symptom {
	var out []finding.Symptom
	well := wellSince(w, c)
	for _, f := range w.About(lifecycle.Ended, c) {
		code := lifecycle.ExitCode.Or(f.Event, 0)
		outlived := !well.IsZero() && well.After(f.At.Add(-time.Second))
		if code == 0 || f.At.Before(w.From) || outlived && (w.To.Sub(well) > Calm || StartUp(w, c, f.At)) {
			continue
		}
		e := claims.Ended(f)
		out = append(out, finding.Symptom{Sort: finding.EndedBadly, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " ended: " + e.Claim, ExitCode: code, Evidence: e})
	}
	return out
}

// startUp is how long after a pod was made its containers may fail because
// others are not there yet, and steady how long one must have run since for its
// start to count as done.
const (
	startUp = 2 * time.Minute
	steady  = 2 * time.Minute
)

// StartUp tells whether what happened to the entity at that time was trouble of
// its pod's start, which it has left behind in good health.
func StartUp(w *window.Window, k event.Key, at time.Time) bool {
	pod, ok := w.Graph.PodOf(k)
	if !ok {
		return false
	}
	f, ok := w.Last(lifecycle.Pod, pod)
	made := time.Unix(lifecycle.Created.Or(f.Event, 0), 0)
	if !ok || made.Unix() == 0 || at.Before(made) || at.After(made.Add(startUp)) {
		return false
	}
	for _, c := range w.Graph.Containers(pod) {
		if k.Type == event.Container && c != k {
			continue
		}
		if well := wellSince(w, c); well.IsZero() || w.To.Sub(well) < steady {
			return false
		}
	}
	return true
}

// wellSince is since when the container runs and is ready, or when an init
// container did its work; zero when neither.
func wellSince(w *window.Window, c event.Key) time.Time {
	f, ok := w.Last(lifecycle.Container, c)
	if !ok {
		return time.Time{}
	}
	switch lifecycle.State.Or(f.Event, "") {
	case lifecycle.Running:
		if started, ok := lifecycle.Started.Get(f.Event); ok && lifecycle.Ready.Or(f.Event, false) {
			return time.Unix(started, 0).UTC()
		}
	case lifecycle.Terminated:
		if lifecycle.Reason.Or(f.Event, "") == "Completed" {
			return f.At
		}
	}
	return time.Time{}
}
