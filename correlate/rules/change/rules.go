// Package change holds the rules for causes of the family change/, and for what
// else only a comparison of before and after tells.
package change

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: ScaledToZero, Eval: evalScaledToZero,
			Doc:    "A workload that others need asks for no pods: a Service leads to it and pods name that Service, or it was scaled down within the window. One that nobody needs is innocent.",
			Rivals: []finding.Cause{"network/no-endpoints", "network/selector-mismatch", "admission/quota-pods"},
		},
		{
			Cause: BadRollout, Eval: evalBadRollout,
			Doc:    "The newest revision of a workload does not become ready while the earlier one is: the difference of the two templates brought the fault.",
			Rivals: []finding.Cause{"exit/dependency-unavailable", "node/kubelet-down"},
		},
		{
			Cause: ConfigChange, Eval: evalConfigChange,
			Doc:    "A ConfigMap or Secret that a workload uses was edited, and its trouble began soon after, with none before.",
			Rivals: []finding.Cause{BadRollout},
		},
		{
			Cause: StatefulSetStuck, Eval: evalStatefulSetStuck,
			Doc:    "A StatefulSet whose pods come in order waits for a broken pod of the old revision before it replaces any, itself included.",
			Rivals: []finding.Cause{BadRollout},
		},
		{
			Cause: HPAWrong, Eval: evalHPAWrong,
			Doc:    "A HorizontalPodAutoscaler cannot do its work: its target is missing, a container lacks the request that its metric is a share of, or its metric has no value; or it is at its maximum while callers complain.",
			Rivals: []finding.Cause{AggregatedAPIDown, ScaledToZero},
		},
		{
			Cause: AggregatedAPIDown, Eval: evalAggregatedAPIDown,
			Doc:    "An API group that a server of its own serves, as metrics, does not answer: autoscalers that need it stand still.",
			Rivals: []finding.Cause{HPAWrong},
		},
		{
			Cause: TagMoved, Eval: evalTagMoved,
			Doc:    "Pods of one template run different images under one tag; all of one image are ready and none of the other.",
			Rivals: []finding.Cause{BadRollout},
		},
	}
}
