// Package memory holds the rules for causes of the family memory/.
package memory

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: LimitOOM, Eval: evalLimitOOM, Refute: refuteLimitOOM,
			Doc:    "A container reached its own or its pod's memory limit and the kernel killed it: the kernel's report of the kill names the limit, or the runtime saw the OOM flag on a container that has one.",
			Rivals: []finding.Cause{LimitTooSmall, ChildOOM, NodeOOM, Evicted, "exit/killed-after-grace"},
		},
		{
			Cause: LimitTooSmall, Eval: evalLimitTooSmall,
			Doc:    "The memory limit cannot hold even what the container needs to start: no known instance outlived its start, or the runtime's own init was killed.",
			Rivals: []finding.Cause{LimitOOM},
		},
		{
			Cause: ChildOOM, Eval: evalChildOOM,
			Doc:    "The kernel killed a process of a container at the container's limit, and it was not the container's first process: the container lives on, and Kubernetes tells nothing.",
			Rivals: []finding.Cause{LimitOOM, NodeOOM},
		},
		{
			Cause: NodeOOM, Eval: evalNodeOOM,
			Doc:    "The node, or a cgroup above its pods, ran out of memory, and the kernel chose this container: the kernel's report names no limit, or one above the pod.",
			Rivals: []finding.Cause{LimitOOM, Evicted},
		},
		{
			Cause: Evicted, Eval: evalEvicted,
			Doc:    "The node fell below its kubelet's threshold for memory and the kubelet evicted the pod: phase Failed, reason Evicted, memory named, and no OOM kill of it.",
			Rivals: []finding.Cause{NodeOOM, LimitOOM, "storage/evicted"},
		},
	}
}
