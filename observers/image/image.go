// Package image holds the facts about images that a node cannot get: what the
// registry or the runtime said, typed, and what the objects tell beside it:
// whose pull secrets are there, and who runs another image of the repository.
package image

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Failed is an image that cannot be had: a container waits for it. Subject is
// the container, Owner its pod, Host its node, Peer the pull secret that is
// named and absent. At is the first failure that is known.
const Failed event.Kind = "image.failed"

// The fields.
var (
	Image      = event.Field[string]{Name: "image", Doc: "the image as the spec names it"}
	Registry   = event.Field[string]{Name: "registry", Doc: "host and port of the registry"}
	Repository = event.Field[string]{Name: "repository", Doc: "repository within the registry"}
	Tag        = event.Field[string]{Name: "tag", Doc: "tag or digest"}
	Reason     = event.Field[string]{Name: "reason", Doc: "reason of the waiting state"}
	Class      = event.Field[string]{Name: "class", Doc: "what the message says, typed: not-found, denied, denied-or-not-found, dns, unreachable, certificate, server-error, rate-limited, platform, name, never, no-space or unknown"}

	PullSecrets   = event.Field[int64]{Name: "pull_secrets", Unit: event.Count, Doc: "pull secrets that the pod names"}
	SecretAbsent  = event.Field[string]{Name: "secret_absent", Doc: "a pull secret that the pod names and its namespace does not have"}
	SecretForeign = event.Field[string]{Name: "secret_foreign", Doc: "the pull secrets are there and none of them has credentials for the registry: the first one's name"}

	SameRepository = event.Field[int64]{Name: "same_repository", Unit: event.Count, Doc: "other containers that run an image of the repository"}
	OtherImage     = event.Field[string]{Name: "other_image", Doc: "an image of the repository that runs: another tag, or the same one elsewhere"}
	SameRegistry   = event.Field[int64]{Name: "same_registry", Unit: event.Count, Doc: "other containers that run an image of the registry"}
	WithSecrets    = event.Field[int64]{Name: "with_secrets", Unit: event.Count, Doc: "how many of those name pull secrets"}
	AlikeFailing   = event.Field[int64]{Name: "alike_failing", Unit: event.Count, Doc: "other containers that wait for an image of the registry"}
	Earlier        = event.Field[string]{Name: "earlier", Doc: "image that the container had in the revision before, when it was another"}
	EarlierHost    = event.Field[bool]{Name: "earlier_host", Doc: "that image is of the same registry"}
	Official       = event.Field[bool]{Name: "official", Doc: "the name is one of Docker's own images, which are all public"}
	EarlierRuns    = event.Field[bool]{Name: "earlier_runs", Doc: "a container runs that image now"}
	Architecture   = event.Field[string]{Name: "architecture", Doc: "operating system and processor of the pod's node"}
)

// Values of Class.
const (
	NotFound    = "not-found"           // the registry knows no such repository or tag
	Denied      = "denied"              // the registry wants other credentials
	Ambiguous   = "denied-or-not-found" // the registry does not tell the one from the other
	DNS         = "dns"                 // the registry's name has no address
	Unreachable = "unreachable"         // no connection, or no answer
	Certificate = "certificate"         // TLS failed
	ServerError = "server-error"        // the registry answered with an error of its own
	RateLimited = "rate-limited"        // the registry counts too many pulls
	Platform    = "platform"            // no image for the node's platform
	BadName     = "name"                // the name is no image name
	Never       = "never"               // not on the node, and the policy forbids to pull
	NoSpace     = "no-space"            // the node has no room to unpack it
	Unknown     = "unknown"             // the message is absent or says something else
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "image",
	Side: observers.Cluster,
	Doc:  "images that a node cannot get, why, and what the objects tell beside the message",
	Emits: []observers.Schema{
		{Kind: Failed, Meaning: "a container waits for an image that cannot be had", Fields: event.Fields(
			Image, Registry, Repository, Tag, Reason, Class, PullSecrets, SecretAbsent, SecretForeign,
			SameRepository, OtherImage, SameRegistry, WithSecrets, AlikeFailing, Earlier, EarlierHost, EarlierRuns, Official, Architecture)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "what the registry answered", Optional: true},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "the image of the revision before", Optional: true},
		{Type: observers.Verb, Name: "list secrets", Why: "whether a named pull secret is there", Optional: true},
		{Type: observers.Verb, Name: "list nodes", Why: "the platform of the node", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 100},
}
