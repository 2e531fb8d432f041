package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
	"github.com/yairfalse/tapio/observers/observertest"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(d)) }

func httpGet(port intstr.IntOrString, path string) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port, Path: path}}}
}

func grpc(port int32) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: port}}}
}

func exec(words ...string) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: words}}}
}

// pod is a pod of the Deployment app, running for ten minutes with one
// container.
func pod(name, app string, ready bool, restarts int32, c corev1.Container) *corev1.Pod {
	yes := true
	c.Name = "main"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID("u-" + name), CreationTimestamp: at(0), Labels: map[string]string{"app": app},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-2", Controller: &yes}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{c}},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionStatus(map[bool]string{true: "True", false: "False"}[ready]), LastTransitionTime: at(21 * time.Second)}},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "main", Ready: ready, RestartCount: restarts,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(time.Second)}},
			}},
		},
	}
}

func replicaSet(app, revision string, c corev1.Container) *appsv1.ReplicaSet {
	yes := true
	c.Name = "main"
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: app + "-" + revision, Annotations: map[string]string{revisionAnnotation: revision},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: app, Controller: &yes}},
		},
		Spec: appsv1.ReplicaSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}},
	}
}

func report(pod, reason, message string, count int32, first, last time.Duration) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint(pod, reason, message)[:20] + fmt.Sprint(len(message), first)},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod, FieldPath: "spec.containers{main}"},
		Reason:         reason, Message: message, Count: count, FirstTimestamp: at(first), LastTimestamp: at(last),
	}
}

