package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/routes"
)

// call is what a pod's configuration intends: to call a Service.
type call struct {
	caller *corev1.Pod
	svc    *corev1.Service
}

// maxPeers bounds the pods that a fact cites.
const maxPeers = 20

// lookPolicies tells of intended calls that network policies deny.
func (o *observer) lookPolicies(v *view, emit func(event.Event)) {
	if len(v.pods) == 0 {
		return
	}
	o.Want(o.src, source.NetworkPolicies)
	if o.src.Known(source.NetworkPolicies) != nil {
		return
	}
	all, err := o.src.NetworkPolicies.List(labels.Everything())
	if err != nil || len(all) == 0 {
		return
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	denied := map[event.Key][]*corev1.Pod{}
	allowed := map[event.Key]int64{}
	for _, p := range v.pods {
		egress := selecting(all, p, networkingv1.PolicyTypeEgress)
		for _, n := range o.named(v, p) {
			sel, ok := v.selections[n.Service]
			if !ok || len(sel.Pods) == 0 || v.owner[sel.Pods[0]] == v.owner[p] {
				continue
			}
			callee := sel.Pods[0]
			port := portAt(sel.Service, callee, n.Port)
			if len(egress) > 0 && !anyAllows(egress, rulesOut, callee, port) {
				o.tellEgress(p, egress, call{p, sel.Service}, port, emit)
				continue
			}
			if ingress := selecting(all, callee, networkingv1.PolicyTypeIngress); len(ingress) > 0 && !anyAllows(ingress, rulesIn, p, port) {
				denied[n.Service] = append(denied[n.Service], p)
			} else {
				allowed[n.Service]++
			}
		}
		if len(egress) > 0 && !opensDNS(egress) {
			o.tellDNS(v, p, egress, emit)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(denied), event.Key.Compare) {
		sel := v.selections[key]
		ps := selecting(all, sel.Pods[0], networkingv1.PolicyTypeIngress)
		e := o.denial(routes.Ingress, key, ps, sel.Pods[0])
		for i, p := range denied[key] {
			if i < maxPeers {
				e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
			}
		}
		routes.Callers.Set(&e, int64(len(denied[key])))
		routes.Allows.Set(&e, allowed[key])
		if t := portAt(sel.Service, sel.Pods[0], 0); t.number > 0 {
			routes.Port.Set(&e, int64(t.number))
		}
		o.tell("ingress "+key.ID, e, emit)
	}
}

func (o *observer) tellEgress(p *corev1.Pod, ps []*networkingv1.NetworkPolicy, c call, port target, emit func(event.Event)) {
	e := o.denial(routes.Egress, event.PodKey(string(source.UID(p))), ps, p)
	e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(c.svc.Namespace, c.svc.Name)})
	routes.Callers.Set(&e, 1)
	if port.number > 0 {
		routes.Port.Set(&e, int64(port.number))
	}
	o.tell("egress "+string(source.UID(p))+" "+c.svc.Name, e, emit)
}

func (o *observer) tellDNS(v *view, p *corev1.Pod, ps []*networkingv1.NetworkPolicy, emit func(event.Event)) {
	if len(o.named(v, p)) == 0 {
		return // it seems to need no name
	}
	e := o.denial(routes.DNS, event.PodKey(string(source.UID(p))), ps, p)
	routes.Port.Set(&e, 53)
	routes.Callers.Set(&e, 1)
	o.tell("dns "+string(source.UID(p)), e, emit)
}

func (o *observer) denial(problem string, subject event.Key, ps []*networkingv1.NetworkPolicy, pod *corev1.Pod) event.Event {
	e := event.Event{Kind: routes.Denied, Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
		if p.CreationTimestamp.After(e.At) {
			e.At = p.CreationTimestamp.Time
		}
	}
	if e.At.After(pod.CreationTimestamp.Time) {
		routes.Newer.Set(&e, true)
	}
	setText(routes.Problem, &e, problem)
	setText(routes.Policies, &e, strings.Join(names[:min(len(names), 4)], ", "))
	return e
}

// target is where a call arrives at a pod.
type target struct {
	number   int32
	name     string // of the container's port
	protocol corev1.Protocol
}

// portAt resolves a port of a Service, or its first when none or an unknown one
// is meant, to the port of a pod behind it.
func portAt(svc *corev1.Service, p *corev1.Pod, port int) target {
	if len(svc.Spec.Ports) == 0 {
		return target{number: int32(port), protocol: corev1.ProtocolTCP}
	}
	sp := svc.Spec.Ports[0]
	for _, x := range svc.Spec.Ports {
		if int(x.Port) == port {
			sp = x
		}
	}
	t := target{number: int32(sp.TargetPort.IntValue()), protocol: cmp.Or(sp.Protocol, corev1.ProtocolTCP)}
	if t.number == 0 && sp.TargetPort.StrVal == "" {
		t.number = sp.Port
	}
	for i := range p.Spec.Containers {
		if n, ok := ports.Named(&p.Spec.Containers[i], sp.TargetPort.StrVal); ok {
			t.number = n
		}
		for _, cp := range p.Spec.Containers[i].Ports {
			if cp.ContainerPort == t.number && cp.Name != "" {
				t.name = cp.Name
			}
		}
	}
	return t
}
