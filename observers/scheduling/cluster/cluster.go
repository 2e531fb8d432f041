package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// nodeState is a node with what is known to be on it.
type nodeState struct {
	*corev1.Node
	pods  []*corev1.Pod
	used  amounts
	ports map[hostPort]*corev1.Pod
}

// amounts are resources: CPU in millicores, all else in its own unit.
type amounts map[corev1.ResourceName]int64

// world is everything that the predicates look at, made once a look.
type world struct {
	nodes      []*nodeState // sorted by name; nil when unknown
	byName     map[string]*nodeState
	pods       []*corev1.Pod // placed and not at their end
	podsKnown  bool
	namespaces func(name string) map[string]string // labels of a namespace; nil when unknown
	claims     func(namespace, name string) (claimState, *corev1.PersistentVolume, string)
}

// newWorld sorts the pods onto their nodes.
func newWorld(nodes []*corev1.Node, pods []*corev1.Pod, podsKnown bool) *world {
	w := &world{byName: map[string]*nodeState{}, podsKnown: podsKnown}
	for _, n := range nodes {
		s := &nodeState{Node: n, used: amounts{}, ports: map[hostPort]*corev1.Pod{}}
		w.nodes = append(w.nodes, s)
		w.byName[n.Name] = s
	}
	slices.SortFunc(w.nodes, func(a, b *nodeState) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range pods {
		s := w.byName[p.Spec.NodeName]
		if s == nil || ended(p) {
			continue
		}
		w.pods = append(w.pods, p)
		s.pods = append(s.pods, p)
		s.used.add(requests(p))
		for _, hp := range hostPorts(p) {
			s.ports[hp] = p
		}
	}
	return w
}

// ended tells whether a pod holds nothing any more.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func (a amounts) add(b amounts) {
	for k, v := range b {
		a[k] += v
	}
}

func (a amounts) max(b amounts) {
	for k, v := range b {
		a[k] = max(a[k], v)
	}
}

// requests is what the scheduler counts for a pod: the sum of its containers,
// or what an init container needs beside the sidecars that were started before
// it, whichever is more; requests of the pod as a whole stand in their place;
// and the overhead of its runtime.
func requests(p *corev1.Pod) amounts {
	out := amounts{}
	for _, c := range p.Spec.Containers {
		out.add(listed(c.Resources.Requests))
	}
	sidecars, starting := amounts{}, amounts{}
	for _, c := range p.Spec.InitContainers {
		need := listed(c.Resources.Requests)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars.add(need)
			out.add(need)
			need = amounts{}
		}
		need.add(sidecars)
		starting.max(need)
	}
	out.max(starting)
	if p.Spec.Resources != nil {
		maps.Copy(out, listed(p.Spec.Resources.Requests))
	}
	out.add(listed(p.Spec.Overhead))
	return out
}

func listed(l corev1.ResourceList) amounts {
	out := amounts{}
	for name, q := range l {
		if v := value(name, q); v > 0 {
			out[name] = v
		}
	}
	return out
}

// value bounds what hostile files may hold, so that sums of thousands of pods
// do not overflow.
func value(name corev1.ResourceName, q resource.Quantity) int64 {
	const most = int64(1) << 50
	if q.Cmp(*resource.NewQuantity(most, resource.DecimalSI)) >= 0 {
		return most
	}
	if q.Sign() <= 0 {
		return 0
	}
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// allocatable is what a node has for pods. known is false when the node does
// not tell, as in objects that were made from printed text.
func (n *nodeState) allocatable(name corev1.ResourceName) (amount int64, known bool) {
	list := n.Status.Allocatable
	if len(list) == 0 {
		list = n.Status.Capacity
	}
	if len(list) == 0 {
		return 0, false
	}
	q, ok := list[name]
	if !ok {
		// Other resources than the ordinary are there only where a plugin
		// offers them.
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourcePods:
			return 0, false
		}
		return 0, true
	}
	return value(name, q), true
}

// hostPort is a port of the node that a pod wants or holds.
type hostPort struct {
	ip, protocol string
	port         int32
}

// anyIP is what an unset hostIP means.
const anyIP = "0.0.0.0"

func hostPorts(p *corev1.Pod) []hostPort {
	var out []hostPort
	take := func(cs []corev1.Container) {
		for _, c := range cs {
			for _, port := range c.Ports {
				hp := hostPort{port.HostIP, string(port.Protocol), port.HostPort}
				if hp.port == 0 && p.Spec.HostNetwork {
					hp.port = port.ContainerPort
				}
				if hp.port <= 0 {
					continue
				}
				if hp.ip == "" || hp.ip == "::" {
					hp.ip = anyIP
				}
				if hp.protocol == "" {
					hp.protocol = string(corev1.ProtocolTCP)
				}
				out = append(out, hp)
			}
		}
	}
	take(p.Spec.Containers)
	take(slices.DeleteFunc(slices.Clone(p.Spec.InitContainers), func(c corev1.Container) bool {
		return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
	}))
	return out
}

// conflicts tells whether two wishes for a port exclude each other.
func (h hostPort) conflicts(o hostPort) bool {
	return h.port == o.port && h.protocol == o.protocol && (h.ip == o.ip || h.ip == anyIP || o.ip == anyIP)
}