func facts(t *testing.T, objs ...runtime.Object) []event.Event {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, noon.Add(10*time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	return observertest.Run(t, obs, health.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
}

// brief lists the fields of the facts, one line each.
func brief(es []event.Event) []string {
	var out []string
	for _, e := range es {
		var parts []string
		for name, v := range e.Attrs {
			switch name {
			case "initial_delay", "period", "timeout", "failures", "budget", "path", "asks", "has_startup", "which", "method":
				continue
			}
			parts = append(parts, name+"="+v.String())
		}
		slices.Sort(parts)
		what := strings.TrimPrefix(string(e.Kind), "health.") + " " + health.Which.Or(e, "")
		if e.Kind == health.Probe {
			what += " " + health.Method.Or(e, "")
		}
		if e.Count > 0 {
			what += fmt.Sprintf(" x%d over %s", e.Count, e.Span)
		}
		out = append(out, what+": "+strings.Join(parts, " "))
	}
	return out
}

func TestFacts(t *testing.T) {
	declared := []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "api"}, Ports: []corev1.ServicePort{{Name: "grpc", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
	tests := []struct {
		name string
		objs []runtime.Object
		want string
	}{
		{"all is well", []runtime.Object{pod("a", "api", true, 0, corev1.Container{ReadinessProbe: httpGet(intstr.FromInt32(9), "/")})}, ""},
		{
			"asks another port than all say",
			[]runtime.Object{pod("a", "api", false, 0, corev1.Container{
				Ports: declared, Env: []corev1.EnvVar{{Name: "PORT", Value: "8080"}},
				ReadinessProbe: httpGet(intstr.FromInt32(8081), "/"), LivenessProbe: httpGet(intstr.FromInt32(8080), "/"),
			}), service},
			"probe liveness http: passes=true port=8080 port_sources=3 speaks=grpc speaks_from=port of Service api speaks_sources=1|" +
				"probe readiness http: port=8081 port_sources=0 wanted=8080 wanted_from=containerPort, env PORT, Service api wanted_sources=4",
		},
		{
			"names a port that is not declared",
			[]runtime.Object{pod("a", "api", false, 0, corev1.Container{Ports: declared, ReadinessProbe: httpGet(intstr.FromString("http"), "/")})},
			"probe readiness http: port_name=http port_sources=0 unnamed=true wanted=8080 wanted_from=containerPort wanted_sources=1",
		},
		{
			"names a port", []runtime.Object{pod("a", "api", false, 0, corev1.Container{Ports: declared, ReadinessProbe: httpGet(intstr.FromString("web"), "/")})},
			"probe readiness http: port=8080 port_name=web port_sources=1",
		},
		{
			"http to what another probe takes for gRPC, as in the revision before",
			[]runtime.Object{
				pod("a", "api", true, 2, corev1.Container{Ports: declared, ReadinessProbe: grpc(8080), LivenessProbe: httpGet(intstr.FromInt32(8080), "/")}),
				replicaSet("api", "1", corev1.Container{LivenessProbe: grpc(8080)}),
				replicaSet("api", "2", corev1.Container{LivenessProbe: httpGet(intstr.FromInt32(8080), "/")}),
				report("a", "Unhealthy", `Liveness probe failed: Get "http://10.0.0.1:8080/": net/http: malformed HTTP response "x"`, 6, time.Minute, 9*time.Minute),
				report("a", "Killing", "Container main failed liveness probe, will be restarted", 2, time.Minute, 9*time.Minute),
			},
			"probe liveness http: before=grpc, path  changed=method,path port=8080 port_sources=2 previous_revision=1 speaks=grpc speaks_from=readiness probe, previous revision's liveness probe speaks_sources=2 took=20|" +
				"probe_failed liveness x6 over 8m0s: port=8080 what=malformed|probe_killed liveness x2 over 8m0s: |" +
				"probe readiness grpc: passes=true port=8080 port_sources=1 took=20",
		},
		{
			"something that no spec declares listens in other pods",
			[]runtime.Object{
				pod("a", "api", false, 0, corev1.Container{Ports: declared, ReadinessProbe: httpGet(intstr.FromInt32(15020), "/")}),
				pod("b", "web", true, 0, corev1.Container{Ports: declared, ReadinessProbe: httpGet(intstr.FromInt32(15020), "/")}),
				pod("c", "api", true, 0, corev1.Container{Ports: declared, ReadinessProbe: httpGet(intstr.FromInt32(15020), "/")}),
			},
			"probe readiness http: elsewhere=1 port=15020 port_sources=0 took=20 wanted=8080 wanted_from=containerPort wanted_sources=1",
		},
		{
			"helper in the container", []runtime.Object{pod("a", "api", false, 0, corev1.Container{Ports: declared, ReadinessProbe: exec("/bin/grpc_health_probe", "-addr=:8081")})},
			"probe readiness exec: port=8081 port_sources=0 wanted=8080 wanted_from=containerPort wanted_sources=1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(brief(facts(t, tt.objs...)), "|"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "|", "\n"), strings.ReplaceAll(tt.want, "|", "\n"))
			}
		})
	}
}

func TestHelper(t *testing.T) {
	tests := []struct {
		words []string
		port  int32
		asks  string
	}{
		{[]string{"grpc_health_probe", "-addr=localhost:50051"}, 50051, health.GRPC},
		{[]string{"/bin/grpc_health_probe", "-addr", ":50051"}, 50051, health.GRPC},
		{[]string{"sh", "-c", "curl -f http://127.0.0.1:8080/live || exit 1"}, 8080, health.HTTP},
		{[]string{"redis-cli", "-p", "6379", "ping"}, 6379, ""},
		{[]string{"nc", "-z", "[::1]:5432"}, 5432, ""},
		{[]string{"curl", "http://other:80/"}, 0, health.HTTP},
		{[]string{"cat", "/tmp/healthy"}, 0, ""},
		{nil, 0, ""},
	}
	for _, tt := range tests {
		if port, asks := helper(tt.words); port != tt.port || asks != tt.asks {
			t.Errorf("%q: %d %q", tt.words, port, asks)
		}
	}
}

func FuzzHelper(f *testing.F) {
	f.Add("sh", "-c nc -z localhost:1 --port=2")
	f.Fuzz(func(t *testing.T, a, b string) {
		if port, _ := helper([]string{a, b}); port < 0 || port > 65535 {
			t.Errorf("%q %q: %d", a, b, port)
		}
	})
}

func TestReportsWithoutFieldPath(t *testing.T) {
	e := report("a", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 1, time.Minute, time.Minute)
	e.InvolvedObject.FieldPath = ""
	p := pod("a", "api", false, 0, corev1.Container{ReadinessProbe: httpGet(intstr.FromInt32(80), "/")})
	got := brief(facts(t, p, e))
	if len(got) != 2 || got[1] != "probe_failed readiness x1 over 0s: code=503 what=status" {
		t.Errorf("%q", got)
	}
	// Of another pod with that name, which is gone.
	e.InvolvedObject.UID = "other"
	if got := brief(facts(t, p, e)); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
