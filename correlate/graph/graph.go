// Package graph holds who belongs to whom and who calls whom, as the facts
// tell it: pods and their workloads, containers and their instances, Services
// and the pods behind them, and pods that name a Service.
package graph

import (
	"slices"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/services"
)

// Graph is built once from ordered facts and then only read.
type Graph struct {
	pods       map[string]*pod // by uid
	containers map[event.Key]*container
	instances  map[string]event.Key         // runtime container id → container
	selected   map[event.Key][]event.Key    // service → pods behind it
	selecting  map[event.Key][]event.Key    // pod → services that select it
	naming     map[event.Key][]event.Key    // service → pods that name it
	named      map[event.Key][]event.Key    // pod → services that it names
	all        []event.Key                  // pods
	owned      map[event.Key][]event.Key    // workload → pods
	workloads  map[event.Key]WorkloadFields // by key
}

type pod struct {
	namespace, name string
	workload, node  event.Key
	containers      []event.Key
}

type container struct {
	name  string
	limit int64
}

// WorkloadFields is what is known of a workload.
type WorkloadFields struct {
	Desired, Available int64
	Revision           string
	Known              bool      // Desired and Available were told
	Owner              event.Key // the controller of the controller, zero for none
}

// Build reads facts in their final order; a later fact about an entity
// replaces an earlier one.
func Build(facts []event.Event) *Graph {
	g := &Graph{
		pods:       map[string]*pod{},
		containers: map[event.Key]*container{},
		instances:  map[string]event.Key{},
		selected:   map[event.Key][]event.Key{},
		selecting:  map[event.Key][]event.Key{},
		naming:     map[event.Key][]event.Key{},
		named:      map[event.Key][]event.Key{},
		owned:      map[event.Key][]event.Key{},
		workloads:  map[event.Key]WorkloadFields{},
	}
	for _, e := range facts {
		switch e.Kind {
		case lifecycle.Pod:
			g.addPod(e)
		case lifecycle.Container, lifecycle.Ended:
			g.addContainer(e)
		case lifecycle.Workload:
			g.addWorkload(e)
		case services.Selects:
			g.selected[e.Subject()] = peers(e)
		case services.Names:
			if svc, ok := e.Ref(event.Peer); ok {
				g.naming[svc] = append(g.naming[svc], e.Subject())
				g.named[e.Subject()] = append(g.named[e.Subject()], svc)
			}
		}
	}
	for svc, pods := range g.selected {
		for _, p := range pods {
			g.selecting[p] = append(g.selecting[p], svc)
		}
	}
	for uid, p := range g.pods {
		g.all = append(g.all, event.PodKey(uid))
		if !p.workload.IsZero() {
			g.owned[p.workload] = append(g.owned[p.workload], event.PodKey(uid))
		}
	}
	g.all = ordered(g.all)
	for _, index := range []map[event.Key][]event.Key{g.naming, g.named, g.selecting, g.owned} {
		for k, keys := range index {
			index[k] = ordered(keys)
		}
	}
	return g
}

func (g *Graph) addPod(e event.Event) {
	p := g.pod(e.Subject().ID)
	p.namespace = lifecycle.Namespace.Or(e, p.namespace)
	p.name = lifecycle.Name.Or(e, p.name)
	if w, ok := e.Ref(event.Owner); ok {
		p.workload = w
	}
	if n, ok := e.Ref(event.Host); ok {
		p.node = n
	}
}

func (g *Graph) addContainer(e event.Event) {
	key := e.Subject()
	c := g.containers[key]
	if c == nil {
		c = &container{}
		g.containers[key] = c
		if uid, ok := key.PodUID(); ok {
			p := g.pod(uid)
			p.containers = insert(p.containers, key)
		}
	}
	c.name = lifecycle.Name.Or(e, key.Leaf())
	if e.Kind == lifecycle.Container {
		c.limit = lifecycle.MemoryLimit.Or(e, 0)
	}
	if id, ok := lifecycle.ContainerID.Get(e); ok && id != "" {
		g.instances[id] = key
	}
}

func (g *Graph) addWorkload(e event.Event) {
	f := g.workloads[e.Subject()]
	f.Revision = lifecycle.Revision.Or(e, f.Revision)
	if owner, ok := e.Ref(event.Owner); ok {
		f.Owner = owner
	}
	if d, ok := lifecycle.Desired.Get(e); ok {
		f.Desired, f.Available, f.Known = d, lifecycle.Available.Or(e, 0), true
	}
	g.workloads[e.Subject()] = f
}

func (g *Graph) pod(uid string) *pod {
	p := g.pods[uid]
	if p == nil {
		p = &pod{}
		g.pods[uid] = p
	}
	return p
}

func peers(e event.Event) []event.Key {
	var out []event.Key
	for _, r := range e.Refs {
		if r.Role == event.Peer {
			out = append(out, r.Key)
		}
	}
	return ordered(out)
}

// ordered sorts keys and drops those that are there twice. Many keys are
// collected first and ordered once: inserting each in its place would cost the
// square of their number.
func ordered(keys []event.Key) []event.Key {
	slices.SortFunc(keys, event.Key.Compare)
	return slices.Compact(keys)
}

// insert keeps keys sorted and unique.
func insert(keys []event.Key, k event.Key) []event.Key {
	i, found := slices.BinarySearchFunc(keys, k, event.Key.Compare)
	if found {
		return keys
	}
	return slices.Insert(keys, i, k)
}
