package cluster

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/health"
)

// probe is a probe of a spec in one form for all its methods.
type probe struct {
	which, method, asks string
	port                int32 // 0 when it names none, or a name that is not declared
	portName            string
	unnamed             bool
	path                string
	delay, period       int64 // seconds
	timeout, threshold  int64
}

// probesOf lists the probes of a container.
func probesOf(c *corev1.Container) []probe {
	var out []probe
	for _, x := range []struct {
		which string
		probe *corev1.Probe
	}{{health.StartupKind, c.StartupProbe}, {health.Liveness, c.LivenessProbe}, {health.Readiness, c.ReadinessProbe}} {
		if x.probe != nil {
			out = append(out, probeOf(c, x.which, x.probe))
		}
	}
	return out
}

func probeOf(c *corev1.Container, which string, p *corev1.Probe) probe {
	out := probe{
		which: which, delay: int64(max(p.InitialDelaySeconds, 0)), period: orDefault(p.PeriodSeconds, 10),
		timeout: orDefault(p.TimeoutSeconds, 1), threshold: orDefault(p.FailureThreshold, 3),
	}
	switch {
	case p.HTTPGet != nil:
		out.method = health.HTTP
		if p.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			out.method = health.HTTPS
		}
		out.asks = out.method
		out.path, _, _ = strings.Cut(p.HTTPGet.Path, "?")
		out.setPort(c, p.HTTPGet.Port)
	case p.TCPSocket != nil:
		out.method = health.TCP
		out.setPort(c, p.TCPSocket.Port)
	case p.GRPC != nil:
		out.method, out.asks, out.port = health.GRPC, health.GRPC, p.GRPC.Port
	case p.Exec != nil:
		out.method = health.Exec
		out.port, out.asks = helper(p.Exec.Command)
	}
	return out
}

// setPort resolves a port as the kubelet does: a number, a number as text, or
// the name of a port of the same container.
func (p *probe) setPort(c *corev1.Container, v intstr.IntOrString) {
	if v.Type == intstr.Int {
		p.port = v.IntVal
		return
	}
	if n := v.IntValue(); n > 0 && n <= 65535 {
		p.port = int32(n)
		return
	}
	p.portName = v.StrVal
	n, ok := ports.Named(c, v.StrVal)
	p.port, p.unnamed = n, !ok
}

// orDefault is the API server's default for a field that is not set.
func orDefault(v, def int32) int64 {
	if v <= 0 {
		return int64(def)
	}
	return int64(v)
}

// budget is how many seconds a container has from its start until the probe can
// have failed often enough, at the least.
func (p probe) budget() int64 { return p.delay + p.period*(p.threshold-1) }

// maxWords bounds the words of a probe's command that are looked at.
const maxWords = 256

// helper reads the command of an exec probe: the port of the first loopback
// address it names, and what such a helper speaks.
func helper(command []string) (port int32, asks string) {
	key := ""
	seen := 0
	for _, arg := range command {
		for _, w := range strings.Fields(arg) {
			if seen++; seen > maxWords {
				return port, asks
			}
			w = strings.Trim(w, `"'`)
			base := strings.ToLower(path.Base(w))
			switch {
			case strings.HasPrefix(base, "grpc_health_probe"), strings.HasPrefix(base, "grpc-health-probe"), base == "grpcurl":
				asks = health.GRPC
			case strings.HasPrefix(w, "http://"):
				asks = health.HTTP
			case strings.HasPrefix(w, "https://"):
				asks = health.HTTPS
			}
			name, value, cut := strings.Cut(w, "=")
			if !cut || !strings.HasPrefix(w, "-") {
				name, value = key, w
			}
			key = ""
			if strings.HasPrefix(w, "-") && !cut {
				key = w
				continue
			}
			if port == 0 {
				port = portOf(name, value)
			}
		}
	}
	return port, asks
}

// portOf reads the port of a loopback address, or the number of a port flag.
func portOf(flag, value string) int32 {
	for _, p := range []string{"http://", "https://", "tcp://"} {
		value = strings.TrimPrefix(value, p)
	}
	value, _, _ = strings.Cut(value, "/")
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if rest, ok := strings.CutPrefix(value, host+":"); ok {
			value = ":" + rest
		}
	}
	if n, ok := ports.AnyInterface(value); ok {
		return n
	}
	if flag == "-p" || ports.Announces(flag) {
		if n, ok := ports.AnyInterface(":" + value); ok {
			return n
		}
	}
	return 0
}
