package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/observers/event"
)

func TestWorkload(t *testing.T) {
	rs := ownedBy("apps/v1", "ReplicaSet", "api-5d9f")
	hashed := map[string]string{"app": "api", "pod-template-hash": "5d9f"}
	other := newReplicaSet("api-5d9f", ownedBy("apps/v1", "Deployment", "api"))
	other.UID = "another"
	yes := true
	tests := []struct {
		name string
		pod  *corev1.Pod
		objs []runtime.Object
		want string // key id; empty for none
	}{
		{"none", newPod("p", nil, nil), nil, ""},
		{"deployment", newPod("p", rs, hashed), []runtime.Object{newReplicaSet("api-5d9f", ownedBy("apps/v1", "Deployment", "api"))}, "Deployment/shop/api"},
		{"rollout of another maker", newPod("p", rs, nil), []runtime.Object{newReplicaSet("api-5d9f", ownedBy("argoproj.io/v1alpha1", "Rollout", "api"))}, "Rollout/shop/api"},
		{"bare replicaset", newPod("p", rs, nil), []runtime.Object{newReplicaSet("api-5d9f", nil)}, "ReplicaSet/shop/api-5d9f"},
		{"replicaset of that name, but another", newPod("p", rs, nil), []runtime.Object{other}, "ReplicaSet/shop/api-5d9f"},
		{"statefulset", newPod("p", ownedBy("apps/v1", "StatefulSet", "db"), nil), nil, "StatefulSet/shop/db"},
		{"job", newPod("p", ownedBy("batch/v1", "Job", "run-1"), nil), nil, "Job/shop/run-1"},
		{"static pod", newPod("p", ownedBy("v1", "Node", "n1"), nil), nil, ""},
		{"custom kind called Node", newPod("p", ownedBy("example.com/v1", "Node", "n1"), nil), nil, "Node/shop/n1"},
		{"owner without controller flag", newPod("p", []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "x"}}, nil), nil, ""},
		{"owner without a name", newPod("p", []metav1.OwnerReference{{Kind: "ReplicaSet", Controller: &yes}}, nil), nil, ""},
		{"owner with an endless name", newPod("p", ownedBy("apps/v1", "StatefulSet", strings.Repeat("x", 1<<20)), nil), nil, ""},
		{"cyclic owners", newPod("p", rs, nil), []runtime.Object{newReplicaSet("api-5d9f", ownedBy("apps/v1", "ReplicaSet", "api-5d9f"))}, "ReplicaSet/shop/api-5d9f"},

		{"hash, deployment there", newPod("p", rs, hashed), []runtime.Object{newDeployment("api", map[string]string{"app": "api"})}, "Deployment/shop/api"},
		{"hash, deployment of other pods", newPod("p", rs, hashed), []runtime.Object{newDeployment("api", map[string]string{"app": "web"})}, "ReplicaSet/shop/api-5d9f"},
		{"hash, deployment selects everything", newPod("p", rs, hashed), []runtime.Object{newDeployment("api", nil)}, "ReplicaSet/shop/api-5d9f"},
		{"hash, deployment unknown", newPod("p", rs, hashed), nil, "ReplicaSet/shop/api-5d9f"},
		{"name without the hash", newPod("p", ownedBy("apps/v1", "ReplicaSet", "api-1234"), hashed), []runtime.Object{newDeployment("api", map[string]string{"app": "api"})}, "ReplicaSet/shop/api-1234"},
		{"name that is only the hash", newPod("p", ownedBy("apps/v1", "ReplicaSet", "-5d9f"), hashed), nil, "ReplicaSet/shop/-5d9f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, ok := FromObjects(tt.objs, nil, noon).Workload(tt.pod)
			if ok != (tt.want != "") || key.ID != tt.want {
				t.Errorf("got %v %v, want %q", key, ok, tt.want)
			}
		})
	}
}

func TestUID(t *testing.T) {
	if got := UID(newPod("a", nil, nil)); got != "uid-a" {
		t.Errorf("got %q", got)
	}
	if got := UID(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a"}}); got != "shop.a" {
		t.Errorf("without a uid: got %q", got)
	}
}

// FuzzWorkload: owners that make no sense, rings among them, name some
// controller or none, and never the pod itself.
func FuzzWorkload(f *testing.F) {
	f.Add("ReplicaSet", "apps/v1", "api-1", "ReplicaSet", "api-1", "1")
	f.Add("ReplicaSet", "apps/v1", "api-1", "Pod", "p", "")
	f.Add("", "/", "", "Deployment", "api", "1")
	f.Fuzz(func(t *testing.T, kind, version, name, upKind, upName, hash string) {
		p := newPod("p", ownedBy(version, kind, name), map[string]string{"pod-template-hash": hash})
		rs := newReplicaSet(name, ownedBy("apps/v1", upKind, upName))
		rs.UID = ""
		src := FromObjects([]runtime.Object{p, rs, newReplicaSet("r", ownedBy("apps/v1", "ReplicaSet", "r")), newDeployment("api", nil)}, nil, noon)
		key, ok := src.Workload(p)
		if ok == key.IsZero() || ok && key.Type != event.Workload {
			t.Errorf("%v, %v", key, ok)
		}
	})
}
