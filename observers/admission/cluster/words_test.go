package cluster

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/google/go-cmp/cmp"
)

func TestReadExceeded(t *testing.T) {
	for _, tt := range []struct {
		message, name string
		want          []told
	}{
		{
			`pods "a" is forbidden: exceeded quota: q, requested: pods=1,requests.memory=1Gi, used: pods=10,requests.memory=3Gi, limited: pods=10,requests.memory=3Gi`,
			"q", []told{{"pods", "1", "10", "10"}, {"requests.memory", "1Gi", "3Gi", "3Gi"}},
		},
		{message: `exceeded quota: q, requested: pods=1`},
		{message: `exceeded quota: q w, requested: pods=1, used: pods=1, limited: pods=1`},
		{message: `exceeded quota: q, requested: pods=x, used: pods=1, limited: pods=1`, name: "q"},
		{message: "something else"},
	} {
		name, got := readExceeded(tt.message)
		if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(told{})); d != "" || name != tt.name {
			t.Errorf("%q: quota %q %s", tt.message, name, d)
		}
	}
}

func TestExceededByWords(t *testing.T) {
	got := tell(t, objects(t, set("web-1", 3, oneContainer), pods(1, "web-1"), accounts,
		happened("FailedCreate", "ReplicaSet", "web-1", "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1", "11:59:50")))
	want := "exceeds Deployment/shop/web limit:shop hard=1 name=q needs=1 resource=pods used=1 words=true"
	if !slices.Contains(got, want) {
		t.Errorf("missing %s in\n%s", want, strings.Join(got, "\n"))
	}
}

func TestReadAnswer(t *testing.T) {
	for message, want := range map[string]answer{
		`admission webhook "a.b" denied the request: no`:                                       {name: "a.b", denied: true},
		`Internal error occurred: failed calling webhook "a.b": failed to call webhook: x`:     {name: "a.b", down: true},
		`pods "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request`: {name: "p", kind: "policy", denied: true},
		`admission webhook "": x`:              {},
		`failed calling webhook "unfinished`:   {},
		`exceeded quota: q, requested: pods=1`: {},
	} {
		if got, ok := readAnswer(message); got != want || ok != (want != answer{}) {
			t.Errorf("%q: %+v %v", message, got, ok)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(`exceeded quota: q, requested: pods=1,a=2, used: pods=10, limited: pods=10`)
	f.Add(`admission webhook "a.b" denied the request: no`)
	f.Add(`failed calling webhook "`)
	f.Fuzz(func(t *testing.T, message string) {
		name, list := readExceeded(message)
		if len(list) > maxTold || len(name) > 253 || name == "" && list != nil {
			t.Errorf("quota %q with %d resources", name, len(list))
		}
		for _, x := range list {
			if !isQuantity(x.needs) || !isQuantity(x.hard) {
				t.Errorf("no quantities: %+v", x)
			}
		}
		if a, ok := readAnswer(message); ok && (a.name == "" || len(a.name) > 253 || !strings.Contains(message, a.name)) {
			t.Errorf("webhook %q", a.name)
		}
	})
}

// TestSum takes the larger of what runs together and what an init container
// needs, as the API server does.
func TestSum(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	c := func(cpu string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
	}
	sidecar := c("200m")
	sidecar.RestartPolicy = &always
	for name, tt := range map[string]struct {
		spec corev1.PodSpec
		want string
	}{
		"main containers":                  {corev1.PodSpec{Containers: []corev1.Container{c("100m"), c("50m")}}, "150m"},
		"a larger init container":          {corev1.PodSpec{Containers: []corev1.Container{c("100m")}, InitContainers: []corev1.Container{c("300m"), c("200m")}}, "300m"},
		"a sidecar runs along":             {corev1.PodSpec{Containers: []corev1.Container{c("100m")}, InitContainers: []corev1.Container{sidecar}}, "300m"},
		"init after sidecar":               {corev1.PodSpec{Containers: []corev1.Container{c("100m")}, InitContainers: []corev1.Container{sidecar, c("250m")}}, "450m"},
		"init before sidecar stands alone": {corev1.PodSpec{Containers: []corev1.Container{c("100m")}, InitContainers: []corev1.Container{c("250m"), sidecar}}, "300m"},
		"overhead":                         {corev1.PodSpec{Containers: []corev1.Container{c("100m")}, Overhead: corev1.ResourceList{"cpu": resource.MustParse("10m")}}, "110m"},
	} {
		w := wantOf(&corev1.PodTemplateSpec{Spec: tt.spec}, nil, nil)
		if got := w.requests["cpu"]; got.String() != tt.want {
			t.Errorf("%s: %s, want %s", name, got.String(), tt.want)
		}
	}
}
