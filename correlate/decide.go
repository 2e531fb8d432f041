package correlate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/services"
	"github.com/yairfalse/tapio/observers/signals"
)

// decide turns ranked hypotheses and unexplained symptoms into a verdict. A
// hypothesis that is over explains nothing that is wrong now.
func decide(w *window.Window, wrong []finding.Symptom, hs []finding.Hypothesis, open []finding.Symptom) story.Input {
	in := story.Input{Window: w, Hypotheses: hs, Open: open, Changes: changed(w, hs), RuledOut: refuted(w)}
	lasting := slices.ContainsFunc(open, func(s finding.Symptom) bool { return s.Lasting })
	switch {
	case len(hs) > 0 && supported(w, hs[0]) && !(hs[0].State == finding.Recovered && lasting):
		in.Verdict, in.State, in.Now, in.Headline = story.Explained, hs[0].State, hs[0].Now, hs[0].Headline
		if n, of := twins(w, hs[0]); n > 0 {
			in.Headline += fmt.Sprintf("; likewise in %s", words.Count(n, "other "+of))
		}
	case len(open) > 0 || len(hs) > 0:
		in.Verdict = story.Inconclusive
		in.State, in.Now = openState(w, hs, open)
		in.Headline = openHeadline(w, hs, open)
		in.Checked, in.Absent, in.Deciding = checked(w), undecided(w, open), deciding(w, hs, open)
	case !known(w):
		in.Verdict, in.State = story.Inconclusive, finding.StateUnknown
		in.Headline = "Nothing is known of " + targetLabel(w) + ": the API told no pod of it"
	default:
		in.Verdict, in.State = story.Healthy, healthyState(wrong)
		in.Headline = "Nothing is wrong with " + targetLabel(w) + " now"
		if !probed(w) {
			in.Headline += ", as far as the API tells"
		}
		in.Checked, in.Before = checked(w), before(w)
	}
	return in
}

// twins counts the pods of the same workload that were folded into the
// hypothesis, and says what they are.
func twins(w *window.Window, h finding.Hypothesis) (n int, of string) {
	for _, k := range h.Affected {
		if k.Type == h.Entity.Type && k != h.Entity && unit(w, k) == unit(w, h.Entity) &&
			w.Graph.Name(k).Container == w.Graph.Name(h.Entity).Container {
			n++
		}
	}
	return n, "pod"
}

// probed tells whether anybody looked at a node: the API alone knows nothing of
// latency, loss, load and refused calls.
func probed(w *window.Window) bool {
	return slices.ContainsFunc(w.Nodes, func(n window.Node) bool { return !n.Attached.IsZero() })
}

func healthyState(wrong []finding.Symptom) finding.State {
	if len(wrong) > 0 {
		return finding.Recovered
	}
	return finding.StateUnknown
}

// tied tells whether the two best hypotheses would each be supported, were it
// not for the other.
func tied(w *window.Window, hs []finding.Hypothesis) bool {
	return len(hs) > 1 && hs[0].Own() >= finding.Supported && !supported(w, hs[0]) && hs[1].Rivals > 0 && hs[1].Own() >= finding.Supported
}

