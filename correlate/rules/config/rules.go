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
	}
}
