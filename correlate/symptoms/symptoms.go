// Package symptoms lists what is wrong with the target as Kubernetes and its
// own logs tell it. A story must account for each, or say that it cannot.
package symptoms

import (
	"cmp"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// Grace is how long a container may take to become ready, a workload to have
// its pods, or an object to go, before that counts as wrong.
const Grace = 30 * time.Second

// Calm is how long something must have been well since its last trouble for the
// trouble to be history: it is told, and nobody has to explain it any more.
const Calm = 10 * time.Minute

// Of lists the symptoms of the target's pods, workloads and Services, and of
// the nodes it is on, in order of time.
func Of(w *window.Window) []finding.Symptom {
	var out []finding.Symptom
	for _, pod := range w.Target.Pods {
		if goes, s := leaving(w, pod); goes {
			out = append(out, s...)
			continue
		}
		out = append(out, ofPod(w, pod)...)
		for _, c := range w.Graph.Containers(pod) {
			out = append(out, ofContainer(w, c)...)
		}
	}
	for _, wl := range Workloads(w) {
		out = append(out, ofWorkload(w, wl)...)
	}
	for _, svc := range Services(w) {
		out = append(out, ofService(w, svc)...)
	}
	for _, of := range others {
		out = append(out, of(w)...)
	}
	slices.SortFunc(out, func(a, b finding.Symptom) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Evidence.Key(), b.Evidence.Key()), cmp.Compare(a.Sort, b.Sort))
	})
	return out
}

// others find symptoms in the facts of single observers; each has its file.
var others = []func(*window.Window) []finding.Symptom{
	ofNodes,
}

// whole tells whether the key is of a target that is a whole namespace or the
// whole cluster.
func whole(w *window.Window, k event.Key) bool {
	t := w.Target
	return t.Kind == "Cluster" || t.Key.Type == event.Namespace && w.Graph.Name(k).Namespace == t.Key.ID
}

// Workloads lists the controllers that the target is or holds, and those of its
// pods, sorted.
func Workloads(w *window.Window) []event.Key {
	var out []event.Key
	if w.Target.Key.Type == event.Workload {
		out = append(out, w.Target.Key)
	}
	for _, pod := range w.Target.Pods {
		if wl, ok := w.Graph.WorkloadOf(pod); ok {
			out = append(out, wl)
		}
	}
	for _, wl := range w.Graph.Workloads() {
		if whole(w, wl) {
			out = append(out, wl)
		}
	}
	slices.SortFunc(out, event.Key.Compare)
	return slices.Compact(out)
}

// Services lists the Services that the target is or holds, and those that
// select its pods, sorted.
func Services(w *window.Window) []event.Key {
	var out []event.Key
	if w.Target.Key.Type == event.Service {
		out = append(out, w.Target.Key)
	}
	for _, svc := range w.Graph.AllServices() {
		if whole(w, svc) {
			out = append(out, svc)
		}
	}
	for _, pod := range w.Target.Pods {
		out = append(out, w.Graph.Services(pod)...)
	}
	slices.SortFunc(out, event.Key.Compare)
	return slices.Compact(out)
}

// Nodes lists the nodes that the target is or is on; of the whole cluster those
// that have pods, sorted.
func Nodes(w *window.Window) []event.Key {
	var out []event.Key
	if w.Target.Key.Type == event.Node {
		out = append(out, w.Target.Key)
	}
	for _, pod := range w.Target.Pods {
		if n, ok := w.Graph.NodeOf(pod); ok {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, event.Key.Compare)
	return slices.Compact(out)
}
