package facts

import (
	"strings"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/resolver"
	"github.com/yairfalse/tapio/observers/routes"
)

// Astray adds a route of the gateway p that is meant for Service shop/NAME.
func (s *Set) Astray(name string, p Pod, problem, via, target string, siblings int64) {
	e := event.Event{Kind: routes.Astray, At: At(-600), Refs: []event.Ref{
		{Role: event.Subject, Key: event.ServiceKey("shop", name)},
		{Role: event.Owner, Key: event.WorkloadKey("Deployment", "shop", p.Workload)},
	}}
	if strings.HasPrefix(via, "ConfigMap ") {
		e.Refs = append(e.Refs, event.Ref{Role: event.Device, Key: event.Key{Type: event.Config, ID: "ConfigMap/shop/gw"}})
	}
	routes.Problem.Set(&e, problem)
	routes.Via.Set(&e, via)
	routes.Path.Set(&e, "/"+name)
	routes.Target.Set(&e, target)
	if problem == routes.Pattern {
		routes.Siblings.Set(&e, siblings)
		routes.Breaks.Set(&e, 1)
	}
	s.add(observers.Cluster, e)
}

// Denied adds that policies deny calls of the pod to Service shop/NAME; problem
// says whose policies.
func (s *Set) Denied(problem, name string, p Pod, newer bool) {
	subject, peer := event.ServiceKey("shop", name), p.Key()
	if problem != routes.Ingress {
		subject, peer = peer, subject
	}
	e := event.Event{Kind: routes.Denied, At: At(-60), Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	if problem != routes.DNS {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: peer})
	}
	routes.Problem.Set(&e, problem)
	routes.Policies.Set(&e, "deny")
	routes.Port.Set(&e, 8080)
	routes.Callers.Set(&e, 1)
	if newer {
		routes.Newer.Set(&e, true)
	}
	s.add(observers.Cluster, e)
}

// Resolves describes a pod's DNS settings.
type Resolves struct {
	Problem, Servers     string
	Named, Others, Alike int64
	Earlier              bool
}

// Resolves adds DNS settings of the pod that lead away from the cluster's.
func (s *Set) Resolves(p Pod, x Resolves) {
	e := event.Event{Kind: resolver.Setting, At: At(-600), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}}}
	resolver.Problem.Set(&e, x.Problem)
	resolver.Servers.Set(&e, x.Servers)
	if x.Problem == resolver.Alias {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey("shop", "redis")})
		resolver.Address.Set(&e, "1.2.3.4")
		resolver.Right.Set(&e, "10.96.1.1")
	}
	if x.Named > 0 {
		resolver.Named.Set(&e, x.Named)
	}
	resolver.Others.Set(&e, x.Others)
	resolver.Alike.Set(&e, x.Alike)
	if x.Earlier {
		resolver.Earlier.Set(&e, true)
	}
	s.add(observers.Cluster, e)
}

// NameServer adds the cluster's DNS.
func (s *Set) NameServer(pods, ready int64) {
	e := event.Event{Kind: resolver.Server, At: At(-60), Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey("kube-system", "kube-dns")}}}
	resolver.Pods.Set(&e, pods)
	resolver.Ready.Set(&e, ready)
	s.add(observers.Cluster, e)
}
