package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// listening is who says on which port the pods behind a Service listen.
type listening map[int32][]string

func (l listening) add(port int32, from string) {
	if !slices.Contains(l[port], from) {
		l[port] = append(l[port], from)
	}
}

func (l listening) best() (port int32, from []string) {
	for _, n := range slices.Sorted(maps.Keys(l)) {
		if len(l[n]) > len(from) {
			port, from = n, l[n]
		}
	}
	return port, from
}

// lookPorts tells of ports of a Service that lead where its pods do not listen.
func (o *observer) lookPorts(s *scene, sel topology.Selection, emit func(event.Event)) {
	var pods []*corev1.Pod
	for _, p := range sel.Pods {
		if alive(p) {
			pods = append(pods, p)
		}
	}
	if len(pods) == 0 {
		return
	}
	for _, sp := range sel.Service.Spec.Ports {
		o.lookPort(s, sel, pods, sp, emit)
	}
}

func (o *observer) lookPort(s *scene, sel topology.Selection, pods []*corev1.Pod, sp corev1.ServicePort, emit func(event.Event)) {
	protocol := sp.Protocol
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	target := sp.TargetPort
	if target.StrVal == "" && target.IntVal == 0 {
		target.IntVal = sp.Port
	}
	problem, speaks, l := judgePort(pods, int32(target.IntValue()), target.StrVal, protocol)
	said := string(protocol)
	if problem == services.BadProtocol && servesBoth(sel.Service, sp, speaks) {
		return // such servers, DNS above all, often declare one of the two only
	}
	if problem == "" {
		if said, speaks = applicationOf(sp, pods, int32(target.IntValue())); speaks == "" {
			return
		}
		problem = services.BadApplication
	}
	owner := s.owner[pods[0]]
	e := o.fault(services.BadPort, sel.Service, owner, pods)
	services.Port.Set(&e, int64(sp.Port))
	setText(services.Target, &e, target.String())
	setText(services.Protocol, &e, said)
	setText(services.Problem, &e, problem)
	setText(services.Speaks, &e, speaks)
	if problem == services.BadName || problem == services.BadNumber {
		if len(l[sp.Port]) > 0 {
			l.add(sp.Port, "the Service's own port")
		}
		if port, from := l.best(); port > 0 {
			services.Wanted.Set(&e, int64(port))
			services.WantedN.Set(&e, int64(len(from)))
			setText(services.WantedFrom, &e, strings.Join(from[:min(3, len(from))], ", "))
		}
	}
	services.Callers.Set(&e, s.strangersTo(sel.Key(), owner))
	services.ReadyBehind.Set(&e, readyOf(pods))
	o.tell(fmt.Sprintf("port %s %d/%s", sel.Key().ID, sp.Port, protocol), e, emit)
}

// servesBoth tells whether the Service has the same port for the other protocol
// too.
func servesBoth(svc *corev1.Service, than corev1.ServicePort, other string) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		return p.TargetPort == than.TargetPort && cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.Protocol(other)
	})
}

// judgePort sets a target port against what the specs of the pods claim. A pod
// with a container that claims no port at all tells nothing of other numbers.
func judgePort(pods []*corev1.Pod, number int32, name string, protocol corev1.Protocol) (problem, speaks string, l listening) {
	l = listening{}
	var other corev1.Protocol
	silent := false
	for _, p := range pods {
		silent = silent || anySilent(p)
		for _, c := range claimsOf(p) {
			switch {
			case number == 0 && c.Name == name && c.Protocol == protocol, number != 0 && c.Port == number && c.Protocol == protocol:
				return "", "", nil
			case number == 0 && c.Name == name, number != 0 && c.Port == number:
				other = c.Protocol
			case c.Protocol == protocol:
				l.add(c.Port, c.From)
			}
		}
	}
	switch {
	case other != "":
		return services.BadProtocol, string(other), l
	case number == 0:
		return services.BadName, "", l
	case silent:
		return "", "", nil
	}
	return services.BadNumber, "", l
}

// anySilent tells whether a container of the pod claims no port.
func anySilent(p *corev1.Pod) bool {
	for i := range p.Spec.Containers {
		if len(ports.Of(&p.Spec.Containers[i])) == 0 {
			return true
		}
	}
	return len(p.Spec.Containers) == 0
}

// claimsOf lists where a pod listens as its spec tells, the ports of its probes
// included when it is ready: then somebody answers there.
func claimsOf(p *corev1.Pod) []ports.Claim {
	out := ports.OfPod(&p.Spec)
	if topology.Ready(p) {
		for i := range p.Spec.Containers {
			out = append(out, ports.Probed(&p.Spec.Containers[i])...)
		}
	}
	return out
}

// applicationOf compares the appProtocol of a Service's port with what the
// probes of ready pods speak there; empty when they agree or nothing tells.
func applicationOf(sp corev1.ServicePort, pods []*corev1.Pod, number int32) (said, speaks string) {
	said = ports.Application(sp.AppProtocol)
	if said == "" || number == 0 {
		return "", ""
	}
	for _, p := range pods {
		if !topology.Ready(p) {
			continue
		}
		for i := range p.Spec.Containers {
			r := p.Spec.Containers[i].ReadinessProbe
			switch {
			case r == nil:
			case r.GRPC != nil && r.GRPC.Port == number && said != "grpc":
				return said, "grpc"
			case r.HTTPGet != nil && r.HTTPGet.Port.IntValue() == int(number) && said == "grpc":
				return said, "http"
			}
		}
	}
	return "", ""
}
