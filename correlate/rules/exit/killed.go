package exit

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/signals"
)

// The causes for which somebody else ends a program.
const (
	KilledByOther   finding.Cause = "exit/killed-by-other"
	KilledAfter     finding.Cause = "exit/killed-after-grace"
	SigtermIgnored  finding.Cause = "exit/sigterm-ignored"
	TerminatedAsked finding.Cause = "exit/terminated-on-request"
)

// killed are the exit codes of what a signal ended.
func killed(f window.Fact) bool { return codeOf(f) > 128 && codeOf(f) <= 128+64 }

// evalKilledByOther: the kernel saw the fatal signal, and its sender is neither
// kernel nor runtime nor the program itself.
func evalKilledByOther(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, c := range crashes(w, killed) {
		k, ok := c.kernel(w)
		if !ok || !k.foreign() {
			continue
		}
		support, against := k.support(w, c)
		headline := fmt.Sprintf("%s was ended by %s from %s, %s", c.where(w), claims.Signal(signals.Signal.Or(k.fatal.Event, 0)), claims.Sender(w, *k.fatal), c.times(w))
		h := c.propose(w, KilledByOther, headline, append(support, c.support(finding.ExitCodeLoose)...)...)
		h.Against = against
		h.Chain = append(k.links(w, c), h.Chain...)
		e := []finding.Evidence{claims.Sent(w, *k.fatal)}
		sender := claims.SenderShort(w, *k.fatal)
		for _, rival := range []finding.Cause{"memory/limit-oom", "memory/node-oom"} {
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: rival, Why: "the sender is " + sender + ", not the kernel", Evidence: e})
		}
		for _, rival := range []finding.Cause{KilledAfter, TerminatedAsked} {
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: rival, Why: "the sender is " + sender + ", not the container runtime", Evidence: e})
		}
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: Segfault, Why: "a process sent the signal, no fault of the program", Evidence: e})
		if culprit, there := k.fatal.Ref(event.Culprit); there {
			h.Advice = append(senderAdvice(w, culprit), h.Advice...)
		}
		out = append(out, h)
	}
	return out
}

// senderAdvice is to read what the sender said.
func senderAdvice(w *window.Window, culprit event.Key) []finding.Advice {
	if culprit.Type != event.Container {
		return nil
	}
	n := w.Graph.Name(culprit)
	return []finding.Advice{{
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s", n.Namespace, n.Name, n.Container),
		Expect:  "what the sender was doing",
	}}
}

// stopped is an end that somebody asked the runtime for.
type stopped struct {
	crash
	wanted   bool // the whole pod was asked to end
	seen     bool
	k        witness
	asked    request
	reported bool
	grace    time.Duration // of the pod's spec, 0 when not known
	took     time.Duration // from the request to the end
}

// stops lists the containers whose newest end fits and was asked for, as the
// kernel or the kubelet's own report tells. Of a pod that is asked to end they
// are told to who asks about that very pod: how it ends is what he sees.
func stops(w *window.Window, fits func(window.Fact) bool) []stopped {
	var out []stopped
	for _, c := range crashesOf(w, fits, func(pod event.Key) bool { return !leaving(w, pod) || pod == w.Target.Key }) {
		s := stopped{crash: c, wanted: leaving(w, c.pod)}
		if f, ok := w.Last(lifecycle.Pod, c.pod); ok {
			s.grace = time.Duration(lifecycle.Grace.Or(f.Event, 0)) * time.Second
		}
		s.k, s.seen = c.kernel(w)
		switch {
		case s.seen && s.k.stop != nil:
			s.took = s.end().Sub(s.k.stop.At)
			s.asked, s.reported = c.stopReport(w, s.k.stop.At)
		case s.seen && s.k.fatal != nil:
			continue // the kernel saw the fatal signal and no request before it
		default:
			s.asked, s.reported = c.stopReport(w, c.last.At.Add(-s.grace))
			if !s.reported {
				continue
			}
			s.took = c.last.At.Sub(s.asked.at)
		}
		out = append(out, s)
	}
	return out
}

func (s stopped) end() time.Time {
	if s.k.exit != nil {
		return s.k.exit.At
	}
	return s.last.At
}

// evalKilledAfterGrace: the request was delivered or nobody knows, the program
// stayed, and the runtime's SIGKILL came when the grace period was over.
func evalKilledAfterGrace(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, s := range stops(w, func(f window.Fact) bool { return codeOf(f) == 137 }) {
		if s.k.stop != nil && signals.Result.Or(s.k.stop.Event, "") == signals.Ignored || s.k.stop == nil && !s.graceOver() {
			continue
		}
		headline := fmt.Sprintf("%s did not end on %s and was killed %s later, when its grace period was over, %s", s.where(w), s.signal(), words.Span(s.took), s.times(w))
		h := s.proposeStop(w, KilledAfter, headline)
		if s.k.stop == nil {
			h.Absent = append(h.Absent, finding.Absent{What: "whether it got the request or ignored it", Why: watchedFrom(w, s.container)})
		} else {
			h.RuledOut = append(h.RuledOut, finding.Rival{Cause: SigtermIgnored, Why: s.signal() + " was " + claims.Outcome(*s.k.stop), Evidence: []finding.Evidence{claims.Sent(w, *s.k.stop)}})
		}
		out = append(out, h)
	}
	return out
}

