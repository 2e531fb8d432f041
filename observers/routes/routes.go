// Package routes holds the facts about what stands between a caller and a
// Service besides the Service itself: routes of gateways and Ingresses, and
// network policies.
package routes

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Astray event.Kind = "routes.astray"
	Denied event.Kind = "routes.denied"
)

// Fields of Astray: a route leads elsewhere than it should. Subject is the
// Service that should be reached, Peer the one that is (absent when there is
// none), Owner the gateway's workload, Device the ConfigMap that holds the
// route.
var (
	Problem  = event.Field[string]{Name: "problem", Doc: "no-service, no-port or pattern"}
	Via      = event.Field[string]{Name: "via", Doc: "Ingress NAME or ConfigMap NAME KEY"}
	Route    = event.Field[string]{Name: "route", Doc: "the route's own name, empty when it has none"}
	Path     = event.Field[string]{Name: "path", Doc: "path that the route serves"}
	Target   = event.Field[string]{Name: "target", Doc: "host and port to which the route leads"}
	Siblings = event.Field[int64]{Name: "siblings", Unit: event.Count, Doc: "routes beside it whose path or name tells the Service they lead to"}
	Breaks   = event.Field[int64]{Name: "breaks", Unit: event.Count, Doc: "routes that do not"}
	Ports    = event.Field[string]{Name: "ports", Doc: "ports that the Service has"}
	Similar  = event.Field[string]{Name: "similar", Doc: "a Service with nearly the name that the route gives"}
	Over     = event.Field[bool]{Name: "over", Doc: "the fact no longer holds"}
)

// Values of Astray's Problem.
const (
	NoService = "no-service" // the route leads to a Service that is not there
	NoPort    = "no-port"    // the Service has no such port
	Pattern   = "pattern"    // path and name tell another Service, which no route leads to
)

// Fields of Denied: network policies allow no way for calls that a pod's
// configuration intends. Subject is the Service for policies of its pods, or
// the calling pod for its own; Peer the calling pods, or the Service. Problem is
// ingress, egress or dns.
var (
	Policies = event.Field[string]{Name: "policies", Doc: "policies that select the pods and allow none of it"}
	Port     = event.Field[int64]{Name: "port", Doc: "port of the pods that would be reached"}
	Callers  = event.Field[int64]{Name: "callers", Unit: event.Count, Doc: "pods whose calls are denied"}
	Newer    = event.Field[bool]{Name: "newer", Doc: "the newest of the policies is younger than the pods"}
	Allows   = event.Field[int64]{Name: "allows", Unit: event.Count, Doc: "other pods of the namespace that may call"}
)

// Values of Denied's Problem.
const (
	Ingress = "ingress" // a policy of the called pods
	Egress  = "egress"  // a policy of the calling pod
	DNS     = "dns"     // a policy of the calling pod that leaves no way to any name server
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "routes",
	Side: observers.Cluster,
	Doc:  "routes of gateways and Ingresses that lead astray, and network policies that deny intended calls",
	Emits: []observers.Schema{
		{Kind: Astray, Meaning: "a route leads elsewhere than it should", Fields: event.Fields(Problem, Via, Route, Path, Target, Siblings, Breaks, Ports, Similar, Over)},
		{Kind: Denied, Meaning: "network policies leave no way for intended calls", Fields: event.Fields(Problem, Policies, Port, Callers, Newer, Allows, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list services"},
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list configmaps", Why: "routes of gateways", Optional: true},
		{Type: observers.Verb, Name: "list ingresses.networking.k8s.io", Why: "routes from outside", Optional: true},
		{Type: observers.Verb, Name: "list networkpolicies.networking.k8s.io", Why: "which calls are allowed", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200},
}
