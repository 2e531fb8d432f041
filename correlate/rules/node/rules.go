// Package node holds the rules for causes of the family node/: nodes and
// components of the cluster that do not do their part.
package node

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: KubeletDown, Eval: evalKubeletDown,
			Doc:    "A node's kubelet has stopped reporting: its Ready condition is Unknown and its lease stale, while other nodes report. Whether its containers still run the API cannot tell.",
			Rivals: []finding.Cause{RuntimeDown, CNIFailure, "network/partition"},
		},
		{
			Cause: RuntimeDown, Eval: evalRuntimeDown,
			Doc:    "A node's container runtime does not answer: its kubelet, which lives, says so, or no sandbox can be made for want of it.",
			Rivals: []finding.Cause{KubeletDown, CNIFailure},
		},
		{
			Cause: CNIFailure, Eval: evalCNIFailure,
			Doc:    "A node cannot give pods a network: its kubelet says that the plugin is not ready, or the runtime reports that the plugin failed, for instance for want of addresses.",
			Rivals: []finding.Cause{RuntimeDown, KubeletDown},
		},
		{
			Cause: ProxyDown, Eval: evalProxyDown,
			Doc:    "kube-proxy is gone or not ready on one node while it works on others, so that Services are not kept up there.",
			Rivals: []finding.Cause{ProxyStale, "network/policy-drop"},
		},
		{
			Cause: ProxyStale, Eval: evalProxyStale,
			Doc:    "Calls to Services that have ready pods fail from one node only: its rules for Services are likely out of date.",
			Rivals: []finding.Cause{ProxyDown, "network/partition", "network/policy-drop"},
		},
		{
			Cause: ControllerDown, Eval: evalControllerDown,
			Doc:    "No controller acts: the wanted state of workloads is not looked at, or pods are missing without any refusal, and the controller manager does not renew its lease or does not run.",
			Rivals: []finding.Cause{"node/scheduler-down", "admission/denied"},
		},
		{
			Cause: DeviceLost, Eval: evalDeviceLost,
			Doc:    "A node has fewer devices to give than it has, and a pod that asks for one cannot run.",
			Rivals: []finding.Cause{"scheduling/insufficient-cpu"},
		},
	}
}
