// Package nodes holds the facts about nodes and the cluster's own components as
// the API server tells them: whether a kubelet reports, what it says of its
// runtime and network, what stands still because no controller acts.
package nodes

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds. All are states: one is told again when it changes, and once more
// with Over when it ends.
const (
	State     event.Kind = "nodes.state"
	Component event.Kind = "nodes.component"
	Device    event.Kind = "nodes.device"
	Ignored   event.Kind = "nodes.ignored"
	Manager   event.Kind = "nodes.manager"
)

// Fields of State: a node on which a pod of the target is, or each node of a
// whole target. Subject is the node. At is since when Ready is what it is.
var (
	Ready       = event.Field[string]{Name: "ready", Doc: "status of its Ready condition: True, False or Unknown"}
	Reason      = event.Field[string]{Name: "reason", Doc: "reason of the Ready condition"}
	Message     = event.Field[string]{Name: "message", Doc: "message of the Ready condition"}
	Cause       = event.Field[string]{Name: "cause", Doc: "what the kubelet says is down: runtime or network; empty for neither"}
	Renewed     = event.Field[int64]{Name: "renewed", Unit: event.Seconds, Doc: "last renewal of the lease that has gone stale, Unix seconds; absent while it is fresh or unknown"}
	Fresh       = event.Field[bool]{Name: "fresh", Doc: "its lease is renewed: the kubelet lives and reaches the API server"}
	Heard       = event.Field[int64]{Name: "heard", Unit: event.Seconds, Doc: "last status that the kubelet posted, of a node that is not ready, Unix seconds"}
	Cordoned    = event.Field[bool]{Name: "cordoned", Doc: "it is marked unschedulable"}
	Pressure    = event.Field[string]{Name: "pressure", Doc: "conditions of pressure that hold: memory, disk, pid, comma-separated"}
	NoNetwork   = event.Field[bool]{Name: "no_network", Doc: "its NetworkUnavailable condition is true"}
	Pods        = event.Field[int64]{Name: "pods", Unit: event.Count, Doc: "pods of the target on it"}
	Unready     = event.Field[int64]{Name: "unready", Unit: event.Count, Doc: "those of them that are not ready"}
	SandboxLast = event.Field[int64]{Name: "sandbox_last", Unit: event.Seconds, Doc: "last failure to make a pod's sandbox on it, Unix seconds"}
	Sandboxes   = event.Field[int64]{Name: "sandboxes", Unit: event.Count, Doc: "failures to make a sandbox that still matter: their pod has none yet"}
	SandboxWhy  = event.Field[string]{Name: "sandbox_why", Doc: "what those failures are about: runtime, network or other"}
	SandboxText = event.Field[string]{Name: "sandbox_text", Doc: "the kubelet's words on the last of them"}
	Over        = event.Field[bool]{Name: "over", Doc: "what was told before no longer holds"}
)

// Fields of Component: a part of the cluster that should run on each node does
// not on this one. Subject is the node, Owner its DaemonSet, Peer its pod when
// there is one.
var (
	Name    = event.Field[string]{Name: "name", Doc: "name of the component or device"}
	Role    = event.Field[string]{Name: "role", Doc: "proxy, network, dns or other"}
	Missing = event.Field[bool]{Name: "missing", Doc: "it has no pod on the node"}
	Trouble = event.Field[string]{Name: "trouble", Doc: "why its container is not ready, as the kubelet says"}
	Well    = event.Field[int64]{Name: "well", Unit: event.Count, Doc: "other nodes on which it is ready"}
)

// Fields of Device: a resource of a node of which fewer are allocatable than
// there are. Subject is the node, each Peer a pod of the target that asks for it
// and does not run.
var (
	Capacity    = event.Field[int64]{Name: "capacity", Unit: event.Count, Doc: "devices the node has"}
	Allocatable = event.Field[int64]{Name: "allocatable", Unit: event.Count, Doc: "devices that can be given to pods"}
	Wanted      = event.Field[int64]{Name: "wanted", Unit: event.Count, Doc: "pods of the target that ask for it"}
)

// Fields of Ignored: an object whose controller has not looked at it. Subject
// is the workload. At is since when.
var (
	Generation = event.Field[int64]{Name: "generation", Doc: "generation of the object's wanted state"}
	Observed   = event.Field[int64]{Name: "observed", Doc: "generation that its controller has acted on"}
)

// Fields of Manager: the controller manager. Subject is the node it runs on,
// else the namespace kube-system. Renewed as above.
var (
	PodName = event.Field[string]{Name: "pod", Doc: "its pod, where the control plane runs in pods"}
	Down    = event.Field[string]{Name: "down", Doc: "why its pod does not run; empty when it does or is not known"}
)

// Values of Cause, SandboxWhy and Role.
const (
	Runtime = "runtime"
	Network = "network"
	Other   = "other"
	Proxy   = "proxy"
	DNS     = "dns"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "nodes",
	Side: observers.Cluster,
	Doc:  "whether nodes, their runtime and network, and the cluster's own components do their part, as the API server tells",
	Emits: []observers.Schema{
		{Kind: State, Meaning: "a node as its kubelet and its lease tell it", Fields: event.Fields(Ready, Reason, Message, Cause, Renewed, Fresh, Heard, Cordoned, Pressure, NoNetwork, Pods, Unready, SandboxLast, Sandboxes, SandboxWhy, SandboxText, Over)},
		{Kind: Component, Meaning: "a component that each node needs is not ready on one", Fields: event.Fields(Name, Role, Missing, Trouble, Well, Over)},
		{Kind: Device, Meaning: "a node has fewer devices to give than it has", Fields: event.Fields(Name, Capacity, Allocatable, Wanted, Over)},
		{Kind: Ignored, Meaning: "a controller has not acted on an object", Fields: event.Fields(Generation, Observed, Over)},
		{Kind: Manager, Meaning: "the controller manager is not at work", Fields: event.Fields(PodName, Down, Renewed, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "sandboxes that could not be made", Optional: true},
		{Type: observers.Verb, Name: "list deployments.apps", Why: "what no controller acts on", Optional: true},
		{Type: observers.Verb, Name: "list nodes", Why: "conditions of the nodes", Optional: true},
		{Type: observers.Verb, Name: "list leases of kube-system", Why: "the controller manager's sign of life", Optional: true},
		{Type: observers.Verb, Name: "list leases.coordination.k8s.io", Why: "the kubelets' signs of life", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 500},
}
