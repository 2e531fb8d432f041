// Package claims turns facts of the API into evidence, in the one form in
// which every rule and the list of symptoms cite them.
package claims

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// signalNames are the signals that end containers in practice.
var signalNames = map[int64]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 31: "SIGSYS",
}

// Exit renders an exit code with the signal it stands for: "exit 137
// (SIGKILL)", "exit 1".
func Exit(code int64) string {
	if name, ok := signalNames[code-128]; ok {
		return fmt.Sprintf("exit %d (%s)", code, name)
	}
	return fmt.Sprintf("exit %d", code)
}

// Ended is the end of an instance of a container (lifecycle.container_ended).
func Ended(f window.Fact) finding.Evidence {
	claim := lifecycle.Reason.Or(f.Event, "ended")
	if code, ok := lifecycle.ExitCode.Get(f.Event); ok {
		claim += ", " + Exit(code)
	}
	if started, ok := lifecycle.Started.Get(f.Event); ok && started > 0 {
		claim += ", lived " + words.Span(f.At.Sub(time.Unix(started, 0)))
	}
	return finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Ended, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// State is a container as the API last told it (lifecycle.container).
func State(f window.Fact) finding.Evidence {
	claim := lifecycle.State.Or(f.Event, "state unknown")
	if r := lifecycle.Reason.Or(f.Event, ""); r != "" && claim != lifecycle.Running {
		claim += " (" + r + ")"
	}
	if claim == lifecycle.Running && !lifecycle.Ready.Or(f.Event, true) {
		claim += ", not ready"
	}
	if n := lifecycle.Restarts.Or(f.Event, 0); n > 0 {
		claim += ", " + words.Count(n, "restart")
	}
	return finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Container, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// Complaint is what a program's own log says of a peer (logs.failure).
func Complaint(f window.Fact) finding.Evidence {
	what := map[string]string{
		logs.Refused: "refused", logs.Reset: "reset", logs.Closed: "closed unanswered",
		logs.Timeout: "timed out", logs.Unreachable: "found no route", logs.Unresolved: "found no address",
		logs.LoginRefused: "refused the login", logs.TooMany: "found no connection left", logs.ReadOnlyPeer: "found it read-only",
		logs.Untrusted: "did not accept its certificate",
	}[logs.What.Or(f.Event, "")]
	target := logs.Target.Or(f.Event, "")
	if target == "" {
		target = "its peer"
	}
	claim := fmt.Sprintf("%s to %s %s", words.Count(f.Occurrences(), "call"), target, what)
	if f.Span >= time.Second {
		claim += " in " + words.Span(f.Span)
	}
	return finding.Evidence{
		Observer: logs.Spec.Name, Kind: logs.Failure, Entity: f.Subject(), At: f.At, Span: f.Span,
		Trust: finding.API, Claim: claim, Origin: "its log",
	}
}

// Pod is a pod as the API last told it (lifecycle.pod).
func Pod(f window.Fact) finding.Evidence {
	claim := lifecycle.Phase.Or(f.Event, "phase unknown")
	if r := lifecycle.Reason.Or(f.Event, ""); r != "" {
		claim += " (" + r + ")"
	}
	return finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Pod, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// Workload is a controller as the API last told it (lifecycle.workload).
func Workload(f window.Fact) finding.Evidence {
	return finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Workload, Entity: f.Subject(), At: f.At, Trust: finding.API,
		Claim: fmt.Sprintf("%d of %d pods ready", lifecycle.Available.Or(f.Event, 0), lifecycle.Desired.Or(f.Event, 0)),
	}
}
