package memory

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
)

// LimitTooSmall is the cause "the limit cannot hold even what the container
// needs to start".
const LimitTooSmall finding.Cause = "memory/limit-too-small"

// evalLimitTooSmall proposes LimitTooSmall for every container of which no
// known instance outlived a start-up before its own limit killed it.
func evalLimitTooSmall(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range containers(w) {
		deaths := ownDeaths(w, c)
		if len(deaths) == 0 {
			continue
		}
		short, ok := diedAtStart(w, c, deaths)
		if !ok {
			continue
		}
		out = append(out, limitTooSmall(w, c, deaths, short))
	}
	return append(out, sandboxesTooSmall(w)...)
}

func limitTooSmall(w *window.Window, c event.Key, deaths []death, short finding.Evidence) finding.Hypothesis {
	last := deaths[len(deaths)-1]
	name := w.Graph.Name(c)
	h := finding.Hypothesis{Cause: LimitTooSmall, Entity: c, Since: deaths[0].at}
	h.Headline = fmt.Sprintf("%s: the %s of container %s cannot hold even its start: OOM-killed %s; %s",
		name.Name, limitWords(w, c, last), name.Container, often(deaths, w.To), short.Claim)
	h.For = append(weigh(w, c, deaths), finding.Support{Evidence: short, Weight: finding.ShortLives})
	for _, d := range deaths {
		if d.end != nil && initOOM(*d.end) {
			h.For = append(h.For, finding.Support{Evidence: endEvidence(*d.end), Weight: finding.InitOOM})
			break
		}
	}
	h.State, h.Now = outlook(w, c, deaths, growth{}, false)
	h.Chain = chain(w, c, deaths, growth{}, false)
	h.RuledOut = append(rivals(w, c, deaths), finding.Rival{
		Cause: LimitOOM, Why: short.Claim + ": no time to grow", Evidence: []finding.Evidence{short},
	})
	h.Absent = absent(w, c, deaths, true)
	h.Advice = advice(w, c, last.limit(w, c), false)
	for i := range h.Advice {
		if h.Advice[i].ChangesCluster {
			h.Advice[i].Expect = "more room to start; how much it needs is not known yet: peak use was cut off at " + words.Bytes(last.limit(w, c))
		}
	}
	h.Explains = explains(w, c, h.Chain)
	h.Affected = affected(h.Chain, c)
	return h
}