// evalSigtermIgnored: the kernel saw the request to stop being ignored.
func evalSigtermIgnored(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, s := range stops(w, func(f window.Fact) bool { return codeOf(f) == 137 }) {
		if s.k.stop == nil || signals.Result.Or(s.k.stop.Event, "") != signals.Ignored || signals.Dying.Or(s.k.stop.Event, false) {
			continue
		}
		comm := signals.TargetComm.Or(s.k.stop.Event, "its program")
		why := comm + " ignores it"
		switch {
		case signals.Disposition.Or(s.k.stop.Event, "") == signals.IsIgnored:
		case isShell(comm):
			why = "its first process is the shell " + comm + ", which has no handler for it and does not pass it on"
		default:
			why = "its first process " + comm + " has no handler for it"
		}
		headline := fmt.Sprintf("%s never gets %s, because %s, and was killed %s later, %s", s.where(w), s.signal(), why, words.Span(s.took), s.times(w))
		h := s.proposeStop(w, SigtermIgnored, headline)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KilledAfter, Why: "no handler was running when the grace period ended: the signal was " + claims.Outcome(*s.k.stop), Evidence: []finding.Evidence{claims.Sent(w, *s.k.stop)}})
		out = append(out, h)
	}
	return out
}

// evalTerminated: the program ended on the request within the grace period.
func evalTerminated(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, s := range stops(w, func(f window.Fact) bool { return codeOf(f) != 0 && codeOf(f) != 137 }) {
		if s.wanted {
			continue // it ended as it was asked to
		}
		if s.k.stop == nil && codeOf(s.last) != 128+signals.SIGTERM {
			continue // with another code nothing but the request would speak for it
		}
		headline := fmt.Sprintf("%s was stopped on request with %s, %s", s.where(w), s.signal(), s.times(w))
		if s.reported {
			headline += ": " + s.asked.why
		}
		h := s.proposeStop(w, TerminatedAsked, headline)
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KilledAfter, Why: fmt.Sprintf("it ended by itself %s after the request, %s", words.Span(s.took), claims.Exit(codeOf(s.last))), Evidence: []finding.Evidence{claims.Ended(s.last)}})
		out = append(out, h)
	}
	return out
}

// proposeStop fills in what the three causes have in common.
func (s stopped) proposeStop(w *window.Window, cause finding.Cause, headline string) finding.Hypothesis {
	weight := finding.ExitCodeLoose
	if s.k.stop == nil {
		weight = finding.EndAfterGrace
	}
	h := s.propose(w, cause, headline, s.support(weight)...)
	support, against := s.k.support(w, s.crash)
	if s.k.stop != nil {
		h.For = append(h.For, finding.Support{Evidence: claims.Sent(w, *s.k.stop), Weight: finding.StopSeen})
	}
	h.For, h.Against = append(h.For, support...), append(h.Against, against...)
	links := s.k.links(w, s.crash)
	if s.reported {
		h.For = append(h.For, finding.Support{Evidence: s.asked.evidence, Weight: finding.StopReported})
		links = append([]finding.Link{{From: s.pod, To: s.container, Mechanism: finding.Kills, At: s.asked.at, Trust: finding.API, Sentence: s.asked.evidence.Claim, Evidence: []finding.Evidence{s.asked.evidence}}}, links...)
	} else {
		h.Absent = append(h.Absent, finding.Absent{What: "who asked the runtime to stop it", Why: "the kubelet's report is gone or was never written"})
	}
	if s.wanted {
		h.State, h.Now = finding.Recovered, fmt.Sprintf("the pod was asked to end; that took its container %s", words.Span(s.took))
	}
	if s.asked.byProbe {
		h.Against = append(h.Against, finding.Support{Evidence: s.asked.evidence, Weight: finding.AskedByProbe})
	}
	h.Chain = append(links, h.Chain...)
	why, e := "the runtime reports "+lifecycle.Reason.Or(s.last.Event, "no reason")+", not OOMKilled", claims.Ended(s.last)
	if s.k.fatal != nil {
		why, e = "the sender of the last signal is "+claims.SenderShort(w, *s.k.fatal), claims.Sent(w, *s.k.fatal)
	}
	h.RuledOut = append(h.RuledOut, finding.Rival{Cause: "memory/limit-oom", Why: why, Evidence: []finding.Evidence{e}})
	if s.k.fatal != nil {
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KilledByOther, Why: why, Evidence: []finding.Evidence{e}})
	}
	if cause != TerminatedAsked {
		h.Advice = append(h.Advice, s.graceAdvice(w, cause)...)
	}
	return h
}

// graceOver tells whether the end came when the grace period after the
// kubelet's report was over.
func (s stopped) graceOver() bool {
	return s.grace > 0 && s.took >= s.grace-time.Second && s.took <= s.grace+endAfter
}

// signal is the name of the request to stop.
func (s stopped) signal() string {
	if s.k.stop == nil {
		return claims.Signal(signals.SIGTERM)
	}
	return claims.Signal(signals.Signal.Or(s.k.stop.Event, 0))
}

// graceAdvice is where the handler would have to be.
func (s stopped) graceAdvice(w *window.Window, cause finding.Cause) []finding.Advice {
	n := w.Graph.Name(s.container)
	expect := "whether the grace period is enough for its shutdown"
	path := "{.spec.terminationGracePeriodSeconds}"
	if cause == SigtermIgnored {
		expect = "whether the command is a shell: exec the program from it, or let an init pass signals on"
		path = fmt.Sprintf(`{.spec.containers[?(@.name=="%s")].command}`, n.Container)
	}
	return []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='%s'", n.Namespace, n.Name, path), Expect: expect}}
}

// isShell tells whether a first process of that name hands no signal on.
func isShell(comm string) bool {
	switch comm {
	case "sh", "bash", "dash", "ash", "busybox", "zsh", "ksh":
		return true
	}
	return false
}

func containsFold(s, sub string) bool { return strings.Contains(strings.ToLower(s), sub) }
