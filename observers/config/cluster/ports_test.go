package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yairfalse/tapio/observers/config"
)

func TestSamePort(t *testing.T) {
	two := func(port int32, side corev1.Container) *corev1.Pod {
		p := runs(pod("a"), noon)
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: port}}
		side.Name = "side"
		p.Spec.Containers = append(p.Spec.Containers, side)
		return p
	}
	with := func(env ...corev1.EnvVar) corev1.Container { return corev1.Container{Env: env} }
	tests := []struct {
		name string
		pod  *corev1.Pod
		want []string
	}{
		{"different ports", two(8080, corev1.Container{Ports: []corev1.ContainerPort{{ContainerPort: 9090}}}), nil},
		{
			"both declare it", two(8080, corev1.Container{Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}),
			[]string{"config.same_port u-a/app u-a/side port=8080 where=containerPort", "config.same_port u-a/side u-a/app port=8080 where=containerPort"},
		},
		{"the other protocol", two(53, corev1.Container{Ports: []corev1.ContainerPort{{ContainerPort: 53, Protocol: corev1.ProtocolUDP}}}), nil},
		{"a variable to listen on", two(8080, with(lit("ADMIN_PORT", "8080"))), []string{"config.same_port u-a/app u-a/side port=8080 where=env ADMIN_PORT"}},
		{"in a document", two(8080, with(lit("PROXY", `{"a":{},"statusPort":8080,"x":1}`))), []string{"config.same_port u-a/app u-a/side port=8080 where=env PROXY: statusPort"}},
		{"an argument", two(8080, corev1.Container{Args: []string{"--metrics-port=8080"}}), []string{"config.same_port u-a/app u-a/side port=8080 where=args --metrics-port"}},
		{"an argument of two words", two(8080, corev1.Container{Args: []string{"--listen-port", "8080"}}), []string{"config.same_port u-a/app u-a/side port=8080 where=args --listen-port"}},
		{"the port that it forwards to", two(8080, with(lit("APP_PORT", "8080"), lit("UPSTREAM_PORT", "8080"), lit("PORTS", `[{"containerPort":8080}]`))), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, of(config.SamePort, facts(t, []runtime.Object{tt.pod}...)), tt.want, "port", "where")
		})
	}
}

func TestListens(t *testing.T) {
	for key, want := range map[string]bool{
		"statusPort": true, "STATUS_PORT": true, "--metrics-port": true, "listen.port": true, "healthPort": true,
		"port": false, "PORT": false, "appPort": false, "containerPort": false, "status": false, "": false, "export": false, "ADMIN_REPORT": false,
	} {
		if got := listens(key); got != want {
			t.Errorf("%q: %t", key, got)
		}
	}
}
