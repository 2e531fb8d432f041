// Package resolver holds the facts about how pods find the addresses of names:
// their DNS settings against the cluster's, names that they fix themselves, and
// how the cluster's own DNS stands.
package resolver

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Setting event.Kind = "resolver.setting"
	Server  event.Kind = "resolver.server"
)

// Fields of Setting: a pod's DNS settings keep it from the cluster's names.
// Subject is the pod, Owner its workload, Peer a Service whose name is fixed.
var (
	Problem = event.Field[string]{Name: "problem", Doc: "foreign-server, node-resolver, host-network or alias"}
	Policy  = event.Field[string]{Name: "policy", Doc: "dnsPolicy as it is"}
	Servers = event.Field[string]{Name: "servers", Doc: "name servers that the pod is given, comma-separated"}
	Cluster = event.Field[string]{Name: "cluster_dns", Doc: "address of the cluster's DNS Service; absent when it is not known"}
	Outside = event.Field[bool]{Name: "outside", Doc: "no given name server is the cluster's DNS, nor in the range of the Services' addresses as far as that is known"}
	Search  = event.Field[bool]{Name: "search", Doc: "the search list holds a domain of the cluster"}
	Named   = event.Field[int64]{Name: "named", Unit: event.Count, Doc: "Services of the cluster that the pod's configuration names"}
	Others  = event.Field[int64]{Name: "others", Unit: event.Count, Doc: "pods of other workloads of the namespace that use the cluster's DNS"}
	Alike   = event.Field[int64]{Name: "alike", Unit: event.Count, Doc: "pods of other workloads of the namespace set like this one"}
	Earlier = event.Field[bool]{Name: "earlier", Doc: "the revision before used the cluster's DNS"}
	Address = event.Field[string]{Name: "fixed_to", Doc: "address to which the name of the Peer is fixed"}
	Right   = event.Field[string]{Name: "right", Doc: "address of the Peer"}
	Over    = event.Field[bool]{Name: "over", Doc: "the fact no longer holds"}
)

// Values of Problem.
const (
	ForeignServer = "foreign-server" // dnsPolicy None with servers that are not the cluster's
	NodeResolver  = "node-resolver"  // dnsPolicy Default: the node's servers
	HostNetwork   = "host-network"   // ClusterFirst on the host network is Default
	Alias         = "alias"          // hostAliases fix a Service's name to another address
)

// Fields of Server: the cluster's DNS. Subject is its Service. Ready and Pods
// count what is behind it.
var (
	Ready = event.Field[int64]{Name: "ready", Unit: event.Count, Doc: "ready endpoints of the cluster's DNS"}
	Pods  = event.Field[int64]{Name: "pods", Unit: event.Count, Doc: "pods that its selector matches"}
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "resolver",
	Side: observers.Cluster,
	Doc:  "DNS settings of pods against the cluster's, and how the cluster's DNS stands",
	Emits: []observers.Schema{
		{Kind: Setting, Meaning: "a pod's DNS settings keep it from the cluster's names", Fields: event.Fields(
			Problem, Policy, Servers, Cluster, Outside, Search, Named, Others, Alike, Earlier, Address, Right, Over)},
		{Kind: Server, Meaning: "the cluster's DNS and what is behind it", Fields: event.Fields(Ready, Pods, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list services", Why: "which names the cluster has", Optional: true},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "what the revision before was set to", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200},
}
