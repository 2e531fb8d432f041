package exit

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
)

// The causes for which a program ends by a fatal signal of its own making.
const (
	IllegalInstruction finding.Cause = "exit/illegal-instruction"
	Abort              finding.Cause = "exit/abort"
	BusError           finding.Cause = "exit/bus-error"
	Segfault           finding.Cause = "exit/segfault"
	SeccompDenied      finding.Cause = "exit/seccomp-denied"
)

// faults are these causes by exit code, in the order of the codes.
var faults = []struct {
	cause finding.Cause
	code  int64
	words string
}{
	{IllegalInstruction, 132, "used an instruction that the node's processor does not have"},
	{Abort, 134, "aborted itself"},
	{BusError, 135, "touched a mapping that its file or memory could not back"},
	{Segfault, 139, "touched memory that is not its own"},
	{SeccompDenied, 159, "was killed for a system call that its seccomp profile forbids"},
}

// evalSignal proposes the cause for containers whose newest end has its code.
func evalSignal(cause finding.Cause) func(*window.Window) []finding.Hypothesis {
	i := 0
	for faults[i].cause != cause {
		i++
	}
	fault := faults[i]
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, c := range crashes(w, func(f window.Fact) bool { return codeOf(f) == fault.code }) {
			said := claims.Exit(fault.code)
			if life, ok := c.life(); ok {
				said += " after " + words.Span(life)
			}
			headline := fmt.Sprintf("%s %s: %s, %s", c.where(w), fault.words, said, c.times(w))
			h := c.propose(w, cause, headline, c.support(finding.ExitCodeFits)...)
			e := []finding.Evidence{claims.Ended(c.last)}
			for _, other := range faults {
				if other.cause != cause {
					h.RuledOut = append(h.RuledOut, finding.Rival{Cause: other.cause, Why: "the code is " + claims.Exit(fault.code), Evidence: e})
				}
			}
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: "memory/limit-oom", Why: "the OOM killer sends SIGKILL (137)", Evidence: e})
			h.Absent = []finding.Absent{{What: "who raised the signal, and where in the program", Why: "the API tells the code only"}}
			out = append(out, h)
		}
		return out
	}
}
