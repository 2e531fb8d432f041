package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// lists tells which lists the files of a static source hold.
type lists struct {
	whole map[Listed]bool // a list that is complete as far as can be told
	part  map[Resource]bool
	some  map[Resource]bool
	own   bool // the pods are those of some namespaces, not of the whole cluster
}

func newLists() *lists {
	return &lists{whole: map[Listed]bool{}, part: map[Resource]bool{}, some: map[Resource]bool{}}
}

func (l *lists) add(r Resource, namespace string, whole bool) {
	l.some[r] = true
	if whole {
		l.whole[Listed{r, namespace}] = true
	} else {
		l.part[r] = true
	}
	if r == Pods && !l.own {
		l.add(AllPods, namespace, whole)
	}
	if r == NodeLeases && namespace != corev1.NamespaceNodeLease {
		l.add(SystemLeases, namespace, whole)
	}
}

// named are the kinds that other objects name. One that is named and not there
// is a cause of its own, so that objects given one by one prove nothing about
// those that were not given.
var named = map[Resource]bool{
	Nodes: true, ConfigMaps: true, Secrets: true, ServiceAccounts: true, Claims: true, Volumes: true, StorageClasses: true,
	PriorityClasses: true, RuntimeClasses: true, Namespaces: true, Roles: true,
}

// why is nil when the list is known in the namespace, or with "" in any.
func (l *lists) why(r Resource, namespace string) *Unknown {
	known := l.whole[Listed{r, ""}] || l.whole[Listed{r, namespace}]
	for at := range l.whole {
		known = known || namespace == "" && at.Resource == r
	}
	switch {
	case known, l.part[r] && !named[r]:
		return nil
	case r == AllPods && l.own:
		return &Unknown{Resource: r, Why: "the input holds pods of some namespaces, none of kube-system", Final: true}
	case l.part[r]:
		return &Unknown{Resource: r, Why: "the input holds some of them, not their list", Final: true}
	case l.some[r]:
		return &Unknown{Resource: r, Why: fmt.Sprintf("the input holds none of namespace %q and no list of them", namespace), Final: true}
	}
	return &Unknown{Resource: r, Why: "the input holds none and no list of them", Final: true}
}

// settleAll records for each kind whether it is known.
func (o *objects) settleAll(namespace string) {
	for _, k := range kinds {
		ns := namespace
		if k.wide {
			ns = ""
		}
		if u := o.lists.why(k.resource, ns); u != nil {
			o.stores[k.resource].set(u)
		} else {
			o.stores[k.resource].set(nil)
		}
	}
}

// In is what Live would read of a static source's cluster: the lists of one
// namespace, or all with "", those of the whole cluster, and kube-system's
// apart. The objects are shared.
func (s Source) In(namespace string, opts Options) Source {
	if !s.static || namespace == "" && opts.Node == "" {
		return s
	}
	out := s.narrowed(namespace, opts)
	if namespace != "" && namespace != metav1.NamespaceSystem {
		system := s.narrowed(metav1.NamespaceSystem, Options{})
		out.system = &system
	}
	return out
}

func (s Source) narrowed(namespace string, opts Options) Source {
	out := newSource(namespace, s.logs, s.now)
	out.static, out.lists, out.Scope = true, s.lists, s.Scope
	for _, k := range kinds {
		from, to := s.stores[k.resource].indexer, out.stores[k.resource].indexer
		var items []any
		if k.wide || namespace == "" {
			items = from.List()
		} else {
			items, _ = from.ByIndex(cache.NamespaceIndex, namespace)
		}
		for _, obj := range items {
			if p, ok := obj.(*corev1.Pod); ok && k.resource == Pods && opts.Node != "" && p.Spec.NodeName != opts.Node {
				continue
			}
			_ = to.Add(obj) // an index of memory refuses nothing that another took
		}
	}
	out.settleAll(namespace)
	return out
}
