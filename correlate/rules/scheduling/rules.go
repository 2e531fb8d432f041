// Package scheduling holds the rules for pods that have no node, or had to
// leave the one they had.
package scheduling

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// The causes.
const (
	InsufficientCPU     finding.Cause = "scheduling/insufficient-cpu"
	InsufficientMemory  finding.Cause = "scheduling/insufficient-memory"
	InsufficientStorage finding.Cause = "scheduling/insufficient-storage"
	InsufficientDevices finding.Cause = "scheduling/insufficient-devices"
	NodesFull           finding.Cause = "scheduling/nodes-full"
	NodeSelector        finding.Cause = "scheduling/node-selector"
	NodeAffinity        finding.Cause = "scheduling/node-affinity"
	VolumeZone          finding.Cause = "scheduling/volume-zone"
	Taint               finding.Cause = "scheduling/taint"
	NodesUnwell         finding.Cause = "scheduling/nodes-unwell"
	Cordoned            finding.Cause = "scheduling/cordoned"
	PodAntiAffinity     finding.Cause = "scheduling/pod-anti-affinity"
	PodAffinity         finding.Cause = "scheduling/pod-affinity"
	TopologySpread      finding.Cause = "scheduling/topology-spread"
	HostPort            finding.Cause = "scheduling/host-port"
	Gated               finding.Cause = "scheduling/gated"
	SchedulerDown       finding.Cause = "node/scheduler-down"
	Displaced           finding.Cause = "scheduling/preempted-or-drained"
	BudgetBlocks        finding.Cause = "scheduling/pdb-blocks"
)

// kind is a constraint with the cause that it is.
type kind struct {
	constraint string
	cause      finding.Cause
	doc        string
	rivals     []finding.Cause
	common     bool // that no node fails it is worth telling
}

var kinds = []kind{
	{scheduling.CPU, InsufficientCPU, "No node that the pod may use has as much CPU free as it asks for: with a smaller request, and nothing else changed, it would fit.", []finding.Cause{InsufficientMemory, Taint, Cordoned, NodeSelector}, true},
	{scheduling.Memory, InsufficientMemory, "No node that the pod may use has as much memory free as it asks for: with a smaller request, and nothing else changed, it would fit.", []finding.Cause{InsufficientCPU, Taint, Cordoned, "memory/limit-oom"}, true},
	{scheduling.Ephemeral, InsufficientStorage, "No node that the pod may use has as much local storage free as it asks for.", []finding.Cause{InsufficientCPU, "storage/evicted"}, false},
	{scheduling.Device, InsufficientDevices, "No node that the pod may use has a free device, or huge pages, of the kind and number that it asks for.", []finding.Cause{InsufficientCPU, "node/device-lost"}, false},
	{scheduling.PodCount, NodesFull, "The nodes that the pod may use run as many pods as they take.", []finding.Cause{InsufficientCPU, "admission/quota-pods"}, false},
	{scheduling.Selector, NodeSelector, "No node that counts carries the labels of the pod's nodeSelector; without it the pod would fit. Decided by the field that excludes the nodes, since the scheduler words selector and affinity alike.", []finding.Cause{NodeAffinity, Taint, Cordoned}, true},
	{scheduling.Affinity, NodeAffinity, "No node that counts satisfies the pod's required node affinity; without it the pod would fit. A closed control-plane node that happens to satisfy it does not count.", []finding.Cause{NodeSelector, Taint, Cordoned}, true},
	{scheduling.VolumeNode, VolumeZone, "The pod's volume can be reached only from nodes, such as those of a zone, that are not there or that the pod excludes.", []finding.Cause{NodeAffinity, "storage/multi-attach"}, false},
	{scheduling.Taint, Taint, "The nodes that the pod may use carry a taint that it does not tolerate.", []finding.Cause{Cordoned, NodeSelector, NodeAffinity}, true},
	{scheduling.Condition, NodesUnwell, "The nodes that the pod may use are not ready or under pressure: the cluster itself tainted them.", []finding.Cause{Taint, Cordoned, "node/kubelet-down"}, false},
	{scheduling.Cordon, Cordoned, "The nodes that the pod may use are cordoned. A cordoned control-plane node, which nobody would have used, does not count.", []finding.Cause{Taint, NodeSelector, NodeAffinity}, true},
	{scheduling.AntiAffinity, PodAntiAffinity, "Required pod anti-affinity, the pod's own or that of pods already placed, closes every node that it may use.", []finding.Cause{TopologySpread, InsufficientCPU}, false},
	{scheduling.PodAffinity, PodAffinity, "Required pod affinity asks for a peer that runs on, or near, no node that the pod may use.", []finding.Cause{PodAntiAffinity, NodeAffinity}, false},
	{scheduling.Spread, TopologySpread, "A topology spread constraint with DoNotSchedule would be broken on every node that the pod may use.", []finding.Cause{PodAntiAffinity, InsufficientCPU}, false},
	{scheduling.HostPort, HostPort, "The port of the node that the pod asks for is taken on every node that it may use.", []finding.Cause{"network/port-conflict", PodAntiAffinity}, false},
}

// order are the constraints as they are listed.
var order = func() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.constraint)
	}
	return out
}()

// Rules lists the family's causes.
func Rules() []rule.Rule {
	var out []rule.Rule
	for _, k := range kinds {
		out = append(out, rule.Rule{Cause: k.cause, Eval: evalConstraint(k.cause, k.constraint), Doc: k.doc, Rivals: k.rivals})
	}
	return append(out,
		rule.Rule{
			Cause: Gated, Eval: evalGated,
			Doc:    "The pod has a scheduling gate that nobody has opened: the scheduler does not look at it by order.",
			Rivals: []finding.Cause{SchedulerDown, InsufficientCPU},
		},
		rule.Rule{
			Cause: SchedulerDown, Eval: evalSchedulerDown,
			Doc:    "A pod waits although a node would take it, and the scheduler has said nothing of it, neither in its condition nor in an Event: nobody schedules, or nobody serves the scheduler's name that the pod gives.",
			Rivals: []finding.Cause{InsufficientCPU, Gated},
		},
		rule.Rule{
			Cause: Displaced, Eval: evalDisplaced,
			Doc:    "A pod had to leave its node: preempted for one of higher priority, evicted through the API as a drain does, or removed for a taint or the shutdown of the node.",
			Rivals: []finding.Cause{"storage/evicted", "memory/evicted", "exit/terminated-on-request"},
		},
		rule.Rule{
			Cause: BudgetBlocks, Eval: evalBudgetBlocks,
			Doc:    "A disruption budget lets none of its pods leave a cordoned node although all are healthy: it wants as many as there are, so a drain never ends.",
			Rivals: []finding.Cause{Cordoned, "lifecycle/stuck-terminating"},
		},
	)
}
