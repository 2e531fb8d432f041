package image

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/image"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// The causes of the family.
const (
	NotFound            finding.Cause = "image/not-found"
	PullDenied          finding.Cause = "image/pull-denied"
	RegistryDNS         finding.Cause = "image/registry-dns"
	RegistryUnreachable finding.Cause = "image/registry-unreachable"
	RateLimited         finding.Cause = "image/rate-limited"
	Unusable            finding.Cause = "image/unusable"
	NoSpace             finding.Cause = "image/no-space"
)

// failures lists the newest fact of each container that still waits for its
// image: one that started since explains nothing.
func failures(w *window.Window) []window.Fact {
	var out []window.Fact
	seen := map[event.Key]bool{}
	for _, f := range w.Of(image.Failed) {
		c := f.Subject()
		if seen[c] {
			continue
		}
		seen[c] = true
		f, _ := w.Last(image.Failed, c)
		state, ok := w.Last(lifecycle.Container, c)
		if ok && !(lifecycle.State.Or(state.Event, "") == lifecycle.Waiting && image.Concerns(lifecycle.Reason.Or(state.Event, ""))) {
			continue
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b window.Fact) int { return a.Subject().Compare(b.Subject()) })
	return out
}

func classOf(f window.Fact) string { return image.Class.Or(f.Event, image.Unknown) }

// eval proposes the cause for images whose failure is of one of the classes.
func eval(cause finding.Cause, classes ...string) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, f := range failures(w) {
			class := classOf(f)
			if !slices.Contains(classes, class) {
				continue
			}
			weight := finding.PullAnswered
			if class == image.Never || class == image.BadName {
				weight = finding.PullNever
			}
			out = append(out, propose(w, cause, f, finding.Support{Evidence: claims.Image(f), Weight: weight}))
		}
		return out
	}
}

// propose makes the hypothesis; the reason why it can be no other cause is the
// registry's answer.
func propose(w *window.Window, cause finding.Cause, f window.Fact, support ...finding.Support) finding.Hypothesis {
	c := f.Subject()
	pod, _ := w.Graph.PodOf(c)
	e := claims.Image(f)
	h := finding.Hypothesis{
		Cause: cause, Entity: c, Since: f.At, For: support,
		Headline: fmt.Sprintf("%s: %s", w.Graph.Name(c).Name, headline(w, cause, f)),
		State:    finding.Failing,
		Now:      "container " + c.Leaf() + " has waited for its image for " + words.Span(w.To.Sub(f.At).Truncate(time.Second)),
		RuledOut: rivals(cause, f), Advice: advice(w, cause, f), Alternatives: alternatives(f),
	}
	beside, ok := claims.ImageNames(f)
	from := c
	if cause == PullDenied {
		beside, ok = claims.ImageSecrets(f)
		if secret, named := f.Ref(event.Peer); named {
			from = secret
		}
	}
	if ok {
		h.Chain = append(h.Chain, finding.Link{
			From: from, To: c, Mechanism: finding.Blocks, At: beside.At, Trust: finding.API, Sentence: beside.Claim, Evidence: []finding.Evidence{beside},
		})
	}
	h.Chain = append(h.Chain, finding.Link{
		From: c, To: pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e},
	})
	if state, ok := w.Last(lifecycle.Container, c); ok {
		s := claims.State(state)
		h.Chain = append(h.Chain, finding.Link{From: pod, To: pod, Mechanism: finding.Blocks, At: s.At, Trust: finding.API, Sentence: s.Claim, Evidence: []finding.Evidence{s}})
	}
	if classOf(f) == image.Unknown {
		h.Absent = []finding.Absent{{What: "what the registry answered", Why: "neither the container's state nor an Event holds it"}}
	}
	mine := map[event.Key]bool{c: true, pod: true}
	if wl, ok := w.Graph.WorkloadOf(pod); ok {
		mine[wl] = true
	}
	h.Explains = func(s finding.Symptom) bool { return mine[s.Entity] && s.Sort != finding.CallsFailed }
	return h
}

