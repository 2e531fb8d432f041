package exit

import (
	"fmt"
	"slices"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// The causes for which a program cannot even begin.
const (
	CommandNotFound   finding.Cause = "exit/command-not-found"
	NotExecutable     finding.Cause = "exit/not-executable"
	WrongArchitecture finding.Cause = "exit/wrong-architecture"
)

// The codes with which every shell reports that it could not execute.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
)

func evalCommandNotFound(w *window.Window) []finding.Hypothesis {
	return unlessSaid(startFailures(w, CommandNotFound, lifecycle.FailNotFound, codeNotFound), evalSaid(w, CommandNotFound))
}

func evalNotExecutable(w *window.Window) []finding.Hypothesis {
	return startFailures(w, NotExecutable, lifecycle.FailDenied, codeNotExecutable)
}

func evalWrongArchitecture(w *window.Window) []finding.Hypothesis {
	return unlessSaid(startFailures(w, WrongArchitecture, lifecycle.FailFormat, -1), evalSaid(w, WrongArchitecture))
}

// unlessSaid adds the hypotheses that rest on last words, for containers that
// have none by the runtime's word.
func unlessSaid(hs, said []finding.Hypothesis) []finding.Hypothesis {
	for _, h := range said {
		if !slices.ContainsFunc(hs, func(o finding.Hypothesis) bool { return o.Entity == h.Entity }) {
			hs = append(hs, h)
		}
	}
	return hs
}

// startFailures proposes the cause for containers whose newest start the
// runtime could not execute for that reason, or whose shell reports so by code
// (-1 when no code stands for it).
func startFailures(w *window.Window, cause finding.Cause, failure string, code int64) []finding.Hypothesis {
	refused := func(f window.Fact) bool { return lifecycle.Failure.Or(f.Event, "") == failure }
	byShell := func(f window.Fact) bool {
		return codeOf(f) == code && lifecycle.Reason.Or(f.Event, "") != "StartError"
	}
	var out []finding.Hypothesis
	for _, c := range crashes(w, func(f window.Fact) bool { return refused(f) || byShell(f) }) {
		weight, said := finding.ExitCodeFits, claims.Exit(code)
		if refused(c.last) {
			weight, said = finding.StartRefused, "the runtime could not execute it"
		}
		headline := fmt.Sprintf("%s cannot start: %s (%s)", c.where(w), startWords(cause, c), said)
		if !refused(c.last) {
			headline = fmt.Sprintf("%s ended: %s (%s)", c.where(w), startWords(cause, c), said)
		}
		h := c.propose(w, cause, headline, c.support(weight)...)
		for _, f := range c.words(w) {
			if what := logs.What.Or(f.Event, ""); f.Kind == logs.Trouble && (what == logs.NoCommand || what == logs.Library || what == logs.DeniedFile && cause == NotExecutable) {
				h.For = append(h.For, finding.Support{Evidence: claims.Trouble(f), Weight: finding.LastWords})
			}
		}
		h.RuledOut = startRivals(c, cause)
		if !refused(c.last) {
			h.Absent = []finding.Absent{{What: "which command it was", Why: "only the exit code tells, not the kernel's answer to execve"}}
		}
		out = append(out, h)
	}
	return out
}

func startWords(cause finding.Cause, c crash) string {
	target := lifecycle.FailureTarget.Or(c.last.Event, "")
	thing := "a command"
	if target != "" {
		thing = fmt.Sprintf("%q", target)
	} else if lifecycle.Failure.Or(c.last.Event, "") != "" {
		thing = "its command"
	}
	switch cause {
	case CommandNotFound:
		return thing + " is not in the image, or the interpreter or loader it names is not"
	case NotExecutable:
		return thing + " may not be executed"
	}
	return thing + " is built for another processor than the node has, or is no program"
}

// startRivals excludes the other reasons by the kernel's own answer.
func startRivals(c crash, cause finding.Cause) []finding.Rival {
	e := []finding.Evidence{claims.Ended(c.last)}
	var out []finding.Rival
	for _, r := range []struct {
		cause finding.Cause
		why   string
	}{
		{CommandNotFound, "the command was found"},
		{NotExecutable, "nothing was there to be refused"},
		{WrongArchitecture, "the kernel did not get as far as the program's format"},
	} {
		if r.cause == cause || cause == NotExecutable && r.cause == WrongArchitecture || cause == WrongArchitecture && r.cause == NotExecutable {
			continue
		}
		out = append(out, finding.Rival{Cause: r.cause, Why: r.why, Evidence: e})
	}
	return append(out, finding.Rival{Cause: "image/not-found", Why: "the image is there: the runtime unpacked it and tried to start it", Evidence: e})
}
