package graph

import (
	"maps"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/observers/event"
)

// Canonical turns a cgroup of a known container into that container, and a
// pod's own cgroup into the pod. Other keys stay as they are: the cgroup of a
// pod's sandbox, or of an instance that the API has forgotten (see Former).
func (g *Graph) Canonical(k event.Key) event.Key {
	if k.Type != event.Cgroup {
		return k
	}
	uid, ok := k.PodUID()
	if !ok {
		return k
	}
	_, id, isContainer := strings.Cut(k.ID, "/")
	if !isContainer {
		if _, known := g.pods[uid]; known {
			return event.PodKey(uid)
		}
		return k
	}
	if c, known := g.instances[id]; known {
		return c
	}
	return k
}

// Former resolves like Canonical and takes a cgroup that nobody knows any more
// for a former instance of its pod's container, when the pod has only one. It
// is for kills: a sandbox holds next to no memory and is not chosen.
func (g *Graph) Former(k event.Key) event.Key {
	k = g.Canonical(k)
	if k.Type != event.Cgroup || !strings.Contains(k.ID, "/") {
		return k
	}
	uid, _ := k.PodUID()
	if p := g.pods[uid]; p != nil && len(p.containers) == 1 {
		return p.containers[0]
	}
	return k
}

// PodOf returns the pod a container, cgroup or pod belongs to.
func (g *Graph) PodOf(k event.Key) (event.Key, bool) {
	uid, ok := k.PodUID()
	if !ok {
		return event.Key{}, false
	}
	return event.PodKey(uid), true
}

// WorkloadOf returns the controller of a pod or of one of its parts; a
// workload is its own.
func (g *Graph) WorkloadOf(k event.Key) (event.Key, bool) {
	if k.Type == event.Workload {
		return k, true
	}
	uid, ok := k.PodUID()
	if !ok || g.pods[uid] == nil || g.pods[uid].workload.IsZero() {
		return event.Key{}, false
	}
	return g.pods[uid].workload, true
}

// NodeOf returns the node a pod or one of its parts runs on.
func (g *Graph) NodeOf(k event.Key) (event.Key, bool) {
	uid, ok := k.PodUID()
	if !ok || g.pods[uid] == nil || g.pods[uid].node.IsZero() {
		return event.Key{}, false
	}
	return g.pods[uid].node, true
}

// Known tells whether facts named the pod itself.
func (g *Graph) Known(podUID string) bool {
	p := g.pods[podUID]
	return p != nil && p.name != ""
}

// Containers lists the containers of a pod, sorted.
func (g *Graph) Containers(pod event.Key) []event.Key {
	if p := g.pods[pod.ID]; p != nil {
		return p.containers
	}
	return nil
}

// Limit is the memory limit in the spec of a container in bytes, 0 for none.
func (g *Graph) Limit(c event.Key) int64 {
	if x := g.containers[c]; x != nil {
		return x.limit
	}
	return 0
}

// Pods lists the pods of a workload, a Service or a node, or all with the zero
// key, sorted; other things have none.
func (g *Graph) Pods(of event.Key) []event.Key {
	switch of.Type {
	case event.Workload:
		return g.owned[of]
	case event.Service:
		return g.selected[of]
	case event.Pod:
		return []event.Key{of}
	case "":
		return g.all
	case event.Node:
		return slices.DeleteFunc(slices.Clone(g.all), func(p event.Key) bool { return g.pods[p.ID].node != of })
	}
	return nil
}

// Services lists the Services that select the pod, sorted.
func (g *Graph) Services(pod event.Key) []event.Key { return g.selecting[pod] }

// Callers lists the pods that name a Service which selects the pod, sorted,
// without the pod itself and its siblings.
func (g *Graph) Callers(pod event.Key) []event.Key {
	own, owned := g.WorkloadOf(pod)
	var out []event.Key
	for _, svc := range g.selecting[pod] {
		for _, caller := range g.naming[svc] {
			w, ok := g.WorkloadOf(caller)
			if caller == pod || (owned && ok && w == own) {
				continue
			}
			out = append(out, caller)
		}
	}
	return ordered(out)
}

// Callees lists the pods behind the Services that the pod names, sorted,
// without the pod itself.
func (g *Graph) Callees(pod event.Key) []event.Key {
	var out []event.Key
	for _, svc := range g.named[pod] {
		for _, callee := range g.selected[svc] {
			if callee != pod {
				out = append(out, callee)
			}
		}
	}
	return ordered(out)
}

// Workload returns what is known of a workload.
func (g *Graph) Workload(k event.Key) WorkloadFields { return g.workloads[k] }

// Workloads lists the controllers that facts told of, sorted.
func (g *Graph) Workloads() []event.Key {
	return slices.SortedFunc(maps.Keys(g.workloads), event.Key.Compare)
}

// AllServices lists the Services that facts told of or that a pod names, sorted.
func (g *Graph) AllServices() []event.Key {
	out := slices.Collect(maps.Keys(g.selected))
	return ordered(slices.AppendSeq(out, maps.Keys(g.naming)))
}

// Named lists the Services that the pod names, sorted.
func (g *Graph) Named(pod event.Key) []event.Key { return g.named[pod] }

// OwnerOf is the controller of a controller, as a CronJob's of its Jobs.
func (g *Graph) OwnerOf(workload event.Key) (event.Key, bool) {
	k := g.workloads[workload].Owner
	return k, !k.IsZero()
}

// Namers lists the pods that name the Service, sorted.
func (g *Graph) Namers(service event.Key) []event.Key { return g.naming[service] }