func headline(w *window.Window, cause finding.Cause, f window.Fact) string {
	name, registry := image.Image.Or(f.Event, "its image"), image.Registry.Or(f.Event, "the registry")
	node := "its node"
	if n, ok := f.Ref(event.Host); ok {
		node = n.ID
	}
	switch cause {
	case NotFound:
		return fmt.Sprintf("image %s does not exist: %s", name, whyNotFound(f))
	case PullDenied:
		return fmt.Sprintf("%s denies image %s: %s", registry, name, whyDenied(w, f))
	case RegistryDNS:
		return fmt.Sprintf("%s cannot resolve the registry %s of image %s%s", node, registry, name, whyRegistry(f))
	case RegistryUnreachable:
		return fmt.Sprintf("%s cannot pull %s: %s%s", node, name, map[string]string{
			image.Unreachable: registry + " does not answer",
			image.Certificate: "the TLS certificate or protocol of " + registry + " is refused",
			image.ServerError: registry + " answers with a server error",
		}[classOf(f)], whyRegistry(f))
	case RateLimited:
		return fmt.Sprintf("%s has used up its pulls from %s: image %s is refused for now", node, registry, name)
	case NoSpace:
		return fmt.Sprintf("%s has no room to unpack image %s", node, name)
	}
	switch classOf(f) {
	case image.BadName:
		return fmt.Sprintf("%q is no valid image name", name)
	case image.Never:
		return fmt.Sprintf("image %s is not on %s, and imagePullPolicy Never forbids to pull it", name, node)
	}
	return fmt.Sprintf("image %s has no variant for %s (%s)", name, node, image.Architecture.Or(f.Event, "platform not known"))
}

func whyNotFound(f window.Fact) string {
	other, earlier := image.OtherImage.Or(f.Event, ""), image.Earlier.Or(f.Event, "")
	switch {
	case earlier != "":
		return "the revision before had " + earlier
	case other != "" && other != image.Image.Or(f.Event, ""):
		return claims.OthersRun(image.SameRepository.Or(f.Event, 0)) + " " + other
	}
	return "its registry knows no such repository or tag"
}

func whyDenied(w *window.Window, f window.Fact) string {
	ns := w.Graph.Name(f.Subject()).Namespace
	switch {
	case image.SecretAbsent.Or(f.Event, "") != "":
		return fmt.Sprintf("pull secret %s does not exist in namespace %s", image.SecretAbsent.Or(f.Event, ""), ns)
	case image.SecretForeign.Or(f.Event, "") != "":
		return fmt.Sprintf("pull secret %s has no credentials for this registry", image.SecretForeign.Or(f.Event, ""))
	case image.PullSecrets.Or(f.Event, 1) == 0:
		return "the pod names no pull secret"
	}
	return "the credentials of its pull secret are not accepted"
}

// whyRegistry tells whether the registry is another than before.
func whyRegistry(f window.Fact) string {
	if e := image.Earlier.Or(f.Event, ""); e != "" && !image.EarlierHost.Or(f.Event, false) {
		return "; the revision before had " + e
	}
	if n := image.AlikeFailing.Or(f.Event, 0); n > 0 {
		return "; " + words.Count(n, "other container") + " cannot pull from it, either"
	}
	return ""
}

// alternatives are images that are known to be there.
func alternatives(f window.Fact) []finding.Alternative {
	var out []finding.Alternative
	own := image.Image.Or(f.Event, "")
	if e := image.Earlier.Or(f.Event, ""); e != "" {
		effect := "the revision before had it"
		if image.EarlierRuns.Or(f.Event, false) {
			effect += ", and it runs"
		}
		out = append(out, finding.Alternative{Change: "image " + e, Helps: image.EarlierRuns.Or(f.Event, false), Effect: effect})
	}
	if o := image.OtherImage.Or(f.Event, ""); o != "" && o != own && o != image.Earlier.Or(f.Event, "") {
		out = append(out, finding.Alternative{Change: "image " + o, Helps: true, Effect: claims.OthersRun(image.SameRepository.Or(f.Event, 0)) + " it"})
	}
	return out
}
