package cluster

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers/event"
)

// Workload is the key of the controller that holds a pod: a ReplicaSet is
// skipped in favour of its own controller. ok is false for a pod without a
// controller and for a static pod, whose owner is its node. When ReplicaSets
// are unknown and nothing else proves the Deployment, the ReplicaSet itself is
// the answer: true, though not the top.
func (s Source) Workload(pod *corev1.Pod) (key event.Key, ok bool) {
	ref := metav1.GetControllerOf(pod)
	if ref == nil || !plausible(ref) || (ref.Kind == "Node" && inGroup(ref, "")) {
		return event.Key{}, false
	}
	if ref.Kind != "ReplicaSet" || !inGroup(ref, "apps") {
		return event.WorkloadKey(ref.Kind, pod.Namespace, ref.Name), true
	}
	rs, err := s.ReplicaSets.ReplicaSets(pod.Namespace).Get(ref.Name)
	if err == nil && sameUID(rs.UID, ref.UID) {
		return ReplicaSetOwner(rs), true
	}
	if d := s.byTemplateHash(pod, ref.Name); d != "" {
		return event.WorkloadKey("Deployment", pod.Namespace, d), true
	}
	return event.WorkloadKey("ReplicaSet", pod.Namespace, ref.Name), true
}

// ReplicaSetOwner is the key of what controls a ReplicaSet, or of itself when
// nothing does.
func ReplicaSetOwner(rs *appsv1.ReplicaSet) event.Key {
	if up := metav1.GetControllerOf(rs); up != nil && plausible(up) {
		return event.WorkloadKey(up.Kind, rs.Namespace, up.Name)
	}
	return event.WorkloadKey("ReplicaSet", rs.Namespace, rs.Name)
}

// byTemplateHash names the Deployment of a ReplicaSet that cannot be read. The
// Deployment controller names its ReplicaSets NAME-HASH and labels their pods
// with the hash; that alone proves nothing, so the Deployment must be there and
// its selector must match the pod.
func (s Source) byTemplateHash(pod *corev1.Pod, replicaSet string) string {
	hash := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	name, ok := strings.CutSuffix(replicaSet, "-"+hash)
	if hash == "" || !ok || name == "" {
		return ""
	}
	d, err := s.Deployments.Deployments(pod.Namespace).Get(name)
	if err != nil || d.Spec.Selector == nil {
		return ""
	}
	sel, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil || sel.Empty() || !sel.Matches(labels.Set(pod.Labels)) {
		return ""
	}
	return name
}

// plausible refuses what no API server would store.
func plausible(ref *metav1.OwnerReference) bool {
	return ref.Name != "" && ref.Kind != "" && Plausible(ref.Name) && Plausible(ref.Kind)
}

// maxName is the length of the longest name, in bytes (RFC 1123 subdomain).
const maxName = 253

// Plausible tells whether all are short enough to be names, so that no object
// from a file can make a fact that does not fit into a frame.
func Plausible(names ...string) bool {
	for _, n := range names {
		if len(n) > maxName {
			return false
		}
	}
	return true
}

func inGroup(ref *metav1.OwnerReference, group string) bool {
	g, _, ok := strings.Cut(ref.APIVersion, "/")
	if !ok {
		g = ""
	}
	return g == group
}

// sameUID compares where both are there; files may leave them out.
func sameUID[T ~string](a, b T) bool { return a == "" || b == "" || a == b }

// UID identifies a pod. Files may lack uids; then namespace and name stand in.
func UID(p *corev1.Pod) types.UID {
	if p.UID != "" {
		return p.UID
	}
	return types.UID(p.Namespace + "." + p.Name)
}
