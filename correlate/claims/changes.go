package claims

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/changes"
)

// Rollout is a workload's newest revision against the one before
// (changes.rollout).
func Rollout(f window.Fact) finding.Evidence {
	e := ofChanges(f)
	e.Claim = "revision " + changes.Revision.Or(f.Event, "?")
	if p := changes.Previous.Or(f.Event, ""); p != "" {
		e.Claim += " replaces " + p
	}
	if d := changes.Differs.Or(f.Event, ""); d != "" {
		e.Claim += ": " + clip(d)
	}
	if from, to := changes.ImageFrom.Or(f.Event, ""), changes.ImageTo.Or(f.Event, ""); from != "" && to != "" {
		e.Claim += fmt.Sprintf(" (%s to %s)", shortImage(from), shortImage(to))
	}
	return e
}

// Progress is how the pods of both revisions do (changes.rollout).
func Progress(f window.Fact) finding.Evidence {
	e := ofChanges(f)
	e.Claim = fmt.Sprintf("%d of %s of revision %s ready, %d of %s of earlier ones",
		changes.NewReady.Or(f.Event, 0), words.Count(changes.NewPods.Or(f.Event, 0), "pod"), changes.Revision.Or(f.Event, "?"),
		changes.OldReady.Or(f.Event, 0), words.Count(changes.OldPods.Or(f.Event, 0), "pod"))
	return e
}

// ScaledToZero is a workload of which no pod is asked for
// (changes.scaled_to_zero).
func ScaledToZero(f window.Fact, now time.Time) finding.Evidence {
	e := ofChanges(f)
	e.Claim = "asks for 0 pods"
	if had := changes.Had.Or(f.Event, 0); had > 0 {
		e.Claim = fmt.Sprintf("scaled from %d to 0 pods", had)
	}
	if since, ok := changes.Since.Get(f.Event); ok {
		e.Claim += " since " + words.At(unix(since), now)
	}
	if by := changes.By.Or(f.Event, ""); by != "" {
		e.Claim += ", by " + by
	}
	return e
}

// Edited is an object that was made or edited (changes.edited).
func Edited(f window.Fact, now time.Time) finding.Evidence {
	e := ofChanges(f)
	e.Claim = fmt.Sprintf("%s %s %s at %s", changes.Kind.Or(f.Event, ""), changes.Name.Or(f.Event, ""), changes.What.Or(f.Event, changes.Edit), words.At(f.At, now))
	if by := changes.By.Or(f.Event, ""); by != "" {
		e.Claim += " by " + by
	}
	return e
}

// Autoscaler is an autoscaler that is not in order (changes.autoscaler).
func Autoscaler(f window.Fact) finding.Evidence {
	e := ofChanges(f)
	e.Claim = fmt.Sprintf("autoscaler %s: %s", changes.Name.Or(f.Event, ""), changes.Reason.Or(f.Event, "not in order"))
	switch changes.Problem.Or(f.Event, "") {
	case changes.Limit:
		e.Claim += fmt.Sprintf(", at its maximum of %d", changes.Max.Or(f.Event, 0))
	case changes.Ask:
		e.Claim += ", no request set: " + changes.Lacks.Or(f.Event, "")
	default:
		if m := changes.Message.Or(f.Event, ""); m != "" {
			e.Claim += ": " + clip(m)
		}
	}
	return e
}

// Blocked is a pod that keeps a StatefulSet from rolling out
// (changes.statefulset_blocked).
func Blocked(f window.Fact) finding.Evidence {
	e := ofChanges(f)
	e.Claim = fmt.Sprintf("pod %s of revision %s is broken (%s) and stands before revision %s", changes.Pod.Or(f.Event, ""),
		changes.Previous.Or(f.Event, "?"), changes.Trouble.Or(f.Event, "not ready"), changes.Revision.Or(f.Event, "?"))
	return e
}

// TagMoved is two images under one name (changes.tag_moved).
func TagMoved(f window.Fact) finding.Evidence {
	e := ofChanges(f)
	e.Claim = fmt.Sprintf("%d different images run as %s: %s with %s are ready, %s with %s are not", changes.Digests.Or(f.Event, 0), changes.Image.Or(f.Event, ""),
		words.Count(changes.GoodPods.Or(f.Event, 0), "pod"), shortDigest(changes.Good.Or(f.Event, "")),
		words.Count(changes.BadPods.Or(f.Event, 0), "pod"), shortDigest(changes.Bad.Or(f.Event, "")))
	return e
}

func ofChanges(f window.Fact) finding.Evidence {
	return finding.Evidence{Observer: changes.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API}
}

// shortImage leaves out the registry and the path before the name.
func shortImage(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// shortDigest cuts a digest to what tells it from others.
func shortDigest(s string) string {
	s = s[strings.LastIndexByte(s, ':')+1:]
	if len(s) > 12 {
		return s[:12]
	}
	return s
}
