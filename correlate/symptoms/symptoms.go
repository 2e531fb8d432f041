// Package symptoms lists what is wrong with the target as Kubernetes and its
// own logs tell it. A story must account for each, or say that it cannot.
package symptoms

import (
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// grace is how long a container may take to become ready, or a workload to
// have its pods, before that counts as wrong.
const grace = 30 * time.Second

// Of lists the symptoms of the target's pods and workloads in order of time.
func Of(w *window.Window) []finding.Symptom {
	var out []finding.Symptom
	workloads := map[event.Key]bool{}
	for _, pod := range w.Target.Pods {
		if wl, ok := w.Graph.WorkloadOf(pod); ok {
			workloads[wl] = true
		}
		if leaving(w, pod) {
			continue
		}
		out = append(out, ofPod(w, pod)...)
		for _, c := range w.Graph.Containers(pod) {
			out = append(out, ofContainer(w, c)...)
		}
	}
	if w.Target.Key.Type == event.Workload {
		workloads[w.Target.Key] = true
	}
	for wl := range workloads {
		out = append(out, ofWorkload(w, wl)...)
	}
	slices.SortFunc(out, func(a, b finding.Symptom) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		if a.Evidence.Key() < b.Evidence.Key() {
			return -1
		}
		return 1
	})
	return out
}

// leaving tells whether somebody asked for the pod's end: what happens to it
// then is wanted.
func leaving(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(f.Event)
	return deleted || lifecycle.Gone.Or(f.Event, false)
}

func ofPod(w *window.Window, pod event.Key) []finding.Symptom {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return nil
	}
	phase := lifecycle.Phase.Or(f.Event, "")
	created := time.Unix(lifecycle.Created.Or(f.Event, 0), 0)
	if phase == "Failed" || phase == "Pending" && w.To.Sub(created) > grace {
		e := claims.Pod(f)
		return []finding.Symptom{{Sort: finding.NotRunning, Entity: pod, At: f.At, Sentence: "pod is " + e.Claim, Lasting: true, Evidence: e}}
	}
	return nil
}

func ofContainer(w *window.Window, c event.Key) []finding.Symptom {
	var out []finding.Symptom
	for _, f := range w.About(lifecycle.Ended, c) {
		code := lifecycle.ExitCode.Or(f.Event, 0)
		if code == 0 || f.At.Before(w.From) {
			continue
		}
		e := claims.Ended(f)
		out = append(out, finding.Symptom{Sort: finding.EndedBadly, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " ended: " + e.Claim, ExitCode: code, Evidence: e})
	}
	for _, f := range w.About(logs.Failure, c) {
		if w.To.Sub(f.End()) > grace {
			continue // start-up trouble that is over explains nothing
		}
		e := claims.Complaint(f)
		out = append(out, finding.Symptom{Sort: finding.CallsFailed, Entity: c, At: f.At, Sentence: e.Claim, Lasting: true, Evidence: e})
	}
	f, ok := w.Last(lifecycle.Container, c)
	if !ok || lifecycle.Role.Or(f.Event, lifecycle.Main) == lifecycle.Init {
		return out
	}
	e := claims.State(f)
	switch lifecycle.State.Or(f.Event, "") {
	case lifecycle.Waiting:
		if r := lifecycle.Reason.Or(f.Event, ""); r != "" && r != "ContainerCreating" && r != "PodInitializing" {
			out = append(out, finding.Symptom{Sort: finding.Waits, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " is " + e.Claim, Lasting: true, Evidence: e})
		}
	case lifecycle.Running:
		started := time.Unix(lifecycle.Started.Or(f.Event, 0), 0)
		if !lifecycle.Ready.Or(f.Event, true) && w.To.Sub(started) > grace {
			out = append(out, finding.Symptom{Sort: finding.NotReady, Entity: c, At: f.At, Sentence: "container " + c.Leaf() + " is " + e.Claim, Lasting: true, Evidence: e})
		}
	}
	return out
}

func ofWorkload(w *window.Window, wl event.Key) []finding.Symptom {
	f, ok := w.Last(lifecycle.Workload, wl)
	if !ok {
		return nil
	}
	desired, known := lifecycle.Desired.Get(f.Event)
	created := time.Unix(lifecycle.Created.Or(f.Event, 0), 0)
	if !known || lifecycle.Available.Or(f.Event, 0) >= desired || w.To.Sub(created) < grace {
		return nil
	}
	e := claims.Workload(f)
	return []finding.Symptom{{Sort: finding.Short, Entity: wl, At: f.At, Sentence: e.Claim, Lasting: true, Evidence: e}}
}
