package graph

import (
	"strings"

	"github.com/yairfalse/tapio/observers/event"
)

// Name is how people and the API call an entity.
type Name struct {
	Kind      string // "Pod", "Deployment", "Service", "Node", …
	Namespace string
	Name      string
	Container string // set for a container of a pod
}

// Name resolves a key. A key nobody described keeps its id as name.
func (g *Graph) Name(k event.Key) Name {
	switch k.Type {
	case event.Pod, event.Container:
		uid, _ := k.PodUID()
		n := Name{Kind: "Pod", Name: uid}
		if p := g.pods[uid]; p != nil && p.name != "" {
			n.Namespace, n.Name = p.namespace, p.name
		}
		if k.Type == event.Container {
			n.Container = k.Leaf()
		}
		return n
	case event.Cgroup:
		uid, ok := k.PodUID()
		if !ok {
			return Name{Kind: "Cgroup", Name: k.ID}
		}
		n := g.Name(event.PodKey(uid))
		if _, id, isContainer := strings.Cut(k.ID, "/"); isContainer {
			n.Container = short(id)
		}
		return n
	case event.Workload:
		if parts := strings.SplitN(k.ID, "/", 3); len(parts) == 3 {
			return Name{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
		}
	case event.Service:
		if ns, name, ok := strings.Cut(k.ID, "/"); ok {
			return Name{Kind: "Service", Namespace: ns, Name: name}
		}
	case event.Volume:
		if ns, name, ok := strings.Cut(k.ID, "/"); ok && ns != "" {
			return Name{Kind: "PersistentVolumeClaim", Namespace: ns, Name: name}
		}
	case event.Config:
		if parts := strings.SplitN(k.ID, "/", 3); len(parts) == 3 {
			return Name{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
		}
	case event.Node:
		return Name{Kind: "Node", Name: k.ID}
	case event.Namespace:
		return Name{Kind: "Namespace", Name: k.ID}
	}
	return Name{Kind: string(k.Type), Name: k.ID}
}

// Label is the short name used inside sentences: the name of the thing, for a
// container its pod's name.
func (g *Graph) Label(k event.Key) string { return g.Name(k).Name }

// short cuts a runtime id to the twelve characters tools show.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
