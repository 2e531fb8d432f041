// Package services holds the facts about who reaches whom: which pods a
// Service selects, and which pods name a Service in their configuration.
package services

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Selects event.Kind = "services.selects"
	Names   event.Kind = "services.names"
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

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "services",
	Side: observers.Cluster,
	Doc:  "which pods a Service selects and which pods name it in their configuration",
	Emits: []observers.Schema{
		{Kind: Selects, Meaning: "a Service and the pods its selector matches", Fields: event.Fields(Port, ReadyPods, Selecting)},
		{Kind: Names, Meaning: "a pod's configuration names a Service", Fields: event.Fields(Where, Port)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list services"},
		{Type: observers.Verb, Name: "list pods"},
	},
	Budget: observers.Budget{EventsPerSecond: 2000},
}
