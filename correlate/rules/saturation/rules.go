// Package saturation holds the rules for causes of the family saturation/: a
// peer that is there and answers, and has no room or no will to serve.
package saturation

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/observers/logs"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: DBConnections, Eval: eval(DBConnections, logs.TooMany),
			Doc:    "A database answers that it has no connection left.",
			Rivals: []finding.Cause{"network/refused", "saturation/pool-exhausted"},
		},
		{
			Cause: DBReadOnly, Eval: eval(DBReadOnly, logs.ReadOnlyPeer),
			Doc:    "A database answers that it takes no writes: a replica, a switch that is set, or a full disk behind it.",
			Rivals: []finding.Cause{"storage/disk-full", DBAuth},
		},
		{
			Cause: DBAuth, Eval: eval(DBAuth, logs.LoginRefused),
			Doc:    "A server refuses a client's login, and nothing is known of the credentials themselves.",
			Rivals: []finding.Cause{"config/credentials-wrong", "config/secret-stale"},
		},
	}
}
