package topology

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/event"
)

// Mention is a host name in a pod's spec.
type Mention struct {
	Host
	Where string // "env NAME", "args" or "command"
	// Variable is the PREFIX of a PREFIX_SERVICE_HOST variable that the spec
	// reads or sets; Host is empty then.
	Variable string
}

// maxMentions bounds the mentions of one pod.
const maxMentions = 512

// Mentions finds the host names in the environment, command and arguments of
// all containers of a pod. Values from Secrets and ConfigMaps are not read.
func Mentions(spec *corev1.PodSpec) []Mention {
	var out []Mention
	seen := map[Mention]bool{}
	add := func(m Mention) {
		if !seen[m] && len(out) < maxMentions {
			seen[m] = true
			out = append(out, m)
		}
	}
	text := func(where, key, s string) {
		for _, h := range Hosts(key, s) {
			add(Mention{Host: h, Where: where})
		}
		for _, v := range references(s) {
			add(Mention{Variable: v, Where: where})
		}
	}
	list := func(where string, ss []string) {
		key := ""
		for _, s := range ss {
			text(where, key, s)
			key = ""
			if strings.HasPrefix(s, "-") && !strings.ContainsAny(s, "= ") {
				key = s
			}
		}
	}
	one := func(env []corev1.EnvVar, command, args []string) {
		for _, e := range env {
			where := "env " + e.Name
			if v, ok := strings.CutSuffix(e.Name, serviceHost); ok && v != "" {
				add(Mention{Variable: v, Where: where})
			}
			text(where, e.Name, e.Value)
		}
		list("command", command)
		list("args", args)
	}
	for i := range spec.Containers {
		one(spec.Containers[i].Env, spec.Containers[i].Command, spec.Containers[i].Args)
	}
	for i := range spec.InitContainers {
		one(spec.InitContainers[i].Env, spec.InitContainers[i].Command, spec.InitContainers[i].Args)
	}
	return out
}

// serviceHost ends the variables that the kubelet makes for each Service.
const serviceHost = "_SERVICE_HOST"

// references finds $(X_SERVICE_HOST), ${X_SERVICE_HOST} and $X_SERVICE_HOST.
func references(s string) []string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	var out []string
	for i := strings.IndexByte(s, '$'); i >= 0; {
		name := strings.TrimLeft(s[i+1:], "({")
		if len(s)-i-1-len(name) > 1 {
			name = ""
		}
		end := 0
		for end < len(name) && (name[end] == '_' || name[end] >= 'A' && name[end] <= 'Z' || name[end] >= '0' && name[end] <= '9') {
			end++
		}
		if v, ok := strings.CutSuffix(name[:end], serviceHost); ok && v != "" {
			out = append(out, v)
		}
		s = s[i+1:]
		i = strings.IndexByte(s, '$')
	}
	return out
}

// Named is a Service that a pod names.
type Named struct {
	Service event.Key
	Where   string
	Port    int // 0 when the text gives none
}

// Services indexes the Services of a cluster by what a pod may call them.
type Services struct {
	byName map[string]*corev1.Service // "NAMESPACE/NAME"
	byVar  map[string]*corev1.Service // "NAMESPACE/PREFIX"
}

// NewServices makes the index.
func NewServices(list []*corev1.Service) *Services {
	s := &Services{byName: map[string]*corev1.Service{}, byVar: map[string]*corev1.Service{}}
	for _, svc := range list {
		s.byName[svc.Namespace+"/"+svc.Name] = svc
		s.byVar[svc.Namespace+"/"+strings.ReplaceAll(strings.ToUpper(svc.Name), "-", "_")] = svc
	}
	return s
}

// Lookup resolves a host name as a pod of the namespace would: "name",
// "name.ns", "name.ns.svc" and longer, and the names of single pods below a
// headless Service. It is nil when the name is no known Service's.
func (s *Services) Lookup(namespace, host string) *corev1.Service {
	p := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	headless := func(ns, name string) *corev1.Service {
		if svc := s.byName[ns+"/"+name]; svc != nil && svc.Spec.ClusterIP == corev1.ClusterIPNone {
			return svc
		}
		return nil
	}
	switch {
	case len(p) == 1:
		return s.byName[namespace+"/"+p[0]]
	case len(p) == 2:
		if svc := s.byName[p[1]+"/"+p[0]]; svc != nil {
			return svc
		}
		return headless(namespace, p[1])
	case p[2] == "svc":
		return s.byName[p[1]+"/"+p[0]]
	case len(p) == 3 || p[3] == "svc":
		return headless(p[2], p[1])
	}
	return nil
}

// Named resolves the mentions of a pod of the namespace, each Service once, the
// first mention first.
func (s *Services) Named(namespace string, mentions []Mention) []Named {
	var out []Named
	seen := map[*corev1.Service]bool{}
	for _, m := range mentions {
		var svc *corev1.Service
		if m.Variable != "" {
			svc = s.byVar[namespace+"/"+m.Variable]
		} else if svc = s.Lookup(namespace, m.Name); svc != nil && !m.Sure && !hasPort(svc, m.Port) {
			svc = nil
		}
		if svc == nil || seen[svc] {
			continue
		}
		seen[svc] = true
		out = append(out, Named{Service: event.ServiceKey(svc.Namespace, svc.Name), Where: m.Where, Port: m.Port})
	}
	return out
}

// hasPort tells whether the Service offers the port; one that declares no ports
// offers any.
func hasPort(svc *corev1.Service, port int) bool {
	for _, p := range svc.Spec.Ports {
		if int(p.Port) == port || svc.Spec.ClusterIP == corev1.ClusterIPNone && p.TargetPort.IntValue() == port {
			return true
		}
	}
	return len(svc.Spec.Ports) == 0
}
