package change

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// The causes that a comparison of before and after decides.
const (
	BadRollout       finding.Cause = "change/bad-rollout"
	ConfigChange     finding.Cause = "change/config-change"
	StatefulSetStuck finding.Cause = "change/statefulset-stuck"
	TagMoved         finding.Cause = "image/tag-moved"
)

// grace is how long the pods of a new revision may take to become ready.
const grace = 30 * time.Second

// evalBadRollout proposes BadRollout for each workload whose newest revision
// has pods and none of them is ready.
func evalBadRollout(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.Rollout) {
		pods, ready := changes.NewPods.Or(f.Event, 0), changes.NewReady.Or(f.Event, 0)
		overdue := changes.Overdue.Or(f.Event, false)
		if ready > 0 && !overdue || pods == 0 || w.To.Sub(f.At) < grace && !overdue {
			continue
		}
		if !overdue && !changes.OldWorked.Or(f.Event, false) {
			continue // nothing says that it was better before
		}
		out = append(out, badRollout(w, f, overdue))
	}
	return out
}

func badRollout(w *window.Window, f window.Fact, overdue bool) finding.Hypothesis {
	k := f.Subject()
	made, how := claims.Rollout(f), claims.Progress(f)
	h := finding.Hypothesis{Cause: BadRollout, Entity: k, Since: f.At, State: finding.Failing, Now: how.Claim}
	if changes.NewReady.Or(f.Event, 0) == 0 {
		h.For = append(h.For, finding.Support{Evidence: how, Weight: finding.NewUnready})
	}
	if changes.OldWorked.Or(f.Event, false) {
		h.For = append(h.For, finding.Support{Evidence: how, Weight: finding.OldReady})
	}
	if overdue {
		e := how
		e.Claim = "its controller gave the rollout up: ProgressDeadlineExceeded"
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.DeadlinePassed})
	}
	if changes.Differs.Or(f.Event, "") != "" {
		h.For = append(h.For, finding.Support{Evidence: made, Weight: finding.TemplateDiffers})
	}
	h.Chain = []finding.Link{link(k, k, finding.Changes, made), link(k, k, finding.Fails, how)}
	h.Headline = fmt.Sprintf("%s: revision %s does not become ready, revision %s did", w.Graph.Label(k), changes.Revision.Or(f.Event, "?"), changes.Previous.Or(f.Event, "?"))
	if d := changes.Differs.Or(f.Event, ""); d != "" {
		h.Headline += "; what differs: " + d
	}
	h.Absent = []finding.Absent{{What: "what the new pods fail at", Why: "nothing that was read tells it"}}
	h.Advice = undo(w, f)
	return h
}

// undo is the way back to the revision before.
func undo(w *window.Window, f window.Fact) []finding.Advice {
	k := f.Subject()
	return []finding.Advice{
		{
			Command: fmt.Sprintf("kubectl -n %s rollout undo %s", namespaceOf(w, k), typed(w, k)), ChangesCluster: true,
			Expect: "back to revision " + changes.Previous.Or(f.Event, "before"),
			Undo:   fmt.Sprintf("kubectl -n %s rollout undo %s", namespaceOf(w, k), typed(w, k)),
		},
		{
			Command: fmt.Sprintf("kubectl -n %s rollout history %s", namespaceOf(w, k), typed(w, k)), Expect: "the revisions, to be compared with --revision=N",
		},
	}
}

// soon is how long after an edit trouble may begin that is put down to it.
const soon = 10 * time.Minute

// evalConfigChange proposes ConfigChange where the trouble of a workload began
// soon after an edit of what it uses.
func evalConfigChange(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.Edited) {
		kind := changes.Kind.Or(f.Event, "")
		if changes.What.Or(f.Event, "") != changes.Edit || kind != "ConfigMap" && kind != "Secret" || f.At.Before(w.From) {
			continue
		}
		for _, k := range peers(f) {
			if e, ok := onset(w, k, f.At); ok {
				out = append(out, configChange(w, f, k, e))
			}
		}
	}
	return out
}

