package cluster

import (
	"bytes"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// replicasField marks a manager's claim on the number of replicas.
var replicasField = []byte(`"f:replicas"`)

// authors keeps of an object's managed fields who wrote its wanted state and
// when, and which of them set the replicas; the sets of fields themselves are
// dropped. Of objects that nobody edits by hand nothing is kept.
func authors(obj any, fields []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	switch obj.(type) {
	case *corev1.Pod, *corev1.Event, *corev1.Endpoints, *discoveryv1.EndpointSlice, *corev1.Node:
		return nil
	}
	var out []metav1.ManagedFieldsEntry
	for _, f := range fields {
		if f.Subresource == "status" || f.Time == nil {
			continue
		}
		e := metav1.ManagedFieldsEntry{Manager: f.Manager, Operation: f.Operation, Subresource: f.Subresource, Time: f.Time}
		if setsReplicas(f) {
			e.FieldsV1 = &metav1.FieldsV1{}
			e.FieldsV1.SetRawBytes(replicasField)
		}
		out = append(out, e)
	}
	return out
}

func setsReplicas(f metav1.ManagedFieldsEntry) bool {
	return f.Subresource == "scale" || f.FieldsV1 != nil && bytes.Contains(f.FieldsV1.GetRawBytes(), replicasField)
}

// Author is who wrote an object's wanted state.
type Author struct {
	Manager string // as the API server recorded it: the name of the client program
	At      time.Time
}

// controllers write annotations and owner references of the objects they
// manage; that is no edit.
var controllers = map[string]bool{"kube-controller-manager": true, "kube-scheduler": true, "kubelet": true}

// LastAuthor is the newest edit of an object's wanted state by somebody other
// than Kubernetes' own controllers, or by any when only they wrote it. It is
// zero when the API server recorded none.
func LastAuthor(m metav1.Object) Author {
	var people, all Author
	for _, f := range m.GetManagedFields() {
		if f.Subresource == "status" || f.Time == nil {
			continue
		}
		a := Author{Manager: f.Manager, At: f.Time.Time}
		if a.At.After(all.At) {
			all = a
		}
		if !controllers[f.Manager] && a.At.After(people.At) {
			people = a
		}
	}
	if people.At.IsZero() {
		return all
	}
	return people
}

// ReplicasAuthor is who last set an object's number of replicas; the time is
// that of the manager's last edit, which may have been of another field.
func ReplicasAuthor(m metav1.Object) Author {
	var out Author
	for _, f := range m.GetManagedFields() {
		if f.Subresource == "status" || f.Time == nil || !setsReplicas(f) {
			continue
		}
		if f.Time.After(out.At) {
			out = Author{Manager: f.Manager, At: f.Time.Time}
		}
	}
	return out
}

// Keeper is what keeps an object as it is and takes back edits by hand: a
// GitOps controller or a package manager.
type Keeper struct {
	Tool string // "Argo CD", "Flux", "Helm", or an owner's kind
	Name string // application, kustomization, release or owner
}

// KeeperOf reads from labels, annotations and owners what keeps the object, or
// the zero Keeper.
func KeeperOf(m metav1.Object) Keeper {
	l, a := m.GetLabels(), m.GetAnnotations()
	first := func(vs ...string) string {
		for _, v := range vs {
			if v != "" && Plausible(v) {
				return v
			}
		}
		return ""
	}
	if id := a["argocd.argoproj.io/tracking-id"]; id != "" {
		app, _, _ := bytes.Cut([]byte(id), []byte(":"))
		return Keeper{"Argo CD", first(string(app), "unknown")}
	}
	if app := l["argocd.argoproj.io/instance"]; app != "" {
		return Keeper{"Argo CD", first(app, "unknown")}
	}
	if k := l["kustomize.toolkit.fluxcd.io/name"]; k != "" {
		return Keeper{"Flux", first(k, "unknown")}
	}
	if k := l["helm.toolkit.fluxcd.io/name"]; k != "" {
		return Keeper{"Flux", first(k, "unknown")}
	}
	if r := a["meta.helm.sh/release-name"]; r != "" {
		return Keeper{"Helm", first(r, "unknown")}
	}
	if l["app.kubernetes.io/managed-by"] == "Helm" {
		return Keeper{"Helm", first(l["app.kubernetes.io/instance"], "unknown")}
	}
	if up := metav1.GetControllerOfNoCopy(m); up != nil && plausible(up) && up.Kind != "ReplicaSet" && up.Kind != "Node" {
		return Keeper{up.Kind, up.Name}
	}
	return Keeper{}
}
