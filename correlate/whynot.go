package correlate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// WhyNot says why a cause is not the verdict: what stands before it, what it is
// an effect of, what rules it out, or which evidence it would need. meaning
// words a kind of fact, "" when it is not known. It is nil for a cause that no
// rule names.
func WhyNot(w *window.Window, cause finding.Cause, meaning func(event.Kind) string) *story.WhyNot {
	at := slices.IndexFunc(Rules(), func(r rule.Rule) bool { return r.Cause == cause })
	if at < 0 {
		return nil
	}
	r := Rules()[at]
	out := &story.WhyNot{Cause: string(cause)}
	wrong := symptoms.Of(w)
	hs, open := judge(w, wrong)
	if i := slices.IndexFunc(hs, func(h finding.Hypothesis) bool { return h.Cause == cause }); i >= 0 {
		out.Answer = standingWords(w, hs, i, decide(w, wrong, hs, open).Verdict)
		return out
	}
	traced, seen := w.Traced()
	proposed := r.Eval(traced)
	if answer := aside(w, proposed, hs, wrong); answer != "" {
		out.Answer = answer
		return out
	}
	if why := excluded(w, cause, hs); why != "" {
		out.Answer = "ruled out: " + why
		return out
	}
	out.Answer = "no evidence for it. " + r.Doc
	out.Missing = missing(w, seen, meaning)
	return out
}

// standingWords says how the i-th of the hypotheses stands.
func standingWords(w *window.Window, hs []finding.Hypothesis, i int, v story.Verdict) string {
	h := hs[i]
	sure := finding.Words(h.Confidence(w.Ceiling()))
	where := w.Graph.Label(h.Entity)
	var against []string
	for _, s := range h.Against {
		against = append(against, s.Evidence.Claim+" ("+finding.Table[s.Weight].Reason+")")
	}
	note := ""
	if len(against) > 0 {
		note = "; against it: " + strings.Join(against, "; ")
	}
	switch {
	case i == 0 && v == story.Explained:
		return fmt.Sprintf("it is the verdict, at %s (%s)%s", where, sure, note)
	case i == 0:
		return fmt.Sprintf("it is the best guess, at %s, and not proven (%s)%s", where, sure, note)
	}
	return fmt.Sprintf("it is number %d of %d, at %s (%s); %s at %s stands before it (%s)%s", i+1, len(hs), where, sure,
		hs[0].Cause, w.Graph.Label(hs[0].Entity), finding.Words(hs[0].Confidence(w.Ceiling())), note)
}

// aside says why what the rule proposed is no hypothesis of its own: it is an
// effect of another, or concerns others.
func aside(w *window.Window, proposed, hs []finding.Hypothesis, wrong []finding.Symptom) string {
	s := newScope(w)
	elsewhere := ""
	for _, p := range proposed {
		if len(p.For) == 0 {
			continue
		}
		if !s.holds(p, wrong) {
			elsewhere = fmt.Sprintf("it is found at %s, which has nothing to do with %s", w.Graph.Label(p.Entity), targetLabel(w))
			continue
		}
		for _, h := range hs {
			if slices.Contains(h.Affected, p.Entity) {
				return fmt.Sprintf("it is told as an effect of %s at %s: %s", h.Cause, w.Graph.Label(h.Entity), effects[p.Cause].reason)
			}
		}
		for _, h := range hs {
			if unit(w, h.Entity) == unit(w, p.Entity) {
				return fmt.Sprintf("it is told as an effect of %s of the same %s: %s", h.Cause, w.Graph.Label(h.Entity), effects[p.Cause].reason)
			}
		}
	}
	return elsewhere
}

// excluded is what rules the cause out, "" when nothing does.
func excluded(w *window.Window, cause finding.Cause, hs []finding.Hypothesis) string {
	rivals := refuted(w)
	for _, h := range hs {
		rivals = append(rivals, h.RuledOut...)
	}
	for _, r := range rivals {
		if r.Cause == cause {
			return r.Why
		}
	}
	return ""
}

// missing lists the kinds of facts that the rule asked for and that nobody told
// of, with why they could not be seen where that is known.
func missing(w *window.Window, seen map[event.Kind]int, meaning func(event.Kind) string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		if seen[k] > 0 {
			continue
		}
		line := "no " + string(k)
		if m := meaning(k); m != "" {
			line += " (" + m + ")"
		}
		for _, g := range w.Gaps {
			if g.Observer == k.Observer() {
				line += ": not seen, " + g.Why
				break
			}
		}
		out = append(out, line)
	}
	return out
}
