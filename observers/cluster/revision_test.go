package cluster

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestBefore(t *testing.T) {
	rs := func(name, owner, rev string) *appsv1.ReplicaSet {
		out := newReplicaSet(name, ownedBy("apps/v1", "Deployment", owner))
		out.Annotations = map[string]string{revisionAnnotation: rev}
		out.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: name}}
		return out
	}
	pod := newPod("api-3-x", ownedBy("apps/v1", "ReplicaSet", "api-3"), nil)
	tests := []struct {
		name string
		objs []runtime.Object
		want string
	}{
		{"the newest below its own", []runtime.Object{pod, rs("api-1", "api", "1"), rs("api-2", "api", "2"), rs("api-3", "api", "3"), rs("api-4", "api", "4"), rs("web-2", "web", "2")}, "api-2"},
		{"the first revision", []runtime.Object{pod, rs("api-3", "api", "1")}, ""},
		{"no ReplicaSets in the input", []runtime.Object{pod}, ""},
		{"its own is gone", []runtime.Object{pod, rs("api-2", "api", "2")}, ""},
		{"a revision that is no number", []runtime.Object{pod, rs("api-2", "api", "x"), rs("api-3", "api", "3")}, "api-2"},
		{"no controller", []runtime.Object{newPod("api-3-x", nil, nil), rs("api-2", "api", "2")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := FromObjects(tt.objs, nil, noon).History()
			if err != nil {
				t.Fatal(err)
			}
			got := h.Before(tt.objs[0].(*corev1.Pod))
			name := ""
			if got != nil {
				name = got.Spec.Containers[0].Image
			}
			if name != tt.want {
				t.Errorf("%q, want %q", name, tt.want)
			}
		})
	}
}
