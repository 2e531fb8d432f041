package exit

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/signals"
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

// evalSignal proposes the cause for containers whose newest end has its code,
// unless the kernel saw another process send the signal.
func evalSignal(cause finding.Cause) func(*window.Window) []finding.Hypothesis {
	i := 0
	for faults[i].cause != cause {
		i++
	}
	fault := faults[i]
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, c := range crashes(w, killed) {
			k, _ := c.kernel(w)
			code := codeOf(c.last)
			if k.abortedFirst() {
				code = 128 + signals.SIGABRT
			}
			if code != fault.code || k.foreign() {
				continue
			}
			said := claims.Exit(codeOf(c.last))
			if life, ok := c.life(); ok {
				said += " after " + words.Span(life)
			}
			headline := fmt.Sprintf("%s %s%s: %s, %s", c.where(w), fault.words, k.detail(w), said, c.times(w))
			weight := finding.ExitCodeFits
			if k.abortedFirst() {
				weight = finding.ExitCodeLoose
			}
			h := c.propose(w, cause, headline, c.support(weight)...)
			support, against := k.support(w, c)
			h.For, h.Against = append(h.For, support...), append(h.Against, against...)
			h.Chain = append(k.links(w, c), h.Chain...)
			h.RuledOut = k.faultRivals(w, c, cause)
			if k.fatal == nil && k.logged == nil {
				h.Absent = []finding.Absent{{What: "who raised the signal, and where in the program", Why: "the API tells the code only; " + watchedFrom(w, c.container)}}
			}
			out = append(out, h)
		}
		return out
	}
}

// abortedFirst tells whether the program aborted itself although its code says
// a fault: a first process does not get its own SIGABRT, and the library then
// runs into an instruction that ends it.
func (k witness) abortedFirst() bool {
	return k.abort != nil && k.fatal != nil && k.abort != k.fatal && signals.Result.Or(k.abort.Event, "") == signals.Ignored &&
		signals.Sender.Or(k.fatal.Event, "") == signals.ByKernel
}

// detail is what the kernel adds to a fault: where, and in whom.
func (k witness) detail(w *window.Window) string {
	if k.fatal == nil && k.logged != nil {
		return fmt.Sprintf(" (%s, in %s)", claims.Fault(*k.logged), signals.TargetComm.Or(k.logged.Event, "a process"))
	}
	if k.fatal == nil {
		return ""
	}
	comm := signals.TargetComm.Or(k.fatal.Event, "")
	if fault := signals.Fault.Or(k.fatal.Event, ""); fault != "" {
		return fmt.Sprintf(" (%s, in %s)", claims.Fault(*k.fatal), comm)
	}
	if k.sender() == signals.BySelf {
		return " (" + comm + ")"
	}
	return fmt.Sprintf(" (%s, sent by %s)", comm, claims.Sender(w, *k.fatal))
}

// faultRivals are the other faults, and everybody else who might have ended
// the program, each with the fact that decides.
func (k witness) faultRivals(w *window.Window, c crash, cause finding.Cause) []finding.Rival {
	why, e := "the code is "+claims.Exit(codeOf(c.last)), []finding.Evidence{claims.Ended(c.last)}
	if k.abortedFirst() {
		why, e = "it sent itself SIGABRT first, which a first process does not get", []finding.Evidence{claims.Sent(w, *k.abort)}
	}
	var out []finding.Rival
	for _, other := range faults {
		if other.cause != cause {
			out = append(out, finding.Rival{Cause: other.cause, Why: why, Evidence: e})
		}
	}
	out = append(out, finding.Rival{Cause: "memory/limit-oom", Why: "the OOM killer sends SIGKILL (137)", Evidence: []finding.Evidence{claims.Ended(c.last)}})
	if k.fatal != nil {
		out = append(out, finding.Rival{Cause: KilledByOther, Why: "the signal came from " + claims.SenderShort(w, *k.fatal), Evidence: []finding.Evidence{claims.Sent(w, *k.fatal)}})
	}
	return out
}
