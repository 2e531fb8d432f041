package claims

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/image"
)

// pullWords say what was answered to a pull, by class.
var pullWords = map[string]string{
	image.NotFound:    "the registry has no such image",
	image.Denied:      "the registry denies it",
	image.Ambiguous:   "the registry says that it is not there or not for us",
	image.DNS:         "the registry's name has no address",
	image.Unreachable: "the registry cannot be reached",
	image.Certificate: "TLS with the registry fails",
	image.ServerError: "the registry answers with an error of its own",
	image.RateLimited: "the registry refuses more pulls (rate limit)",
	image.Platform:    "the image has no variant for the node's platform",
	image.BadName:     "it is no valid image name",
	image.Never:       "it is not on the node, and imagePullPolicy Never forbids to pull it",
	image.NoSpace:     "the node has no room to unpack it",
}

// Image is an image that cannot be had (image.failed).
func Image(f window.Fact) finding.Evidence {
	claim := "image " + image.Image.Or(f.Event, "") + " cannot be had"
	if words := pullWords[image.Class.Or(f.Event, "")]; words != "" {
		claim += ": " + words
	}
	return finding.Evidence{Observer: image.Spec.Name, Kind: image.Failed, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim}
}

// ImageNames is what the objects tell of the image's name: who runs another of
// the repository, and what the revision before had. ok is false when that is
// nothing.
func ImageNames(f window.Fact) (finding.Evidence, bool) {
	e := Image(f)
	other, same := image.OtherImage.Or(f.Event, ""), image.SameRepository.Or(f.Event, 0)
	switch {
	case same > 0 && other == image.Image.Or(f.Event, ""):
		e.Claim = OthersRun(same) + " this image"
	case same > 0:
		e.Claim = OthersRun(same) + " " + other
	case image.Earlier.Or(f.Event, "") != "":
		e.Claim = "the revision before had " + image.Earlier.Or(f.Event, "")
		if image.EarlierRuns.Or(f.Event, false) {
			e.Claim += ", which runs"
		}
	default:
		return finding.Evidence{}, false
	}
	return e, true
}

// ImageSecrets is what the objects tell of the pod's pull secrets; ok is false
// when that is nothing.
func ImageSecrets(f window.Fact) (finding.Evidence, bool) {
	e := Image(f)
	switch {
	case image.SecretAbsent.Or(f.Event, "") != "":
		e.Claim = fmt.Sprintf("its pull secret %s does not exist", image.SecretAbsent.Or(f.Event, ""))
	case image.SecretForeign.Or(f.Event, "") != "":
		e.Claim = fmt.Sprintf("its pull secret %s has no credentials for %s", image.SecretForeign.Or(f.Event, ""), image.Registry.Or(f.Event, ""))
	case image.PullSecrets.Or(f.Event, 1) == 0:
		e.Claim = "the pod names no pull secret"
	default:
		return finding.Evidence{}, false
	}
	return e, true
}

// OthersRun is the beginning of a clause: "2 other containers run".
func OthersRun(n int64) string {
	if n == 1 {
		return "another container runs"
	}
	return fmt.Sprintf("%d other containers run", n)
}
