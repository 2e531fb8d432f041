package ports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestOf(t *testing.T) {
	env := func(name, value string) corev1.Container {
		return corev1.Container{Env: []corev1.EnvVar{{Name: name, Value: value}}}
	}
	args := func(words ...string) corev1.Container { return corev1.Container{Args: words} }
	tests := []struct {
		name string
		c    corev1.Container
		want string
	}{
		{"declared", corev1.Container{Ports: []corev1.ContainerPort{{Name: "dns", ContainerPort: 53, Protocol: "UDP"}}}, "53/UDP containerPort"},
		{"env", env("PORT", "8080"), "8080/TCP env PORT"},
		{"env with words", env("SERVER_HTTP_PORT", "8080"), "8080/TCP env SERVER_HTTP_PORT"},
		{"a peer's port", env("REDIS_PORT", "6379"), ""},
		{"a Service's port", env("API_SERVICE_PORT", "80"), ""},
		{"a name that only begins so", env("PORTAL", "80"), ""},
		{"no number", env("PORT", "http"), ""},
		{"too large", env("PORT", "65536"), ""},
		{"address of all interfaces", env("LISTEN", "0.0.0.0:9090"), "9090/TCP env LISTEN"},
		{"address of a peer", env("LISTEN", "db:9090"), ""},
		{"document", env("PROXY", `{"statusPort":15020,"port":1,"upstream":{"dbPort":3306},"admin":{"adminPort":9901}}`), "9901/TCP env PROXY adminPort|15020/TCP env PROXY statusPort"},
		{"broken document", env("PROXY", `{"statusPort":15020`), ""},
		{"probe settings of another container", env("PROBERS", `{"/readyz":{"tcpSocket":{"port":8080}}}`), ""},
		{"flag", args("--port=8080"), "8080/TCP args --port"},
		{"flag and value", args("serve", "--http-port", "8080", "9"), "8080/TCP args --http-port"},
		{"address flag", args("--web.listen-address=:9090"), "9090/TCP args --web.listen-address"},
		{"shell", args("exec server --port 7000 --db-port 3306"), "7000/TCP args --port"},
		{"another number", args("--replicas=3", "8080"), ""},
		{"twice the same", corev1.Container{Args: []string{"--port=80", "--port=80"}}, "80/TCP args --port"},
		{"huge", args("--port=" + strings.Repeat("8", maxText)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range Of(&tt.c) {
				got = append(got, fmt.Sprintf("%d/%s %s", c.Port, c.Protocol, c.From))
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestOfPodLeavesOutWhatIsOver(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	port := func(n int32) []corev1.ContainerPort { return []corev1.ContainerPort{{ContainerPort: n}} }
	got := OfPod(&corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "once", Ports: port(1)}, {Name: "sidecar", Ports: port(2), RestartPolicy: &always}},
		Containers:     []corev1.Container{{Name: "app", Ports: port(3)}},
	})
	if len(got) != 2 || got[0].Container != "sidecar" || got[1].Container != "app" {
		t.Errorf("%+v", got)
	}
}

func TestSpeaks(t *testing.T) {
	h2c, odd := "kubernetes.io/h2c", "x"
	for got, want := range map[string]string{
		Speaks("grpc-web"): "grpc", Speaks("http2"): "grpc", Speaks("HTTP"): "http", Speaks("https-admin"): "https", Speaks("main"): "",
		Application(&h2c): "grpc", Application(&odd): "", Application(nil): "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("PROXY", `{"statusPort":1,"a":{"b":{"c":{"d":{"httpPort":2}}}}}`, "--port=1")
	f.Add("PORT", ":80", "--listen :1 -")
	f.Fuzz(func(t *testing.T, name, value, arg string) {
		c := corev1.Container{Env: []corev1.EnvVar{{Name: name, Value: value}}, Args: []string{arg}}
		got := Of(&c)
		if !slices.Equal(got, Of(&c)) {
			t.Error("the same spec gave other claims")
		}
		for _, x := range got {
			if x.Port < 1 || x.Port > 65535 || x.From == "" {
				t.Errorf("%+v", x)
			}
		}
	})
}

func TestProbed(t *testing.T) {
	c := corev1.Container{
		Ports:          []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("web")}}},
		LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("9090")}}},
		StartupProbe:   &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 99999}}},
	}
	got := Probed(&c)
	if len(got) != 2 || got[0].Port != 8080 || got[1].Port != 9090 {
		t.Errorf("%+v", got)
	}
	c.ReadinessProbe.HTTPGet.Port = intstr.FromString("nope")
	if got := Probed(&c); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}
