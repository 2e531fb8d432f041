package image

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/image"
)

// evalNotFound proposes NotFound where the registry says so. Where it hides
// the difference to a denial, or its answer is not known, the objects decide.
func evalNotFound(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range failures(w) {
		var s []finding.Support
		switch classOf(f) {
		case image.NotFound:
			s = append(s, finding.Support{Evidence: claims.Image(f), Weight: finding.PullAnswered})
		case image.Ambiguous:
			s = append(s, finding.Support{Evidence: claims.Image(f), Weight: finding.PullAmbiguous})
		case image.Unknown:
		default:
			continue
		}
		if clue := nameClue(f); clue != "" {
			e, ok := claims.ImageNames(f)
			if !ok {
				e = claims.Image(f)
			}
			s = append(s, finding.Support{Evidence: e, Weight: clue})
		}
		if len(s) > 0 {
			out = append(out, propose(w, NotFound, f, s...))
		}
	}
	return out
}

// nameClue is what speaks for a wrong name.
func nameClue(f window.Fact) finding.Weight {
	own := image.Image.Or(f.Event, "")
	switch {
	case image.SecretAbsent.Or(f.Event, "") != "":
		return ""
	case image.SameRepository.Or(f.Event, 0) > 0 && image.OtherImage.Or(f.Event, own) != own:
		return finding.OtherTagRuns
	case image.EarlierHost.Or(f.Event, false):
		return finding.OtherNameRan
	case image.Official.Or(f.Event, false):
		return finding.PublicRegistry
	}
	return ""
}

// evalPullDenied proposes PullDenied where the registry says so, or where it
// hides the difference to a missing image and credentials are missing.
func evalPullDenied(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range failures(w) {
		var s []finding.Support
		switch classOf(f) {
		case image.Denied:
			s = append(s, finding.Support{Evidence: claims.Image(f), Weight: finding.PullAnswered})
		case image.Ambiguous:
			s = append(s, finding.Support{Evidence: claims.Image(f), Weight: finding.PullAmbiguous})
		case image.Unknown:
			if image.SecretAbsent.Or(f.Event, "") == "" {
				continue
			}
		default:
			continue
		}
		if clue := secretClue(f); clue != "" {
			if e, ok := claims.ImageSecrets(f); ok {
				s = append(s, finding.Support{Evidence: e, Weight: clue})
			}
		}
		if len(s) > 0 {
			out = append(out, propose(w, PullDenied, f, s...))
		}
	}
	return out
}

// secretClue is what speaks for missing credentials.
func secretClue(f window.Fact) finding.Weight {
	switch {
	case image.SecretAbsent.Or(f.Event, "") != "":
		return finding.SecretMissing
	case image.SecretForeign.Or(f.Event, "") != "":
		return finding.SecretNotFor
	case image.PullSecrets.Or(f.Event, 1) > 0:
		return ""
	case image.WithSecrets.Or(f.Event, 0) > 0:
		return finding.OthersHaveOne
	case image.Official.Or(f.Event, false):
		return ""
	}
	return finding.NoPullSecret
}

// rivals are excluded by the answer that came: who was answered resolved the
// name and reached the registry.
func rivals(cause finding.Cause, f window.Fact) []finding.Rival {
	e := []finding.Evidence{claims.Image(f)}
	var out []finding.Rival
	not := func(c finding.Cause, why string) {
		if c != cause {
			out = append(out, finding.Rival{Cause: c, Why: why, Evidence: e})
		}
	}
	switch classOf(f) {
	case image.NotFound:
		not(PullDenied, "the registry answered and did not ask for other credentials")
		not(RegistryDNS, "the registry answered")
		not(RegistryUnreachable, "the registry answered")
	case image.Denied:
		not(NotFound, "the registry asks for credentials before it tells what it has")
		not(RegistryDNS, "the registry answered")
	case image.Ambiguous, image.RateLimited:
		not(RegistryDNS, "the registry answered")
		not(RegistryUnreachable, "the registry answered")
	case image.DNS:
		not(RegistryUnreachable, "no address was there to be dialled")
		not(PullDenied, "the registry was never asked")
		not(NotFound, "the registry was never asked")
	case image.Unreachable, image.Certificate, image.ServerError:
		not(RegistryDNS, "an address was dialled")
		not(PullDenied, "the registry was never asked for the image")
	case image.Never, image.BadName:
		not(NotFound, "no registry was asked")
		not(PullDenied, "no registry was asked")
	case image.Platform:
		not(NotFound, "the registry has the image, for other platforms")
	}
	return out
}

// advice: the image that is known to run, the secret that is missing, and the
// words of the runtime.
func advice(w *window.Window, cause finding.Cause, f window.Fact) []finding.Advice {
	n := w.Graph.Name(f.Subject())
	out := []finding.Advice{}
	wl, owned := w.Graph.WorkloadOf(f.Subject())
	target := w.Graph.Name(wl)
	good := image.OtherImage.Or(f.Event, "")
	if e := image.Earlier.Or(f.Event, ""); e != "" {
		good = e
	}
	switch {
	case cause == PullDenied && image.SecretAbsent.Or(f.Event, "") != "":
		secret := image.SecretAbsent.Or(f.Event, "")
		out = append(out, finding.Advice{
			Command:        fmt.Sprintf("kubectl -n %s create secret docker-registry %s --docker-server=%s --docker-username=USER --docker-password=PASSWORD", n.Namespace, secret, image.Registry.Or(f.Event, "REGISTRY")),
			ChangesCluster: true, Expect: "the next pull sends these credentials", Undo: fmt.Sprintf("kubectl -n %s delete secret %s", n.Namespace, secret),
		})
	case owned && good != "" && good != image.Image.Or(f.Event, "") && cause != PullDenied && cause != RateLimited:
		set := "kubectl -n %s set image %s/%s %s=%s"
		kind := strings.ToLower(target.Kind)
		out = append(out, finding.Advice{
			Command:        fmt.Sprintf(set, n.Namespace, kind, target.Name, n.Container, good),
			ChangesCluster: true, Expect: "an image that is known to be there",
			Undo: fmt.Sprintf(set, n.Namespace, kind, target.Name, n.Container, image.Image.Or(f.Event, "")),
		})
	}
	return append(out, finding.Advice{
		Command: fmt.Sprintf("kubectl -n %s describe pod %s", n.Namespace, n.Name), Expect: "the runtime's own words about the pull",
	})
}
