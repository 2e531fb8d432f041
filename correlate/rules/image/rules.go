// Package image holds the rules for causes of the family image/: a container
// waits for an image that its node cannot get.
package image

import (
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/observers/image"
)

// Rules lists the family's causes.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Cause: NotFound, Eval: evalNotFound,
			Doc:    "The registry has no such repository or tag: it says so, or it hides the difference to a denial and another name or tag of it runs.",
			Rivals: []finding.Cause{PullDenied, RegistryDNS},
		},
		{
			Cause: PullDenied, Eval: evalPullDenied,
			Doc:    "The registry wants other credentials: it answered 401 or 403, or it hides the difference to a missing image and the pull secret is absent, is for other registries, or is not named where others name one.",
			Rivals: []finding.Cause{NotFound},
		},
		{
			Cause: RegistryDNS, Eval: eval(RegistryDNS, image.DNS),
			Doc:    "The registry's host name has no address on the node: the name is wrong or the node's resolver fails.",
			Rivals: []finding.Cause{RegistryUnreachable, PullDenied},
		},
		{
			Cause: RegistryUnreachable, Eval: eval(RegistryUnreachable, image.Unreachable, image.Certificate, image.ServerError),
			Doc:    "The registry's address is known and no usable answer comes: refused, timed out, a TLS failure, or a server error.",
			Rivals: []finding.Cause{RegistryDNS, PullDenied},
		},
		{
			Cause: RateLimited, Eval: eval(RateLimited, image.RateLimited),
			Doc:    "The registry refuses more pulls from this address or account for a while (429).",
			Rivals: []finding.Cause{PullDenied, RegistryUnreachable},
		},
		{
			Cause: Unusable, Eval: eval(Unusable, image.Platform, image.BadName, image.Never),
			Doc:    "Nobody has to be asked: the name is no image name, the policy forbids the pull, or the image has no variant for the node's platform.",
			Rivals: []finding.Cause{NotFound},
		},
		{
			Cause: NoSpace, Eval: eval(NoSpace, image.NoSpace),
			Doc:    "The node has no room to unpack the image.",
			Rivals: []finding.Cause{RegistryUnreachable},
		},
	}
}
