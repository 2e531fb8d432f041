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
			Rivals: []finding.Cause{LimitTooSmall, "memory/node-oom", "memory/evicted", "exit/killed-after-grace"},
		},
		{
			Cause: LimitTooSmall, Eval: evalLimitTooSmall,
			Doc:    "The memory limit cannot hold even what the container needs to start: no known instance outlived its start, or the runtime's own init was killed.",
			Rivals: []finding.Cause{LimitOOM},
		},
	}
}
