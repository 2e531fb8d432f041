package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/image"
	"github.com/yairfalse/tapio/observers/observertest"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("u-" + name), CreationTimestamp: metav1.NewTime(noon)}
}

// pod has one container "app" with the image; a reason makes it wait.
func pod(name, img, reason, message string, secrets ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app", Image: img}}}}
	for _, s := range secrets {
		p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	st := corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon)}}}
	if reason != "" {
		st.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{st}
	return p
}

func owned(p *corev1.Pod, rs string) *corev1.Pod {
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: rs, UID: types.UID("u-" + rs), Controller: &yes}}
	return p
}

func replicaSet(name, rev, img string) *appsv1.ReplicaSet {
	yes := true
	rs := &appsv1.ReplicaSet{ObjectMeta: meta(name)}
	rs.Annotations = map[string]string{"deployment.kubernetes.io/revision": rev}
	rs.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "api", UID: "u-api", Controller: &yes}}
	rs.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: img}}
	return rs
}

func report(pod, reason, message string, at time.Time) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     meta(fmt.Sprintf("%s.%s.%d", pod, reason, at.Unix())),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod, UID: types.UID("u-" + pod), FieldPath: "spec.containers{app}"},
		Reason:         reason, Message: message, FirstTimestamp: metav1.NewTime(at), LastTimestamp: metav1.NewTime(at), Count: 1,
	}
}

func pullSecret(name, host string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: meta(name), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{
		corev1.DockerConfigJsonKey: []byte(`{"auths":{"` + host + `":{"auth":"c2VjcmV0OnNlY3JldA=="}}}`),
	}}
}

