package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/observers/event"
)

// agreed joins what several families propose of one cause at one entity, each
// from its own evidence: they are witnesses of one thing, not rivals. The
// stronger one tells it.
func agreed(hs []finding.Hypothesis) []finding.Hypothesis {
	type thing struct {
		cause  finding.Cause
		entity event.Key
	}
	at := map[thing]int{}
	var out []finding.Hypothesis
	for _, h := range hs {
		t := thing{h.Cause, h.Entity}
		i, seen := at[t]
		if !seen {
			at[t] = len(out)
			out = append(out, h)
			continue
		}
		lead, other := out[i], h
		if other.LogOdds() > lead.LogOdds() {
			lead, other = other, lead
		}
		out[i] = witnessed(lead, other)
	}
	return out
}

// witnessed adds to a hypothesis what another one knows beyond it.
func witnessed(lead, other finding.Hypothesis) finding.Hypothesis {
	cites := func(e finding.Evidence) bool {
		return slices.ContainsFunc(lead.For, func(s finding.Support) bool { return s.Evidence.Key() == e.Key() })
	}
	lead.For = slices.Clone(lead.For)
	for _, s := range other.For {
		if !cites(s.Evidence) {
			lead.For = append(lead.For, s)
		}
	}
	mine, also := lead.Explains, other.Explains
	lead.Explains = func(s finding.Symptom) bool { return mine(s) || also(s) }
	if other.Since.Before(lead.Since) {
		lead.Since = other.Since
	}
	lead.RuledOut = append(slices.Clone(lead.RuledOut), other.RuledOut...)
	lead.Affected = slices.Clone(lead.Affected)
	for _, k := range other.Affected {
		if !slices.Contains(lead.Affected, k) {
			lead.Affected = append(lead.Affected, k)
		}
	}
	lead.Advice = slices.Clone(lead.Advice)
	for _, a := range other.Advice {
		if !slices.Contains(lead.Advice, a) {
			lead.Advice = append(lead.Advice, a)
		}
	}
	return lead
}
