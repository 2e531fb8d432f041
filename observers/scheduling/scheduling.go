// Package scheduling holds the facts about pods that wait for a node: on which
// nodes which constraints stand against them, what would be different if one
// of them were lifted, and what the scheduler itself says.
package scheduling

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Unplaced   event.Kind = "scheduling.unplaced"
	Refusal    event.Kind = "scheduling.refusal"
	Constraint event.Kind = "scheduling.constraint"
	Leave      event.Kind = "scheduling.leave"
	Displaced  event.Kind = "scheduling.displaced"
	Guard      event.Kind = "scheduling.guard"
	Scheduler  event.Kind = "scheduling.scheduler"
)

// The constraints. Each is one thing that can be lifted without touching the
// others.
const (
	CPU          = "cpu"               // free CPU of the node
	Memory       = "memory"            // free memory of the node
	Ephemeral    = "ephemeral-storage" // free local storage of the node
	PodCount     = "pods"              // how many pods the node takes
	Device       = "device"            // an extended resource or huge pages
	Selector     = "selector"          // spec.nodeSelector
	Affinity     = "affinity"          // required node affinity
	VolumeNode   = "volume-node"       // where a bound volume can be reached
	Taint        = "taint"             // a taint that somebody set and the pod does not tolerate
	Condition    = "condition"         // a taint that the cluster sets for the node's health
	Cordon       = "cordon"            // spec.unschedulable of the node
	AntiAffinity = "anti-affinity"     // required pod anti-affinity, the pod's own or that of a pod on the node
	PodAffinity  = "pod-affinity"      // required pod affinity
	Spread       = "spread"            // topology spread with DoNotSchedule
	HostPort     = "host-port"         // a port of the node
	Claim        = "claim"             // a volume claim that is absent or not bound: no node would do
	Placement    = "placement"         // in the scheduler's words selector and affinity are one
)

// Fields of Unplaced, a pod as the scheduler left it. Subject is the pod,
// Owner its workload. The facts of one look at a pod share Round; the newest
// look counts.
var (
	Round     = event.Field[int64]{Name: "round", Unit: event.Count, Doc: "number of the look at the pod"}
	Placed    = event.Field[bool]{Name: "placed", Doc: "the pod has a node by now"}
	Since     = event.Field[int64]{Name: "since", Unit: event.Seconds, Doc: "creation of the pod, Unix seconds"}
	Total     = event.Field[int64]{Name: "total", Unit: event.Count, Doc: "nodes that were tried; absent when the nodes are unknown"}
	Feasible  = event.Field[int64]{Name: "feasible", Unit: event.Count, Doc: "nodes against which nothing speaks, as far as is known"}
	Unknown   = event.Field[string]{Name: "unknown", Doc: "lists that would have been needed and are not known, comma-separated"}
	Asked     = event.Field[bool]{Name: "asked", Doc: "the scheduler has said a word about the pod"}
	Words     = event.Field[string]{Name: "words", Doc: "the constraints of the scheduler's own message with the number of nodes of each, as cpu=3,cordon=1"}
	Names     = event.Field[string]{Name: "scheduler", Doc: "spec.schedulerName when it is not the default one"}
	Gates     = event.Field[string]{Name: "gates", Doc: "scheduling gates that are still closed, comma-separated"}
	Nominated = event.Field[string]{Name: "nominated", Doc: "node on which room is being made for the pod"}
	Missing   = event.Field[string]{Name: "missing_node", Doc: "spec.nodeName, of which no node is there"}
	Claims    = event.Field[string]{Name: "claims", Doc: "volume claims that keep the pod waiting, comma-separated"}
)

// Fields of Refusal: nodes on which the same constraints stand against the pod.
// Subject is the pod, Host up to eight of the nodes. Round as above.
var (
	Against = event.Field[string]{Name: "against", Doc: "the constraints that fail, sorted and comma-separated; all of them would have to be lifted"}
	Nodes   = event.Field[int64]{Name: "nodes", Unit: event.Count, Doc: "how many nodes"}
	Usual   = event.Field[bool]{Name: "usual", Doc: "ordinary nodes, or nodes that the pod asks for; false for closed control-plane nodes that nobody would have used"}
)

// Fields of Constraint: one constraint that fails on some node, tried alone.
// Subject is the pod, Host the node that comes closest. Round and Nodes as
// above.
var (
	Name     = event.Field[string]{Name: "constraint", Doc: "which constraint"}
	Frees    = event.Field[int64]{Name: "frees", Unit: event.Count, Doc: "usual nodes that would take the pod if only this were lifted"}
	Asks     = event.Field[string]{Name: "asks", Doc: "what the pod asks for or does not tolerate, as its spec says it"}
	Request  = event.Field[int64]{Name: "request", Unit: event.Count, Doc: "amount asked for: millicores, bytes or pieces"}
	Free     = event.Field[int64]{Name: "free", Unit: event.Count, Doc: "largest free amount on a node against which nothing else speaks, else on any usual node"}
	Largest  = event.Field[int64]{Name: "largest", Unit: event.Count, Doc: "largest allocatable amount of any usual node"}
	Lacks    = event.Field[string]{Name: "lacks", Doc: "what the closest node lacks or has against the pod"}
	Holder   = event.Field[string]{Name: "holder", Doc: "pod that stands in the way, as namespace/name"}
	Resource = event.Field[string]{Name: "resource", Doc: "name of the extended resource"}
)

