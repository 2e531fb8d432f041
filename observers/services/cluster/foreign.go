package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

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
