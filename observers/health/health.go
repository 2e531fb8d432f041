// Package health holds the facts about health probes: how they are configured,
// set against where the container listens and what it speaks there, and how
// they went as the kubelet tells.
package health

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Probe  event.Kind = "health.probe"
	Failed event.Kind = "health.probe_failed"
	Killed event.Kind = "health.probe_killed"
)

// Fields of Probe: one probe of a container in trouble. Subject is the
// container, Owner its pod.
var (
	Which     = event.Field[string]{Name: "which", Doc: "liveness, readiness or startup"}
	Method    = event.Field[string]{Name: "method", Doc: "http, https, grpc, tcp or exec"}
	Asks      = event.Field[string]{Name: "asks", Doc: "what the probe speaks, for exec by its helper: http, https, grpc; absent when it speaks nothing"}
	Port      = event.Field[int64]{Name: "port", Doc: "port the probe asks; absent when it names none or its name is not declared"}
	PortName  = event.Field[string]{Name: "port_name", Doc: "name by which the probe gives its port"}
	Unnamed   = event.Field[bool]{Name: "unnamed", Doc: "the container declares no port of that name"}
	Path      = event.Field[string]{Name: "path", Doc: "path of an http probe, without query"}
	Delay     = event.Field[int64]{Name: "initial_delay", Unit: event.Seconds, Doc: "initialDelaySeconds"}
	Period    = event.Field[int64]{Name: "period", Unit: event.Seconds, Doc: "periodSeconds"}
	Timeout   = event.Field[int64]{Name: "timeout", Unit: event.Seconds, Doc: "timeoutSeconds"}
	Threshold = event.Field[int64]{Name: "failures", Unit: event.Count, Doc: "failureThreshold"}
	Budget    = event.Field[int64]{Name: "budget", Unit: event.Seconds, Doc: "how long the container has from its start, at the least, until this probe has failed often enough"}
	Passes    = event.Field[bool]{Name: "passes", Doc: "the probe passes now, as the container's state tells"}
	Startup   = event.Field[bool]{Name: "has_startup", Doc: "the container has a startup probe"}

	Known      = event.Field[int64]{Name: "port_sources", Unit: event.Count, Doc: "how many other sources say that the pod listens on the probe's port"}
	Wanted     = event.Field[int64]{Name: "wanted", Doc: "another port on which the container listens, as the most sources say"}
	WantedN    = event.Field[int64]{Name: "wanted_sources", Unit: event.Count, Doc: "how many sources say so"}
	WantedFrom = event.Field[string]{Name: "wanted_from", Doc: "which sources say so"}
	Speaks     = event.Field[string]{Name: "speaks", Doc: "what the port speaks by other sources than the probe: http, https or grpc"}
	SpeaksN    = event.Field[int64]{Name: "speaks_sources", Unit: event.Count, Doc: "how many sources say so"}
	SpeaksFrom = event.Field[string]{Name: "speaks_from", Doc: "which sources say so"}
	Elsewhere  = event.Field[int64]{Name: "elsewhere", Unit: event.Count, Doc: "ready pods of other workloads that are probed at this port although their spec does not declare it either"}
	Changed    = event.Field[string]{Name: "changed", Doc: "what differs from the probe of the previous revision: port, method, path, timing, added"}
	Before     = event.Field[string]{Name: "before", Doc: "the changed values as they were in the previous revision"}
	Revision   = event.Field[string]{Name: "previous_revision", Doc: "the previous revision"}
	Took       = event.Field[int64]{Name: "took", Unit: event.Seconds, Doc: "the longest that this container, or the same one of a sibling, took from its start to being ready; absent when none is known"}
	Over       = event.Field[bool]{Name: "over", Doc: "the container is in no trouble any more"}
)

// Fields of Failed: the kubelet reports failures of one kind of one probe. At
// is the first, Span reaches to the last, Count is how many. Subject is the
// container, Owner its pod. Which and Port (as the report names it) as above.
var (
	What = event.Field[string]{Name: "what", Doc: "refused, timeout, status, malformed, plaintext, tls, unimplemented, unhealthy, reset, unreachable, port-name, exec or other"}
	Code = event.Field[int64]{Name: "code", Doc: "HTTP status of the reply"}
)

// Values of Which.
const (
	Liveness    = "liveness"
	Readiness   = "readiness"
	StartupKind = "startup"
)

// Values of Method and Asks.
const (
	HTTP  = "http"
	HTTPS = "https"
	GRPC  = "grpc"
	TCP   = "tcp"
	Exec  = "exec"
)

// Values of What.
const (
	Refused       = "refused"       // nothing listens on the port
	Timeouts      = "timeout"       // no answer in time; gRPC probes say so of a refused connection, too
	Status        = "status"        // an HTTP status of 400 and above
	Malformed     = "malformed"     // what answered does not speak HTTP/1
	Plaintext     = "plaintext"     // HTTP where the probe speaks TLS
	TLS           = "tls"           // the TLS handshake failed
	Unimplemented = "unimplemented" // gRPC without the health service
	Unhealthy     = "unhealthy"     // gRPC health says NOT_SERVING
	Reset         = "reset"         // the connection was closed or reset unanswered
	Unreachable   = "unreachable"   // no route
	UnnamedPort   = "port-name"     // the port's name is not declared
	ExecFailed    = "exec"          // the command ended with an error
	Other         = "other"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "health",
	Side: observers.Cluster,
	Doc:  "health probes of containers in trouble: their settings against where the container listens, and how they went",
	Emits: []observers.Schema{
		{Kind: Probe, Meaning: "a probe's settings, set against what else the objects tell of the container", Fields: event.Fields(
			Which, Method, Asks, Port, PortName, Unnamed, Path, Delay, Period, Timeout, Threshold, Budget, Passes, Startup,
			Known, Wanted, WantedN, WantedFrom, Speaks, SpeaksN, SpeaksFrom, Elsewhere, Changed, Before, Revision, Took, Over)},
		{Kind: Failed, Meaning: "the kubelet reports that a probe failed", Fields: event.Fields(Which, What, Port, Code)},
		{Kind: Killed, Meaning: "the kubelet ended a container because of a probe", Fields: event.Fields(Which)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list services", Why: "which port callers reach", Optional: true},
		{Type: observers.Verb, Name: "list events", Why: "how the probes went", Optional: true},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "what the previous revision probed", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 2000},
}
