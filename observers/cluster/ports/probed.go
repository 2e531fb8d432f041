package ports

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Probed lists the ports at which a container is probed, with the name of the
// probe as source.
func Probed(c *corev1.Container) []Claim {
	var out []Claim
	for _, x := range []struct {
		name  string
		probe *corev1.Probe
	}{{"readiness probe", c.ReadinessProbe}, {"liveness probe", c.LivenessProbe}, {"startup probe", c.StartupProbe}} {
		if x.probe == nil {
			continue
		}
		var port int32
		switch h := x.probe.ProbeHandler; {
		case h.HTTPGet != nil:
			port = resolve(c, h.HTTPGet.Port)
		case h.TCPSocket != nil:
			port = resolve(c, h.TCPSocket.Port)
		case h.GRPC != nil:
			port = h.GRPC.Port
		}
		if port > 0 && port <= 65535 {
			out = append(out, Claim{Container: c.Name, Port: port, Protocol: corev1.ProtocolTCP, From: x.name})
		}
	}
	return out
}

func resolve(c *corev1.Container, v intstr.IntOrString) int32 {
	if n := v.IntValue(); n > 0 && n <= 65535 {
		return int32(n)
	}
	n, _ := Named(c, v.StrVal)
	return n
}

// Named finds the number of a declared port by its name; ok is false when no
// container of the list declares it.
func Named(c *corev1.Container, name string) (int32, bool) {
	for _, p := range c.Ports {
		if p.Name == name && name != "" {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// Speaks tells what a port speaks as far as its name tells: "grpc", "http",
// "https" or "". Names follow the pattern protocol[-suffix].
func Speaks(name string) string {
	first, _, _ := strings.Cut(strings.ToLower(name), "-")
	switch first {
	case "grpc", "http", "https":
		return first
	case "http2", "h2c":
		return "grpc"
	}
	return ""
}

// Application tells what an appProtocol says: "grpc", "http", "https" or "".
func Application(appProtocol *string) string {
	if appProtocol == nil {
		return ""
	}
	p := strings.ToLower(*appProtocol)
	if i := strings.LastIndexByte(p, '/'); i >= 0 { // kubernetes.io/h2c
		p = p[i+1:]
	}
	return Speaks(p)
}