func facts(t *testing.T, objs ...runtime.Object) []event.Event {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, noon.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return observertest.Run(t, obs, image.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
}

func brief(e event.Event) string {
	var out []string
	for _, n := range []string{"class", "pull_secrets", "secret_absent", "secret_foreign", "same_repository", "other_image", "same_registry", "with_secrets", "alike_failing", "earlier", "earlier_runs", "architecture"} {
		if v, ok := e.Attrs[n]; ok && v.String() != "0" {
			out = append(out, n+"="+v.String())
		}
	}
	return e.Subject().ID + " " + strings.Join(out, " ")
}

func TestFacts(t *testing.T) {
	const notFound = `Failed to pull image "reg.local/team/api:9": rpc error: code = NotFound desc = reg.local/team/api:9: not found`
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{"nothing waits", []runtime.Object{pod("a", "reg.local/a:1", "", "")}, nil},
		{"another reason", []runtime.Object{pod("a", "reg.local/a:1", "CrashLoopBackOff", "not found")}, nil},
		{"the state tells", []runtime.Object{pod("a", "reg.local/team/api:9", "ErrImagePull", notFound)}, []string{"u-a/app class=not-found"}},
		{
			"an Event tells, the newest that says why",
			[]runtime.Object{
				pod("a", "reg.local/team/api:9", "ImagePullBackOff", `Back-off pulling image "reg.local/team/api:9"`),
				report("a", "Failed", `Failed to pull image "reg.local/team/api:9": dial tcp: lookup reg.local: no such host`, noon.Add(time.Minute)),
				report("a", "Failed", notFound, noon.Add(2*time.Minute)),
				report("a", "Failed", "Error: ImagePullBackOff", noon.Add(3*time.Minute)),
				report("other", "Failed", `Failed to pull image "reg.local/team/api:9": 401 Unauthorized`, noon.Add(4*time.Minute)),
			},
			[]string{"u-a/app class=not-found"},
		},
		{
			"an Event about the image of a revision before tells nothing",
			[]runtime.Object{
				pod("a", "reg.local/team/api:9", "ImagePullBackOff", ""),
				report("a", "Failed", `Failed to pull image "reg.local/team/api:7": 401 Unauthorized`, noon.Add(4*time.Minute)),
			},
			[]string{"u-a/app class=unknown"},
		},
		{
			"a named secret is absent",
			[]runtime.Object{pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"), &corev1.SecretList{}},
			[]string{"u-a/app class=denied pull_secrets=1 secret_absent=regcred"},
		},
		{
			"secrets are not known: absence is not claimed",
			[]runtime.Object{pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred")},
			[]string{"u-a/app class=denied pull_secrets=1"},
		},
		{
			"secrets are not known and the kubelet did not find it",
			[]runtime.Object{
				pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"),
				report("a", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (regcred)", noon),
			},
			[]string{"u-a/app class=denied pull_secrets=1 secret_absent=regcred"},
		},
		{
			"the secret is for another registry",
			[]runtime.Object{pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"), pullSecret("regcred", "https://ghcr.io/v1/")},
			[]string{"u-a/app class=denied pull_secrets=1 secret_foreign=regcred"},
		},
		{
			"the secret is for this registry",
			[]runtime.Object{pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"), pullSecret("regcred", "reg.local")},
			[]string{"u-a/app class=denied pull_secrets=1"},
		},
		{
			"a secret whose values are not part of the input",
			[]runtime.Object{pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"), &corev1.Secret{ObjectMeta: meta("regcred")}},
			[]string{"u-a/app class=denied pull_secrets=1"},
		},
		{
			"others run images of the repository and of the registry, one waits, too",
			[]runtime.Object{
				pod("a", "reg.local/team/api:9", "ErrImagePull", notFound),
				pod("b", "reg.local/team/api:8", "", ""), pod("c", "reg.local/team/web:1", "", "", "regcred"), pod("d", "ghcr.io/team/api:8", "", ""),
				pod("e", "reg.local/team/web:9", "ErrImagePull", "reg.local/team/web:9: not found"),
				&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "amd64"}}},
			},
			[]string{
				"u-a/app class=not-found same_repository=1 other_image=reg.local/team/api:8 same_registry=2 with_secrets=1 alike_failing=1 architecture=linux/amd64",
				"u-e/app class=not-found same_repository=1 other_image=reg.local/team/web:1 same_registry=2 with_secrets=1 alike_failing=1 architecture=linux/amd64",
			},
		},
		{
			"the revision before had another image, which runs",
			[]runtime.Object{
				owned(pod("new", "reg.local/team/api:9", "ErrImagePull", notFound), "api-2"), owned(pod("old", "reg.local/team/api:8", "", ""), "api-1"),
				replicaSet("api-0", "1", "reg.local/team/api:7"), replicaSet("api-1", "2", "reg.local/team/api:8"), replicaSet("api-2", "3", "reg.local/team/api:9"),
			},
			[]string{"u-new/app class=not-found same_repository=1 other_image=reg.local/team/api:8 same_registry=1 earlier=reg.local/team/api:8 earlier_runs=true"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range facts(t, tt.objs...) {
				got = append(got, brief(e))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// The credentials in a pull secret stay in the observer.
func TestSecretsStay(t *testing.T) {
	for _, e := range facts(t, pod("a", "reg.local/a:1", "ErrImagePull", "401 Unauthorized", "regcred"), pullSecret("regcred", "ghcr.io")) {
		if s := fmt.Sprint(e); strings.Contains(s, "c2VjcmV0") || strings.Contains(s, "ghcr.io") {
			t.Errorf("%s", s)
		}
	}
}

func TestServes(t *testing.T) {
	ref, _ := image.Parse("reg.local/team/api:1")
	hub, _ := image.Parse("redis")
	tests := []struct {
		host string
		ref  image.Reference
		want bool
	}{
		{"reg.local", ref, true},
		{"https://reg.local/v1/", ref, true},
		{"https://reg.local/v2/", ref, true},
		{"reg.local/team", ref, true},
		{"reg.local/teammate", ref, false},
		{"*.local", ref, true},
		{"ghcr.io", ref, false},
		{"https://index.docker.io/v1/", hub, true},
		{"", ref, false},
	}
	for _, tt := range tests {
		if got := serves([]string{tt.host}, tt.ref); got != tt.want {
			t.Errorf("%q for %s: %t", tt.host, tt.ref.Registry, got)
		}
	}
}