// openState tells how the target stands when no cause is proven.
func openState(w *window.Window, hs []finding.Hypothesis, open []finding.Symptom) (finding.State, string) {
	if len(open) == 0 {
		if tied(w, hs) {
			return hs[0].State, hs[0].Now
		}
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

// lead is the symptom that a story without a cause begins with: a lasting one
// before others, and among equals an end before its consequences, else the
// newest.
func lead(open []finding.Symptom) finding.Symptom {
	best := open[len(open)-1]
	for _, s := range slices.Backward(open) {
		if s.Lasting && !best.Lasting || s.Lasting == best.Lasting && weightOf(s) > weightOf(best) {
			best = s
		}
	}
	for _, s := range slices.Backward(open) { // what ended says more than that it waits to start again
		if s.Sort == finding.EndedBadly && s.Entity == best.Entity {
			return s
		}
	}
	return best
}

// weightOf orders symptoms by how near they are to a cause.
func weightOf(s finding.Symptom) int {
	switch s.Sort {
	case finding.NodeUnwell:
		return 6
	case finding.EndedBadly:
		return 5
	case finding.Waits, finding.Unbound, finding.NotRunning:
		return 4
	case finding.Leaving, finding.NotReady:
		return 3
	case finding.NoBackends:
		return 2
	case finding.CallsFailed:
		return 1
	}
	return 0
}

// openHeadline says what is wrong and that its cause is not proven.
func openHeadline(w *window.Window, hs []finding.Hypothesis, open []finding.Symptom) string {
	if tied(w, hs) {
		return fmt.Sprintf("Two causes fit and the evidence does not decide: %s; or %s", hs[0].Headline, hs[1].Headline)
	}
	if len(open) == 0 {
		return targetLabel(w) + ": no single cause found; best guess, not proven: " + hs[0].Headline
	}
	l := lead(open)
	return fmt.Sprintf("%s: %s; the cause is not proven", w.Graph.Label(l.Entity), l.Sentence)
}

// exitKilled is the exit code of what SIGKILL ended.
const exitKilled = 137

// undecided lists what of the open ends nobody watched.
func undecided(w *window.Window, open []finding.Symptom) []finding.Absent {
	var out []finding.Absent
	for _, s := range open {
		if s.Sort == finding.EndedBadly && s.ExitCode == exitKilled {
			a := finding.Absent{What: "who sent SIGKILL to container " + s.Entity.Leaf(), Why: "no probe saw the signals of its node"}
			if since, ok := w.Watched(signals.Spec.Name, s.Entity); ok {
				a.Why = "the probe saw signals from " + words.At(since, w.To) + " on, and none at that time"
				if since.After(s.At) {
					a.Why = "the probe saw signals from " + words.At(since, w.To) + " on, which is after that"
				}
			}
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// deciding names the one observation that would decide: between two causes that
// fit, else about the symptom that leads.
func deciding(w *window.Window, hs []finding.Hypothesis, open []finding.Symptom) string {
	for _, h := range hs[:min(len(hs), 2)] {
		if len(h.Absent) > 0 {
			return h.Absent[0].What
		}
	}
	if len(open) == 0 {
		return ""
	}
	l := lead(open)
	name := w.Graph.Label(l.Entity)
	switch l.Sort {
	case finding.EndedBadly:
		if l.ExitCode == exitKilled {
			return "who sent the SIGKILL to " + name
		}
		return "the last words of " + name + ": kubectl logs --previous"
	case finding.Waits:
		return "why " + name + " is not started: what its kubelet and runtime say"
	case finding.NotReady:
		return "what the readiness probe of " + name + " is answered"
	case finding.NotRunning:
		return "which of its demands no node meets, or what its kubelet waits for"
	case finding.Short, finding.NoBackends:
		return "why the pods of " + name + " are missing or not ready"
	case finding.CallsFailed:
		return "what becomes of the calls of " + name + " on their way: a probe on its node"
	case finding.Unbound:
		return "which volume could satisfy the claim " + name
	case finding.NodeUnwell:
		return "whether the kubelet of " + name + " runs: its unit on the node"
	case finding.Leaving:
		return "who still holds " + name + ": its finalizers and its node"
	}
	return ""
}

// before tells of the trouble within the window that is over.
func before(w *window.Window) []string {
	var out []string
	for _, pod := range w.Target.Pods {
		for _, c := range w.Graph.Containers(pod) {
			ends := w.About(lifecycle.Ended, c)
			if len(ends) == 0 {
				continue
			}
			last := ends[len(ends)-1]
			if last.At.Before(w.From) || lifecycle.ExitCode.Or(last.Event, 0) == 0 {
				continue
			}
			out = append(out, fmt.Sprintf("%s: %s at %s", w.Graph.Label(c), claims.Ended(last).Claim, words.At(last.At, w.To)))
		}
	}
	slices.Sort(out)
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
	switch t.Kind {
	case "", "Namespace":
		return "namespace " + t.Namespace
	case "Cluster":
		return "the cluster"
	}
	return strings.ToLower(t.Kind) + " " + t.Name
}

// known tells whether the API told of anything of the target.
func known(w *window.Window) bool {
	if len(w.Target.Pods) == 0 {
		return len(w.Of(lifecycle.Pod)) > 0 || len(symptoms.Workloads(w)) > 0 && len(w.Of(lifecycle.Workload)) > 0 || len(w.About(services.Selects, w.Target.Key)) > 0
	}
	return slices.ContainsFunc(w.Target.Pods, func(p event.Key) bool { return w.Graph.Known(p.ID) })
}
