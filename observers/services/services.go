// Package services holds the facts about who reaches whom: which pods a
// Service selects, and which pods name a Service in their configuration.
package services

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Selects   event.Kind = "services.selects"
	Names     event.Kind = "services.names"
	Unmatched event.Kind = "services.unmatched"
	BadPort   event.Kind = "services.bad_port"
	Foreign   event.Kind = "services.foreign"
	NoLocal   event.Kind = "services.no_local"
)

// Fields of Selects: a Service and the pods behind it, one event a Service.
// Subject is the Service, each Peer a pod its selector matches.
var (
	Port      = event.Field[int64]{Name: "port", Doc: "port of the Service that is meant; of Selects the first one"}
	ReadyPods = event.Field[int64]{Name: "ready_pods", Unit: event.Count, Doc: "selected pods that are ready"}
	Selecting = event.Field[bool]{Name: "selecting", Doc: "the Service has a selector; without one its endpoints are somebody else's work"}
)

// Fields of Names: a pod's configuration names a Service. Subject is the
// pod, Peer the Service. It shows intent to call, not a call.
var (
	Where = event.Field[string]{Name: "where", Doc: "which part names it: env NAME, args or command"}
)

// Over ends each of the facts below.
var Over = event.Field[bool]{Name: "over", Doc: "the fact no longer holds"}

// Fields of Unmatched: the selector of a Service matches no pod. Subject is the
// Service; Owner the workload of the nearest pods, or the one whose pods the
// selector would match if there were any; each Peer one of the nearest pods.
var (
	Selector  = event.Field[string]{Name: "selector", Doc: "the selector in canonical form"}
	Label     = event.Field[string]{Name: "label", Doc: "the label by which the nearest pods differ from the selector"}
	Wants     = event.Field[string]{Name: "wants", Doc: "the value that the selector asks for"}
	Carries   = event.Field[string]{Name: "carries", Doc: "the value that the nearest pods carry; absent when they lack the label"}
	Near      = event.Field[int64]{Name: "near", Unit: event.Count, Doc: "pods that the selector would match with that one change"}
	NearReady = event.Field[int64]{Name: "near_ready", Unit: event.Count, Doc: "of them, ready"}
	Because   = event.Field[string]{Name: "because", Doc: "why these pods are meant: name, spelling, other labels, port, unselected"}
	NoPods    = event.Field[bool]{Name: "no_pods", Doc: "a workload's template has the labels, it merely has no pod"}
)

// Fields of BadPort: a port of a Service leads where its pods do not listen.
// Subject is the Service, Owner the workload of the pods, each Peer a pod. Port
// as above.
var (
	Target      = event.Field[string]{Name: "target", Doc: "targetPort as the Service gives it"}
	Protocol    = event.Field[string]{Name: "protocol", Doc: "protocol of the Service's port: TCP, UDP or SCTP, or its appProtocol"}
	Problem     = event.Field[string]{Name: "problem", Doc: "name, number, protocol or application"}
	Wanted      = event.Field[int64]{Name: "wanted", Doc: "port on which the pods listen, as the most sources say; absent when none is known"}
	WantedN     = event.Field[int64]{Name: "wanted_sources", Unit: event.Count, Doc: "how many sources say so"}
	WantedFrom  = event.Field[string]{Name: "wanted_from", Doc: "which sources say so"}
	Speaks      = event.Field[string]{Name: "speaks", Doc: "protocol of the pods' port"}
	Callers     = event.Field[int64]{Name: "callers", Unit: event.Count, Doc: "pods of other workloads that name the Service"}
	ReadyBehind = event.Field[int64]{Name: "ready_behind", Unit: event.Count, Doc: "ready pods behind the Service"}
)

// Values of Problem.
const (
	BadName        = "name"        // no container declares a port of that name
	BadNumber      = "number"      // other ports are declared, this one is not
	BadProtocol    = "protocol"    // the port is declared for another transport protocol
	BadApplication = "application" // the port speaks another protocol than appProtocol says
)

// Fields of Foreign: a Service selects pods of a workload that does not serve
// what the others do. Subject is the Service, Owner the foreign workload, each
// Peer one of its pods. Port, Target as above.
var (
	Strangers  = event.Field[int64]{Name: "strangers", Unit: event.Count, Doc: "ready pods of the foreign workload"}
	Natives    = event.Field[int64]{Name: "natives", Unit: event.Count, Doc: "ready pods of the others"}
	OwnService = event.Field[string]{Name: "own_service", Doc: "a Service that selects the foreign pods and no other; absent for none"}
)

// Policy is the field of NoLocal: a Service whose traffic stays on the node has no ready pod
// on nodes that use it. Subject is the Service, each Host such a node, each
// Peer a pod that names the Service there. ReadyBehind and Callers as above.
var Policy = event.Field[string]{Name: "policy", Doc: "internalTrafficPolicy or externalTrafficPolicy"}

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "services",
	Side: observers.Cluster,
	Doc:  "which pods a Service selects, which pods name it, and where selectors, ports and protocols do not meet",
	Emits: []observers.Schema{
		{Kind: Selects, Meaning: "a Service and the pods its selector matches", Fields: event.Fields(Port, ReadyPods, Selecting)},
		{Kind: Names, Meaning: "a pod's configuration names a Service", Fields: event.Fields(Where, Port)},
		{Kind: Unmatched, Meaning: "the selector of a Service matches no pod, and which pods are nearest to it", Fields: event.Fields(Selector, Label, Wants, Carries, Near, NearReady, Because, NoPods, Callers, Over)},
		{Kind: BadPort, Meaning: "a port of a Service leads where its pods do not listen", Fields: event.Fields(Port, Target, Protocol, Problem, Wanted, WantedN, WantedFrom, Speaks, Callers, ReadyBehind, Over)},
		{Kind: Foreign, Meaning: "a Service selects pods that do not serve what its others do", Fields: event.Fields(Port, Target, Strangers, Natives, OwnService, Over)},
		{Kind: NoLocal, Meaning: "a Service whose traffic stays on the node has no ready pod on nodes that use it", Fields: event.Fields(Policy, Callers, ReadyBehind, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list services"},
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list deployments.apps", Why: "whose pods a Service means", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 2000},
}
