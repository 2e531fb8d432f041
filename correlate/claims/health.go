package claims

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

func ofHealth(f window.Fact, kind event.Kind, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: health.Spec.Name, Kind: kind, Entity: f.Subject(), At: f.At, Span: f.Span, Trust: finding.API, Claim: claim,
	}
}

// ProbeAsks says what a probe asks and where: "readiness probe asks HTTP on
// port 8081".
func ProbeAsks(f window.Fact) string {
	e := f.Event
	how := map[string]string{health.HTTP: "HTTP", health.HTTPS: "HTTPS", health.GRPC: "gRPC", health.TCP: "TCP", health.Exec: "a command"}[health.Method.Or(e, "")]
	out := health.Which.Or(e, "") + " probe asks " + how
	switch port := health.Port.Or(e, 0); {
	case health.Unnamed.Or(e, false):
		out += fmt.Sprintf(" on port %q, which the container does not declare", health.PortName.Or(e, ""))
	case port > 0:
		out += fmt.Sprintf(" on port %d", port)
	}
	return out
}

// ProbePort sets a probe's port against where the container listens.
func ProbePort(f window.Fact) finding.Evidence {
	e := f.Event
	claim := ProbeAsks(f)
	switch wanted := health.Wanted.Or(e, 0); {
	case health.Known.Or(e, 0) > 0:
		claim += fmt.Sprintf(", which %s confirm", words.Count(health.Known.Or(e, 0), "other source"))
	case wanted > 0:
		claim += fmt.Sprintf("; the container listens on %d (%s)", wanted, health.WantedFrom.Or(e, ""))
	}
	return ofHealth(f, health.Probe, claim)
}

// ProbeSpeech sets what a probe speaks against what its port speaks.
func ProbeSpeech(f window.Fact) finding.Evidence {
	e := f.Event
	claim := ProbeAsks(f)
	if s := health.Speaks.Or(e, ""); s != "" {
		claim += fmt.Sprintf("; the port speaks %s (%s)", Protocol(s), health.SpeaksFrom.Or(e, ""))
	}
	return ofHealth(f, health.Probe, claim)
}

// Protocol is a protocol as people write it.
func Protocol(s string) string {
	switch s {
	case health.HTTP:
		return "HTTP"
	case health.HTTPS:
		return "HTTPS"
	case health.GRPC:
		return "gRPC"
	}
	return s
}

// ProbeTiming says how long a container has until a probe gives it up.
func ProbeTiming(f window.Fact) finding.Evidence {
	e := f.Event
	n := health.Threshold.Or(e, 0)
	claim := fmt.Sprintf("%s probe gives the container %s: initial delay %ds, %s at a period of %ds, timeout %ds",
		health.Which.Or(e, ""), words.Span(time.Duration(health.Budget.Or(e, 0))*time.Second), health.Delay.Or(e, 0),
		words.Count(n, "failure"), health.Period.Or(e, 0), health.Timeout.Or(e, 0))
	return ofHealth(f, health.Probe, claim)
}

// ProbeTook says how long the container took to become ready elsewhere.
func ProbeTook(f window.Fact) finding.Evidence {
	took := time.Duration(health.Took.Or(f.Event, 0)) * time.Second
	return ofHealth(f, health.Probe, "a pod of the workload took "+words.Span(took)+" from its start to being ready")
}

// ProbeBefore says what the previous revision's probe was.
func ProbeBefore(f window.Fact) finding.Evidence {
	e := f.Event
	return ofHealth(f, health.Probe, fmt.Sprintf("the %s probe of revision %s was another: %s",
		health.Which.Or(e, ""), health.Revision.Or(e, ""), health.Before.Or(e, "")))
}

// ProbeElsewhere says that others are probed alike and are well.
func ProbeElsewhere(f window.Fact) finding.Evidence {
	return ofHealth(f, health.Probe, fmt.Sprintf("%s of other workloads are probed at the same undeclared port %d",
		words.Count(health.Elsewhere.Or(f.Event, 0), "ready pod"), health.Port.Or(f.Event, 0)))
}

// ProbeFailed is what the kubelet reports of a failing probe.
func ProbeFailed(f window.Fact) finding.Evidence {
	e := f.Event
	what := map[string]string{
		health.Refused: "connection refused", health.Timeouts: "no answer in time", health.Malformed: "what answers does not speak HTTP/1",
		health.Plaintext: "plain HTTP where TLS was expected", health.TLS: "TLS handshake failed", health.Unimplemented: "the server has no gRPC health service",
		health.Unhealthy: "the gRPC health service says not serving", health.Reset: "connection closed unanswered", health.Unreachable: "no route",
		health.UnnamedPort: "port name not declared", health.ExecFailed: "the command failed", health.Other: "the check failed",
	}[health.What.Or(e, "")]
	if code := health.Code.Or(e, 0); code > 0 {
		what = fmt.Sprintf("HTTP status %d", code)
	}
	claim := fmt.Sprintf("%s probe failed %s: %s", health.Which.Or(e, ""), words.Times(int(f.Occurrences())), what)
	if port := health.Port.Or(e, 0); port > 0 {
		claim += fmt.Sprintf(" (port %d)", port)
	}
	return ofHealth(f, health.Failed, claim)
}

// ProbeKilled is the kubelet's word that it ended the container for a probe.
func ProbeKilled(f window.Fact) finding.Evidence {
	claim := fmt.Sprintf("kubelet killed the container %s because its %s probe failed", words.Times(int(f.Occurrences())), health.Which.Or(f.Event, ""))
	return ofHealth(f, health.Killed, claim)
}
