// Package network holds the rules for causes of the family network/: Services
// and what else stands between a caller and the pods it means.
package network

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// The causes.
const (
	Refused          finding.Cause = "network/refused"
	TargetPort       finding.Cause = "network/target-port"
	NoEndpoints      finding.Cause = "network/no-endpoints"
	SelectorMismatch finding.Cause = "network/selector-mismatch"
	SelectorTooWide  finding.Cause = "network/selector-too-wide"
	ServiceProtocol  finding.Cause = "network/service-protocol"
	PolicyLocal      finding.Cause = "network/traffic-policy-local"
	GatewayRoute     finding.Cause = "network/gateway-route"
	PolicyDrop       finding.Cause = "network/policy-drop"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: Refused, Eval: evalRefused,
			Doc:    "Callers are refused although Kubernetes takes the pods behind the Service for ready: nothing listens where the Service leads.",
			Rivals: []finding.Cause{TargetPort, NoEndpoints},
		},
		{
			Cause: TargetPort, Eval: evalTargetPort,
			Doc:    "A Service's targetPort is a name or number at which its pods do not listen, as their declarations, environment, arguments and passing probes tell.",
			Rivals: []finding.Cause{Refused, ServiceProtocol},
		},
		{
			Cause: NoEndpoints, Eval: evalNoEndpoints,
			Doc:    "A Service that others name has no ready pod: those with its labels are not ready, or none has them and none is near.",
			Rivals: []finding.Cause{SelectorMismatch},
		},
		{
			Cause: SelectorMismatch, Eval: evalSelector,
			Doc:    "A Service's selector matches no pod, and with one label changed it would match pods that further signs (name, spelling, other labels, port) say are meant.",
			Rivals: []finding.Cause{NoEndpoints, "change/scaled-to-zero"},
		},
		{
			Cause: SelectorTooWide, Eval: evalTooWide,
			Doc:    "A Service also selects ready pods of a workload that does not listen on its target port while the others do.",
			Rivals: []finding.Cause{Refused},
		},
		{
			Cause: ServiceProtocol, Eval: evalProtocol,
			Doc:    "A Service's port has another transport or application protocol than what its pods listen with on that number.",
			Rivals: []finding.Cause{TargetPort},
		},
		{
			Cause: PolicyLocal, Eval: evalLocal,
			Doc:    "Traffic to the Service may not leave the node, and nodes of its callers have none of its ready pods.",
			Rivals: []finding.Cause{NoEndpoints},
		},
		{
			Cause: GatewayRoute, Eval: evalRoute,
			Doc:    "A route of a gateway (in its ConfigMap) or of an Ingress leads to a Service or port that is not there, or to another Service than its name and path tell while its siblings lead where they tell.",
			Rivals: []finding.Cause{TargetPort, "config/address-wrong"},
		},
		{
			Cause: PolicyDrop, Eval: evalPolicy,
			Doc:    "Network policies select the pods and no rule allows the calls that others are configured to make; a caller that waits in vain confirms it.",
			Rivals: []finding.Cause{Refused, "node/kube-proxy-stale"},
		},
	}
}