// onset is the first bad end of a container of the workload, when it came soon
// after the moment and none came before.
func onset(w *window.Window, k event.Key, edit time.Time) (finding.Evidence, bool) {
	var first window.Fact
	found := false
	for _, f := range w.Of(lifecycle.Ended) {
		owner, ok := w.Graph.WorkloadOf(f.Subject())
		if !ok {
			owner, _ = w.Graph.PodOf(f.Subject())
		}
		if owner != k || lifecycle.ExitCode.Or(f.Event, 0) == 0 {
			continue
		}
		if !found || f.At.Before(first.At) {
			first, found = f, true
		}
	}
	lag := first.At.Sub(edit)
	return claims.Ended(first), found && lag >= -time.Second && lag < soon
}

func configChange(w *window.Window, f window.Fact, k event.Key, first finding.Evidence) finding.Hypothesis {
	c, e := f.Subject(), claims.Edited(f, w.To)
	name := changes.Name.Or(f.Event, "")
	h := finding.Hypothesis{Cause: ConfigChange, Entity: k, Since: first.At, State: finding.Failing, Affected: []event.Key{c}}
	h.For = []finding.Support{{Evidence: e, Weight: finding.ConfigEdited}, {Evidence: first, Weight: finding.OnsetFollows}}
	l := link(c, k, finding.Fails, first)
	l.Lag = max(first.At.Sub(f.At), 0)
	h.Chain = []finding.Link{link(c, c, finding.Changes, e), l}
	h.Headline = fmt.Sprintf("%s: its containers fail since %s %s was edited, %s before the first end", w.Graph.Label(k), changes.Kind.Or(f.Event, ""), name, words.Span(l.Lag.Truncate(time.Second)))
	if keys := changes.Keys.Or(f.Event, ""); keys != "" {
		h.Headline += "; keys: " + keys
	}
	h.Absent = []finding.Absent{{What: "what the edit changed", Why: "the API server keeps no earlier version"}}
	h.Advice = []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s get %s %s -o yaml --show-managed-fields", namespaceOf(w, c), lower(changes.Kind.Or(f.Event, "")), name), Expect: "what it holds now, and who wrote which part",
	}}
	return h
}

// evalStatefulSetStuck proposes StatefulSetStuck.
func evalStatefulSetStuck(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.Blocked) {
		k, e := f.Subject(), claims.Blocked(f)
		pod := changes.Pod.Or(f.Event, "")
		h := finding.Hypothesis{Cause: StatefulSetStuck, Entity: k, Since: f.At, State: finding.Failing, Affected: peers(f)}
		h.For = []finding.Support{{Evidence: e, Weight: finding.PodInTheWay}}
		h.Chain = []finding.Link{link(k, k, finding.Blocks, e)}
		h.Headline = fmt.Sprintf("%s: its rollout waits for %s, which is broken and still of the old revision %s", w.Graph.Label(k), pod, changes.Previous.Or(f.Event, "?"))
		h.Now = e.Claim
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s delete pod %s", namespaceOf(w, k), pod), ChangesCluster: true,
			Expect: "made anew from revision " + changes.Revision.Or(f.Event, "?"), Undo: "none: the pod is made anew by its controller",
		}}
		out = append(out, h)
	}
	return out
}

// evalTagMoved proposes TagMoved.
func evalTagMoved(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.TagMoved, changes.Image) {
		k, e := f.Subject(), claims.TagMoved(f)
		image := changes.Image.Or(f.Event, "")
		h := finding.Hypothesis{Cause: TagMoved, Entity: k, Since: f.At, State: finding.Failing, Affected: peers(f), Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.DigestsDiffer}}
		h.Chain = []finding.Link{link(k, k, finding.Changes, e)}
		h.Headline = fmt.Sprintf("%s: the tag of %s was moved: pods started since run another image and are not ready", w.Graph.Label(k), image)
		h.RuledOut = []finding.Rival{{Cause: BadRollout, Why: "all of them are of one template", Evidence: []finding.Evidence{e}}}
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s edit %s", namespaceOf(w, k), typed(w, k)), ChangesCluster: true,
			Expect: "name the image that works by its digest: " + changes.Good.Or(f.Event, ""), Undo: fmt.Sprintf("kubectl -n %s rollout undo %s", namespaceOf(w, k), typed(w, k)),
		}}
		out = append(out, h)
	}
	return out
}
