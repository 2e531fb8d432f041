// Package admission holds the rules for causes of the family admission/: why
// the API server refuses or changes the pods that controllers ask for.
package admission

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	var out []rule.Rule
	for _, c := range quotaCauses {
		out = append(out, rule.Rule{
			Cause: c.cause, Eval: evalQuota(c.cause),
			Doc:    "A ResourceQuota refuses " + c.what + ": use plus what one more asks for is above its hard value, and a workload is short of pods now. A quota that is full while nothing is short is innocent.",
			Rivals: []finding.Cause{LimitRange, Denied, ServiceAccountMissing, "scheduling/insufficient-cpu"},
		})
	}
	return append(out,
		rule.Rule{
			Cause: LimitRange, Eval: evalLimitRange,
			Doc:    "A LimitRange refuses the workload's pods: a container, the pod or a claim of its template asks for more or less than it allows.",
			Rivals: []finding.Cause{QuotaCPU, QuotaMemory, Denied},
		},
		rule.Rule{
			Cause: ServiceAccountMissing, Eval: evalServiceAccount,
			Doc:    "The template names a service account that does not exist now, and the workload is short of pods. Warnings of the start-up whose account exists since explain nothing.",
			Rivals: []finding.Cause{Denied, QuotaPods},
		},
		rule.Rule{
			Cause: Denied, Eval: evalDenied,
			Doc:    "Something that decides about pods refused the workload's: the namespace's pod security level, a webhook, an admission policy; or a webhook that must answer cannot be called.",
			Rivals: []finding.Cause{QuotaPods, LimitRange, ServiceAccountMissing},
		},
		rule.Rule{
			Cause: Mutated, Eval: evalMutated,
			Doc:    "A pod was changed on its way to be made, and its container fails in the very thing that was changed: a lowered memory limit and an OOM kill, another image and a failed pull.",
			Rivals: []finding.Cause{"memory/limit-oom", "memory/limit-too-small", "image/not-found"},
		},
		rule.Rule{
			Cause: RBACForbidden, Eval: evalRBACForbidden,
			Doc:    "A program's log repeats that the API server refuses its service account a right, and its container fails after it. It is the weakest of the family: only the program's own words tell.",
			Rivals: []finding.Cause{ServiceAccountMissing, "config/cloud-identity", "exit/dependency-unavailable"},
		},
	)
}
