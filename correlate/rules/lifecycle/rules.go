// Package lifecycle holds the rules for objects that do not run, or do not go,
// when they should.
package lifecycle

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: JobFailed, Eval: evalJobFailed,
			Doc:    "A Job's controller has given up: too many of its pods failed, or its deadline passed. What made its pods fail is the root where it is known.",
			Rivals: []finding.Cause{JobSidecar, CronJobMissed},
		},
		{
			Cause: JobSidecar, Eval: evalJobSidecar,
			Doc:    "A Job does not end because a container beside its main one keeps running: the main one has ended well.",
			Rivals: []finding.Cause{JobFailed},
		},
		{
			Cause: CronJobMissed, Eval: evalCronJobMissed,
			Doc:    "Runs of a CronJob were due and did not begin: it is suspended, its policy forbids a second run while one is alive, its deadline for starting passed, or its schedule cannot be read. A CronJob that is suspended on purpose is innocent unless it is asked about.",
			Rivals: []finding.Cause{JobFailed, "node/controller-down"},
		},
		{
			Cause: StuckTerminating, Eval: evalStuckTerminating,
			Doc:    "A pod's deletion was asked for long ago and it is still there: a finalizer is left that nobody removes.",
			Rivals: []finding.Cause{"node/kubelet-down"},
		},
	}
}
