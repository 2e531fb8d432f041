package exit

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// refusals are what the kubelet or the runtime refuses of a container's own
// settings, by lifecycle.Failure, with what to mend.
var refusals = []struct {
	failure, words, advice string
}{
	{lifecycle.FailRootRefused, "runAsNonRoot forbids it to run as root, and its image does, or does not tell which user it has", "runAsUser with a number, or an image whose USER is one"},
	{lifecycle.FailMount, "a mount does not fit its target: a file on a directory, or the other way round", "mountPath and subPath of its volumes"},
	{lifecycle.FailUser, "its image does not know the user", "runAsUser with a number, or the user's name in the image"},
	{lifecycle.FailWorkdir, "its working directory cannot be entered", "workingDir, and who may enter it"},
	{lifecycle.FailNoCommand, "neither its image nor its spec names a command", "command in the container's spec"},
}

// evalConfigInvalid proposes ConfigInvalid by the program's last words, and for
// containers whose settings the kubelet or the runtime refuses.
func evalConfigInvalid(w *window.Window) []finding.Hypothesis {
	hs := evalSaid(w, ConfigInvalid)
	seen := map[event.Key]bool{}
	for _, f := range w.Of(lifecycle.Container) {
		c := f.Subject()
		if seen[c] {
			continue
		}
		seen[c] = true
		state, _ := w.Last(lifecycle.Container, c)
		if lifecycle.State.Or(state.Event, "") == lifecycle.Running {
			continue
		}
		refused := state
		if ends := w.About(lifecycle.Ended, c); lifecycle.Failure.Or(state.Event, "") == "" && len(ends) > 0 {
			refused = ends[len(ends)-1]
		}
		i := slices.IndexFunc(refusals, func(r struct{ failure, words, advice string }) bool {
			return r.failure == lifecycle.Failure.Or(refused.Event, "")
		})
		pod, ok := w.Graph.PodOf(c)
		if i >= 0 && ok && !leaving(w, pod) {
			hs = append(hs, refusedSettings(w, pod, state, refused, refusals[i].words, refusals[i].advice))
		}
	}
	return hs
}

func refusedSettings(w *window.Window, pod event.Key, state, refused window.Fact, why, advice string) finding.Hypothesis {
	c := state.Subject()
	n := w.Graph.Name(c)
	if t := lifecycle.FailureTarget.Or(refused.Event, ""); t != "" {
		why += " (" + t + ")"
	}
	s := claims.State(state)
	e := s
	e.Claim = why
	h := finding.Hypothesis{
		Cause: ConfigInvalid, Entity: c, Since: refused.At, State: finding.Failing,
		Headline: fmt.Sprintf("%s: container %s cannot start: %s", n.Name, n.Container, why),
		Now:      s.Claim + " for " + words.Span(w.To.Sub(refused.At).Truncate(time.Second)),
		For:      []finding.Support{{Evidence: e, Weight: finding.StartRefused}},
		Chain: []finding.Link{
			{From: c, To: c, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}},
			{From: c, To: pod, Mechanism: finding.Blocks, At: s.At, Trust: finding.API, Sentence: s.Claim, Evidence: []finding.Evidence{s}},
		},
		RuledOut: []finding.Rival{
			{Cause: "config/object-missing", Why: "what it refers to was found", Evidence: []finding.Evidence{e}},
			{Cause: "image/not-found", Why: "the image is there", Evidence: []finding.Evidence{e}},
		},
		Advice: []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pod %s -o yaml", n.Namespace, n.Name), Expect: "look at " + advice}},
	}
	mine := map[event.Key]bool{c: true, pod: true}
	if wl, ok := w.Graph.WorkloadOf(pod); ok {
		mine[wl] = true
	}
	h.Explains = func(x finding.Symptom) bool { return mine[x.Entity] && x.Sort != finding.CallsFailed }
	return h
}
