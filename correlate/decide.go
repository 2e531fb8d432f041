package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// decide turns ranked hypotheses and unexplained symptoms into a verdict. A
// hypothesis that is over explains nothing that is wrong now.
func decide(w *window.Window, wrong []finding.Symptom, hs []finding.Hypothesis, open []finding.Symptom) story.Input {
	in := story.Input{Window: w, Hypotheses: hs, Open: open, Changes: changes(w, hs), RuledOut: refuted(w)}
	lasting := slices.ContainsFunc(open, func(s finding.Symptom) bool { return s.Lasting })
	switch {
	case len(hs) > 0 && hs[0].Confidence(w.Ceiling()) >= finding.Supported && !(hs[0].State == finding.Recovered && lasting):
		in.Verdict, in.State, in.Now, in.Headline = story.Explained, hs[0].State, hs[0].Now, hs[0].Headline
		if n := len(twins(hs[0])); n > 0 {
			in.Headline += fmt.Sprintf("; likewise in %s", words.Count(n, "other pod"))
		}
	case len(open) > 0 || len(hs) > 0:
		in.Verdict = story.Inconclusive
		in.State, in.Now = openState(w, open)
		in.Headline = openHeadline(w, hs, open)
		in.Checked, in.Absent = checked(w), undecided(open)
	case !known(w):
		in.Verdict, in.State = story.Inconclusive, finding.StateUnknown
		in.Headline = "Nothing is known of " + targetLabel(w) + ": the API told no pod of it"
	default:
		in.Verdict, in.State = story.Healthy, healthyState(wrong)
		in.Headline = "Nothing is wrong with " + targetLabel(w) + " now"
		in.Checked = checked(w)
	}
	return in
}

// twins are the containers of sibling pods folded into the hypothesis.
func twins(h finding.Hypothesis) []event.Key {
	var out []event.Key
	for _, k := range h.Affected {
		if k.Type == event.Container && k != h.Entity && k.Leaf() == h.Entity.Leaf() {
			out = append(out, k)
		}
	}
	return out
}

func healthyState(wrong []finding.Symptom) finding.State {
	if len(wrong) > 0 {
		return finding.Recovered
	}
	return finding.StateUnknown
}

// openState tells how the target stands when no cause is proven.
func openState(w *window.Window, open []finding.Symptom) (finding.State, string) {
	if len(open) == 0 {
		return finding.StateUnknown, ""
	}
	for _, s := range slices.Backward(open) {
		if s.Lasting {
			return finding.Failing, s.Sentence
		}
	}
	last := open[len(open)-1]
	return finding.Recovered, fmt.Sprintf("nothing is wrong now; last trouble %s ago", words.Span(w.To.Sub(last.At)))
}

// openHeadline says what is wrong and that its cause is not proven. The newest
// lasting symptom leads, else the newest; an end leads over its consequences.
func openHeadline(w *window.Window, hs []finding.Hypothesis, open []finding.Symptom) string {
	if len(open) == 0 {
		return targetLabel(w) + ": no single cause found; best guess, not proven: " + hs[0].Headline
	}
	lead := open[len(open)-1]
	for _, s := range open {
		if s.Sort == finding.EndedBadly {
			lead = s
		}
	}
	label := w.Graph.Label(lead.Entity)
	return fmt.Sprintf("%s: %s; the cause is not proven", label, lead.Sentence)
}

// exitKilled is the exit code of what SIGKILL ended.
const exitKilled = 137

// undecided lists the observation that would decide each kind of open end.
func undecided(open []finding.Symptom) []finding.Absent {
	var out []finding.Absent
	for _, s := range open {
		if s.Sort == finding.EndedBadly && s.ExitCode == exitKilled {
			a := finding.Absent{What: "who sent SIGKILL to container " + s.Entity.Leaf(), Why: "signals are not watched"}
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// refuted collects what the rules can exclude although they propose nothing.
func refuted(w *window.Window) []finding.Rival {
	var out []finding.Rival
	for _, r := range Rules() {
		if r.Refute != nil {
			out = append(out, r.Refute(w)...)
		}
	}
	return out
}

func targetLabel(w *window.Window) string {
	t := w.Target
	if t.Kind == "" || t.Kind == "Namespace" {
		return "namespace " + t.Namespace
	}
	return strings.ToLower(t.Kind) + " " + t.Name
}

// known tells whether the API told of anything of the target.
func known(w *window.Window) bool {
	if len(w.Target.Pods) == 0 {
		return len(w.Of(lifecycle.Pod)) > 0 || len(w.About(lifecycle.Workload, w.Target.Key)) > 0
	}
	return slices.ContainsFunc(w.Target.Pods, func(p event.Key) bool { return w.Graph.Known(p.ID) })
}

// changes lists what was made or replaced within the window, of the target's
// workload and those of the hypotheses, newest first.
func changes(w *window.Window, hs []finding.Hypothesis) []story.Change {
	pods := slices.Clone(w.Target.Pods)
	for _, h := range hs {
		if p, ok := w.Graph.PodOf(h.Entity); ok {
			pods = append(pods, p)
		}
	}
	groups := map[event.Key][]event.Key{}
	for _, p := range pods {
		owner, ok := w.Graph.WorkloadOf(p)
		if !ok {
			owner = p
		}
		if !slices.Contains(groups[owner], p) {
			groups[owner] = append(groups[owner], p)
		}
	}
	out := []story.Change{}
	for owner := range groups {
		if c, ok := change(w, owner); ok {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b story.Change) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Entity.Name, b.Entity.Name)
	})
	return out
}

// change tells when the owner, or else its newest pod, was made.
func change(w *window.Window, owner event.Key) (story.Change, bool) {
	n := w.Graph.Name(owner)
	c := story.Change{Entity: story.Entity{Kind: n.Kind, Namespace: n.Namespace, Name: n.Name}}
	if made, ok := createdAt(w, lifecycle.Workload, owner); ok && !made.Before(w.From) {
		c.Time, c.What = made, strings.ToLower(n.Kind)+" created"
		return c, true
	}
	newest, count, all := time.Time{}, 0, w.Graph.Pods(owner)
	for _, p := range all {
		made, ok := createdAt(w, lifecycle.Pod, p)
		if !ok || made.Before(w.From) {
			continue
		}
		count++
		if made.After(newest) {
			newest = made
		}
	}
	if count == 0 {
		return c, false
	}
	c.Time = newest
	switch {
	case owner.Type == event.Pod:
		c.What = "pod created"
	default:
		c.What = fmt.Sprintf("%d of %s created anew", count, words.Count(len(all), "pod"))
		if rev := w.Graph.Workload(owner).Revision; rev != "" {
			c.What += ", revision " + rev
		}
	}
	return c, true
}

func createdAt(w *window.Window, kind event.Kind, k event.Key) (time.Time, bool) {
	f, ok := w.Last(kind, k)
	if !ok {
		return time.Time{}, false
	}
	s, ok := lifecycle.Created.Get(f.Event)
	return time.Unix(s, 0).UTC(), ok && s > 0
}
