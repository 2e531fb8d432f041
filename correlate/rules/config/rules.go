// Package config holds the rules for causes of the family config/: what a
// program is told by its configuration is absent, wrong or old.
package config

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: ObjectMissing, Eval: evalMissing(ObjectMissing),
			Doc:    "A container or volume refers to a ConfigMap or Secret that its namespace does not have, and the pod cannot start without it.",
			Rivals: []finding.Cause{KeyMissing, "storage/mount-failed", "image/not-found"},
		},
		{
			Cause: KeyMissing, Eval: evalMissing(KeyMissing),
			Doc:    "The ConfigMap or Secret is there and lacks the key that is asked for.",
			Rivals: []finding.Cause{ObjectMissing},
		},
		{
			Cause: AddressWrong, Eval: evalAddressWrong,
			Doc:    "A variable, argument or object names a host or port that no Service has: nearly the name of one, one of another namespace, or the wrong port; what others name, what the revision before named and what the log complains of decide.",
			Rivals: []finding.Cause{"dns/name-not-found", "network/no-endpoints", "exit/dependency-unavailable"},
		},
		{
			Cause: CredentialsWrong, Eval: evalCredentialsWrong,
			Doc:    "A client's user or password is not what the server was told, or is not what the server's other clients agree on; a refused login in a log is the second witness.",
			Rivals: []finding.Cause{"saturation/db-auth", SecretStale},
		},
		{
			Cause: SecretStale, Eval: evalStale(SecretStale),
			Doc:    "A Secret changed after the container began that reads it once, and logins are refused since.",
			Rivals: []finding.Cause{CredentialsWrong},
		},
		{
			Cause: NotReloaded, Eval: evalStale(NotReloaded),
			Doc:    "A ConfigMap changed after the container began that reads it once, by its environment or a mount of a single file, and the program complains since.",
			Rivals: []finding.Cause{"change/config-change", AddressWrong},
		},
	}
}
