package cluster

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/event"
)

// revisionAnnotation is where the Deployment controller writes a ReplicaSet's
// revision.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// History is the ReplicaSets of a source by what controls them. It is made anew
// for each look.
type History struct {
	src     Source
	byOwner map[event.Key][]*appsv1.ReplicaSet
}

// History reads the ReplicaSets; it is empty when they are unknown.
func (s Source) History() (History, error) {
	h := History{src: s, byOwner: map[event.Key][]*appsv1.ReplicaSet{}}
	if !s.Knows(ReplicaSets) {
		return h, nil
	}
	all, err := s.ReplicaSets.List(labels.Everything())
	if err != nil {
		return h, fmt.Errorf("replicasets cannot be read: %w", err)
	}
	for _, rs := range all {
		owner := ReplicaSetOwner(rs)
		h.byOwner[owner] = append(h.byOwner[owner], rs)
	}
	return h, nil
}

// Before is the pod template of the revision before that of a Deployment's
// pod; nil when there is none that is known.
func (h History) Before(pod *corev1.Pod) *corev1.PodTemplateSpec {
	ref := metav1.GetControllerOf(pod)
	if ref == nil || ref.Kind != "ReplicaSet" || len(h.byOwner) == 0 {
		return nil
	}
	own, err := h.src.ReplicaSets.ReplicaSets(pod.Namespace).Get(ref.Name)
	if err != nil { // its ReplicaSet is gone: nothing to compare with
		return nil
	}
	var before *appsv1.ReplicaSet
	for _, rs := range h.byOwner[ReplicaSetOwner(own)] {
		if revisionOf(rs) < revisionOf(own) && (before == nil || revisionOf(rs) > revisionOf(before)) {
			before = rs
		}
	}
	if before == nil {
		return nil
	}
	return &before.Spec.Template
}

func revisionOf(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return -1
	}
	return n
}
