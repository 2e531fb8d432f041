// Package dns holds the rules for causes of the family dns/: names that have no
// address, pods that ask the wrong server, and a server that is down.
package dns

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// The causes.
const (
	NameNotFound finding.Cause = "dns/name-not-found"
	ServerDown   finding.Cause = "dns/server-down"
	PolicyWrong  finding.Cause = "dns/policy-wrong"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: NameNotFound, Eval: evalNameNotFound,
			Doc:    "A program asks for a name that no Service of its namespace has, while the cluster's DNS is well and other names resolve.",
			Rivals: []finding.Cause{ServerDown, PolicyWrong, "config/address-wrong"},
		},
		{
			Cause: ServerDown, Eval: evalServerDown, Refute: refuteServerDown,
			Doc:    "The cluster's DNS Service has no ready pod, so that no pod resolves any name of the cluster.",
			Rivals: []finding.Cause{PolicyWrong, NameNotFound},
		},
		{
			Cause: PolicyWrong, Eval: evalPolicyWrong,
			Doc:    "A pod's dnsPolicy, dnsConfig, host network or hostAliases keep it from the names of the cluster that others resolve.",
			Rivals: []finding.Cause{ServerDown, NameNotFound},
		},
	}
}