// Fields of Leave: one pod whose end would make room. Subject is the pod that
// waits, Peer the one that would leave, Host the node. Round as above.
var (
	Leaver  = event.Field[string]{Name: "leaver", Doc: "the pod that would leave, as namespace/name"}
	Amount  = event.Field[int64]{Name: "amount", Unit: event.Count, Doc: "what it holds of the short resource: millicores, bytes or pieces"}
	Allowed = event.Field[string]{Name: "allowed", Doc: "whether its disruption budgets allow it: yes, no or unknown"}
	Lifts   = event.Field[string]{Name: "lifts", Doc: "the constraint that its end would lift"}
)

// Fields of Displaced: a pod that was taken from its node by another's will.
// Subject is the pod, Owner its workload, Host the node, Culprit the pod for
// which room was made.
var (
	Victim = event.Field[string]{Name: "victim", Doc: "name of the pod that had to leave"}
	By     = event.Field[string]{Name: "by", Doc: "preemption, eviction, taint or shutdown"}
	For    = event.Field[string]{Name: "for", Doc: "the pod for which room was made, as namespace/name"}
	Told   = event.Field[string]{Name: "told", Doc: "condition or event, whichever told of it"}
)

// Fields of Guard: a disruption budget that lets no pod leave a cordoned node
// although all of them are healthy. Subject is a pod on that node, Owner its
// workload, Host the node.
var (
	BudgetName = event.Field[string]{Name: "budget", Doc: "name of the disruption budget"}
	Wanted     = event.Field[int64]{Name: "wanted", Unit: event.Count, Doc: "pods that the budget wants healthy"}
	Healthy    = event.Field[int64]{Name: "healthy", Unit: event.Count, Doc: "pods that are healthy"}
	Expected   = event.Field[int64]{Name: "expected", Unit: event.Count, Doc: "pods that there should be"}
)

// Fields of Scheduler: the scheduler itself. Subject is the node it runs on, or
// the only control-plane node, else the namespace kube-system.
var (
	State   = event.Field[string]{Name: "state", Doc: "running, failing, absent or unknown"}
	PodName = event.Field[string]{Name: "pod", Doc: "its pod in kube-system"}
	Renewed = event.Field[int64]{Name: "renewed", Unit: event.Seconds, Doc: "last renewal of its lease, Unix seconds"}
	Detail  = event.Field[string]{Name: "detail", Doc: "reason of the state as Kubernetes gives it"}
)

// Values of Allowed, By and State.
const (
	Yes   = "yes"
	No    = "no"
	Maybe = "unknown"

	Preemption = "preemption"
	Eviction   = "eviction"
	ByTaint    = "taint"
	Shutdown   = "shutdown"

	Running = "running"
	Failing = "failing"
	Gone    = "absent"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "scheduling",
	Side: observers.Cluster,
	Doc:  "why a pod has no node: each constraint tried alone on each node, and what the scheduler says",
	Emits: []observers.Schema{
		{Kind: Unplaced, Meaning: "a pod that has no node, each time that changes", Fields: event.Fields(Round, Placed, Since, Total, Feasible, Unknown, Asked, Words, Names, Gates, Nominated, Missing, Claims)},
		{Kind: Refusal, Meaning: "nodes that refuse a pod for the same constraints", Fields: event.Fields(Round, Against, Nodes, Usual)},
		{Kind: Constraint, Meaning: "one constraint that fails on some node, and what lifting it alone would do", Fields: event.Fields(Round, Name, Nodes, Frees, Asks, Request, Free, Largest, Lacks, Holder, Resource)},
		{Kind: Leave, Meaning: "one pod whose end would make room for the one that waits", Fields: event.Fields(Round, Leaver, Amount, Allowed, Lifts)},
		{Kind: Displaced, Meaning: "a pod that was taken from its node by another's will", Fields: event.Fields(Victim, By, For, Told)},
		{Kind: Guard, Meaning: "a disruption budget that holds healthy pods on a cordoned node", Fields: event.Fields(BudgetName, Wanted, Healthy, Expected)},
		{Kind: Scheduler, Meaning: "the scheduler itself, looked for when it is silent", Fields: event.Fields(State, PodName, Renewed, Detail)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "the scheduler's own words", Optional: true},
		{Type: observers.Verb, Name: "list nodes", Why: "what would take a pending pod", Optional: true},
		{Type: observers.Verb, Name: "list pods of all namespaces", Why: "what fills the nodes", Optional: true},
		{Type: observers.Verb, Name: "list persistentvolumeclaims", Why: "claims that keep a pod waiting", Optional: true},
		{Type: observers.Verb, Name: "list persistentvolumes", Why: "where volumes can be reached", Optional: true},
		{Type: observers.Verb, Name: "list storageclasses.storage.k8s.io", Why: "when claims are bound", Optional: true},
		{Type: observers.Verb, Name: "list poddisruptionbudgets.policy", Why: "which pods may leave", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 1000},
}
