package cluster

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// places is what the addresses are compared with.
type places struct {
	services   *topology.Services
	list       []*corev1.Service
	namespaces map[string]bool // those of which Services are known
	named      map[string]map[event.Key]bool
}

// note remembers which workload names which Service and port.
func (pl *places) note(src source.Source, p *corev1.Pod, h named) {
	svc := pl.services.Lookup(p.Namespace, h.Name)
	if svc == nil {
		return
	}
	owner, ok := src.Workload(p)
	if !ok {
		owner = event.PodKey(string(source.UID(p)))
	}
	for _, id := range []string{svc.Namespace + "/" + svc.Name, svc.Namespace + "/" + svc.Name + ":" + strconv.Itoa(h.Port)} {
		if pl.named[id] == nil {
			pl.named[id] = map[event.Key]bool{}
		}
		pl.named[id][owner] = true
	}
}

// others counts the workloads beside the pod's own that name a Service, or a
// port of it.
func (pl *places) others(src source.Source, p *corev1.Pod, id string) int64 {
	own, ok := src.Workload(p)
	if !ok {
		own = event.PodKey(string(source.UID(p)))
	}
	n := int64(len(pl.named[id]))
	if pl.named[id][own] {
		n--
	}
	return n
}

// wrong compares one address with the Services that are there.
func (pl *places) wrong(o *observer, p *corev1.Pod, c *corev1.Container, h named, before *corev1.PodTemplateSpec) (event.Event, bool) {
	ns, name, ok := pl.clusterName(p, h.Name)
	if !ok || pl.own(p, h) {
		return event.Event{}, false
	}
	e := about(config.Address, p, c.Name)
	svc := pl.services.Lookup(p.Namespace, h.Name)
	peer, right, why := event.Key{}, "", ""
	switch {
	case svc != nil:
		if h.Port == 0 || svc.Spec.ClusterIP == corev1.ClusterIPNone || svc.Spec.Type == corev1.ServiceTypeExternalName || len(svc.Spec.Ports) == 0 || hasPort(svc, h.Port) {
			return event.Event{}, false
		}
		peer, why, right = event.ServiceKey(svc.Namespace, svc.Name), config.NoPort, ports(svc)
		config.Others.Set(&e, pl.others(o.src, p, svc.Namespace+"/"+svc.Name+":"+right))
	default:
		peer, right, why = pl.meant(p, ns, name, h.Port)
		if why == config.NoService && !h.Sure && right == "" {
			return event.Event{}, false // "word:number" need not be an address
		}
		if !peer.IsZero() {
			config.Others.Set(&e, pl.others(o.src, p, peer.ID))
		}
	}
	if !peer.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: peer})
	}
	setText(config.Where, &e, h.where)
	setText(config.From, &e, h.from)
	setText(config.Host, &e, h.Name)
	setText(config.Why, &e, why)
	setText(config.Right, &e, right)
	config.Port.Set(&e, int64(h.Port))
	config.Earlier.Set(&e, pl.namedRight(o, p, c.Name, before, peer, why))
	return e, true
}

// clusterName tells which Service a host name would be, when it is one of the
// cluster and the Services of its namespace are known.
func (pl *places) clusterName(p *corev1.Pod, host string) (ns, name string, ok bool) {
	parts := strings.Split(host, ".")
	switch {
	case host == "localhost" || host == "kubernetes" || strings.HasPrefix(host, "kubernetes.default"):
		return "", "", false
	case len(parts) == 1:
		return p.Namespace, parts[0], pl.namespaces[p.Namespace]
	case len(parts) == 2 && pl.namespaces[parts[1]], len(parts) > 2 && parts[2] == "svc" && pl.namespaces[parts[1]]:
		return parts[1], parts[0], true
	}
	return "", "", false
}

// own tells whether a name is the pod's own, or one that its spec gives an
// address: it needs no Service.
func (pl *places) own(p *corev1.Pod, h named) bool {
	if h.Name == p.Name || h.Name == p.Spec.Hostname || h.Name == p.Spec.NodeName || h.Name == p.Spec.Subdomain || h.Name == p.Namespace {
		return true
	}
	for _, a := range p.Spec.HostAliases {
		if slices.Contains(a.Hostnames, h.Name) {
			return true
		}
	}
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == h.Name })
}

// meant finds the Service that was probably meant: the same name in another
// namespace, or nearly the same name. Which has the port that is asked for is
// the likelier.
func (pl *places) meant(p *corev1.Pod, ns, name string, port int) (peer event.Key, right, why string) {
	var elsewhere []*corev1.Service
	var names, fitting []string
	for _, s := range pl.list {
		switch {
		case s.Name == name && s.Namespace != ns:
			elsewhere = append(elsewhere, s)
		case s.Namespace == ns:
			names = append(names, s.Name)
			if port > 0 && hasPort(s, port) {
				fitting = append(fitting, s.Name)
			}
		}
	}
	if near := config.Near(name, fitting); near != "" {
		return event.ServiceKey(ns, near), qualified(p, ns, near), config.NoService
	}
	if len(elsewhere) == 1 {
		return event.ServiceKey(elsewhere[0].Namespace, name), qualified(p, elsewhere[0].Namespace, name), config.OtherNamespace
	}
	if near := config.Near(name, names); near != "" {
		return event.ServiceKey(ns, near), qualified(p, ns, near), config.NoService
	}
	return event.Key{}, "", config.NoService
}

// qualified is the name by which the pod reaches the Service.
func qualified(p *corev1.Pod, ns, name string) string {
	if ns == p.Namespace {
		return name
	}
	return name + "." + ns
}

// namedRight tells whether the revision before named the Service, or the port.
func (pl *places) namedRight(o *observer, p *corev1.Pod, container string, before *corev1.PodTemplateSpec, peer event.Key, why string) bool {
	if before == nil || peer.IsZero() {
		return false
	}
	for _, c := range before.Spec.Containers {
		if c.Name != container {
			continue
		}
		for _, h := range hostsOf(&c, o.env(p, &c)) {
			svc := pl.services.Lookup(p.Namespace, h.Name)
			if svc != nil && event.ServiceKey(svc.Namespace, svc.Name) == peer && (why != config.NoPort || hasPort(svc, h.Port)) {
				return true
			}
		}
	}
	return false
}

func hasPort(svc *corev1.Service, port int) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port })
}

// ports names the one port of a Service, or the first.
func ports(svc *corev1.Service) string { return strconv.Itoa(int(svc.Spec.Ports[0].Port)) }
