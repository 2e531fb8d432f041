package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// lookForeign tells of a Service that also selects pods of a workload which
// does not listen on its target port while the others do.
func (o *observer) lookForeign(s *scene, sel topology.Selection, emit func(event.Event)) {
	svc := sel.Service
	if len(svc.Spec.Ports) == 0 || len(svc.Spec.Selector) == 0 {
		return
	}
	groups := map[event.Key][]*corev1.Pod{}
	for _, p := range sel.Pods {
		if alive(p) {
			groups[s.owner[p]] = append(groups[s.owner[p]], p)
		}
	}
	if len(groups) < 2 {
		return
	}
	sp := svc.Spec.Ports[0]
	serves := func(pods []*corev1.Pod) bool {
		problem, _, _ := judgePort(pods, int32(sp.TargetPort.IntValue()), sp.TargetPort.StrVal, cmp.Or(sp.Protocol, corev1.ProtocolTCP))
		return problem == ""
	}
	natives := int64(0)
	for _, pods := range groups {
		if serves(pods) {
			natives += readyOf(pods)
		}
	}
	if natives == 0 {
		return
	}
	for _, owner := range slices.SortedFunc(maps.Keys(groups), event.Key.Compare) {
		pods := groups[owner]
		if serves(pods) || readyOf(pods) == 0 {
			continue
		}
		e := o.fault(services.Foreign, svc, owner, pods)
		services.Port.Set(&e, int64(sp.Port))
		setText(services.Target, &e, sp.TargetPort.String())
		services.Strangers.Set(&e, readyOf(pods))
		services.Natives.Set(&e, natives)
		setText(services.OwnService, &e, s.ownService(svc, pods))
		o.tell("foreign "+sel.Key().ID+" "+owner.ID, e, emit)
	}
}

// ownService names a Service that selects these pods and none else.
func (s *scene) ownService(than *corev1.Service, pods []*corev1.Pod) string {
	for _, sel := range s.selections {
		if sel.Service.Namespace != than.Namespace || sel.Service.Name == than.Name || len(sel.Pods) == 0 {
			continue
		}
		if !slices.ContainsFunc(sel.Pods, func(p *corev1.Pod) bool { return !slices.Contains(pods, p) }) {
			return sel.Service.Name
		}
	}
	return ""
}

// lookLocal tells of a Service whose traffic stays on the node and that has no
// ready pod on nodes whose pods name it.
func (o *observer) lookLocal(s *scene, sel topology.Selection, emit func(event.Event)) {
	svc := sel.Service
	if svc.Spec.InternalTrafficPolicy == nil || *svc.Spec.InternalTrafficPolicy != corev1.ServiceInternalTrafficPolicyLocal || sel.Ready == 0 {
		return
	}
	served := map[string]bool{}
	for _, p := range sel.Pods {
		if topology.Ready(p) {
			served[p.Spec.NodeName] = true
		}
	}
	var stranded []*corev1.Pod
	nodes := map[string]bool{}
	for _, p := range s.callers[sel.Key()] {
		if p.Spec.NodeName != "" && !served[p.Spec.NodeName] && p.Status.Phase == corev1.PodRunning {
			stranded = append(stranded, p)
			nodes[p.Spec.NodeName] = true
		}
	}
	if len(stranded) == 0 {
		return
	}
	slices.SortFunc(stranded, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	e := o.fault(services.NoLocal, svc, s.owner[sel.Pods[0]], stranded)
	for _, n := range slices.Sorted(maps.Keys(nodes))[:min(len(nodes), maxNear)] {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(n)})
	}
	services.Policy.Set(&e, "internalTrafficPolicy")
	services.Callers.Set(&e, int64(len(stranded)))
	services.ReadyBehind.Set(&e, int64(sel.Ready))
	o.tell("local "+sel.Key().ID, e, emit)
}

// lookConflicts tells of two containers of a pod that claim the same port.
func (o *observer) lookConflicts(p *corev1.Pod, emit func(event.Event)) {
	if len(p.Spec.Containers)+len(p.Spec.InitContainers) < 2 {
		return
	}
	list := ports.OfPod(&p.Spec)
	told := map[string]bool{}
	for i, a := range list {
		for _, b := range list[i+1:] {
			pair := fmt.Sprintf("%s %s %d/%s", a.Container, b.Container, a.Port, a.Protocol)
			if a.Container == b.Container || a.Port != b.Port || a.Protocol != b.Protocol || told[pair] {
				continue
			}
			told[pair] = true
			x, y := strongest(list, a), strongest(list, b)
			if worse(p, y.Container) && !worse(p, x.Container) {
				x, y = y, x
			}
			uid := string(uidOf(p))
			e := event.Event{Kind: services.Conflict, At: p.CreationTimestamp.Time, Refs: []event.Ref{
				{Role: event.Subject, Key: event.ContainerKey(uid, x.Container)},
				{Role: event.Owner, Key: event.PodKey(uid)},
				{Role: event.Peer, Key: event.ContainerKey(uid, y.Container)},
			}}
			services.Port.Set(&e, int64(x.Port))
			setText(services.Protocol, &e, string(x.Protocol))
			setText(services.Mine, &e, x.From)
			setText(services.Theirs, &e, y.From)
			services.Configured.Set(&e, !x.Declared || !y.Declared)
			o.tell("conflict "+uid+" "+strconv.Itoa(int(x.Port))+pair, e, emit)
		}
	}
}

// strongest is the claim of the same container and port that is a setting, if
// there is one, else the declaration.
func strongest(list []ports.Claim, than ports.Claim) ports.Claim {
	for _, c := range list {
		if c.Container == than.Container && c.Port == than.Port && c.Protocol == than.Protocol && !c.Declared {
			return c
		}
	}
	return than
}

// worse tells whether a container is not ready or was started again.
func worse(p *corev1.Pod, container string) bool {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for _, s := range list {
			if s.Name == container {
				return !s.Ready || s.RestartCount > 0
			}
		}
	}
	return false
}
