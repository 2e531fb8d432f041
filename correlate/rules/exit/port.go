package exit

import (
	"fmt"
	"slices"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// evalPortConflict proposes PortConflict by the program's last words, and for
// containers that end by themselves while another container of the pod, which
// is told to listen on the port that they declare, runs.
func evalPortConflict(w *window.Window) []finding.Hypothesis {
	hs := evalSaid(w, PortConflict)
	for _, c := range crashes(w, ownEnd) {
		f, ok := w.Last(config.SamePort, c.container)
		if !ok {
			continue
		}
		other, _ := f.Ref(event.Peer)
		state, known := w.Last(lifecycle.Container, other)
		if !known || lifecycle.State.Or(state.Event, "") != lifecycle.Running {
			continue
		}
		e := claims.SamePort(f)
		declared := finding.Support{Evidence: e, Weight: finding.PortDeclared}
		link := finding.Link{From: other, To: c.container, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
		if i := slices.IndexFunc(hs, func(h finding.Hypothesis) bool { return h.Entity == c.container }); i >= 0 {
			hs[i].For = append(hs[i].For, declared)
			hs[i].Chain = append([]finding.Link{link}, hs[i].Chain...)
			continue
		}
		if len(c.words(w)) > 0 {
			continue // its log names another reason
		}
		headline := fmt.Sprintf("%s ends by itself (%s) because port %d, which it declares, is taken: container %s of its pod is told to listen on it, too (%s)",
			c.where(w), claims.Exit(codeOf(c.last)), config.Port.Or(f.Event, 0), other.Leaf(), config.Where.Or(f.Event, ""))
		h := c.propose(w, PortConflict, headline, append([]finding.Support{declared}, c.support(finding.ExitFitsWords)...)...)
		h.Chain = append([]finding.Link{link}, h.Chain...)
		h.Absent = []finding.Absent{{What: "that listening failed", Why: "no log line says so"}}
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: "memory/limit-oom", Why: "it ended by itself, and the runtime reports no OOM kill", Evidence: []finding.Evidence{claims.Ended(c.last)}})
		hs = append(hs, h)
	}
	return hs
}
