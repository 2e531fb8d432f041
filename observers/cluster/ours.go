package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// runLabel is on every object of a run's own probes.
const runLabel = "tapio.dev/run"

// ours tells whether an object belongs to a probe, or is an Event about one:
// what the observation itself does in the cluster is no part of any story. An
// Event has no labels of its subject, so the name decides: "tapio-" and 16 hex
// digits for the Job, a suffix more for its pod.
func ours(obj any) bool {
	if e, ok := obj.(*corev1.Event); ok {
		kind := e.InvolvedObject.Kind
		return (kind == "Pod" || kind == "Job") && probeName(e.InvolvedObject.Name)
	}
	m, err := meta.Accessor(obj)
	return err == nil && m.GetLabels()[runLabel] != "" && probeName(m.GetName())
}

func probeName(name string) bool {
	id, ok := strings.CutPrefix(name, "tapio-")
	id, _, _ = strings.Cut(id, "-")
	return ok && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}
