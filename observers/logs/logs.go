// Package logs holds what the last lines of a container's own log say, through
// a small set of typed recognisers. It is the weakest evidence: a line is what
// a program believes, never the only word when objects disagree. The line
// itself does not leave the observer, only what was recognised in it.
package logs

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Failure is one kind of complaint of one container about one peer: At is the
// first line of it, Span reaches to the last, Count the number of lines.
// Subject is the container, Owner its pod, Peer the Service or pod when the
// target could be resolved.
const Failure event.Kind = "logs.failure"

// The fields.
var (
	What     = event.Field[string]{Name: "what", Doc: "what was recognised: refused, reset, closed, timeout, unreachable or unresolved"}
	Target   = event.Field[string]{Name: "target", Doc: "host:port, URL host or address the line names; empty when it names none"}
	Previous = event.Field[bool]{Name: "previous", Doc: "the lines are from the instance before the current one"}
)

// Values of What.
const (
	Refused     = "refused"     // ECONNREFUSED
	Reset       = "reset"       // ECONNRESET, EPIPE
	Closed      = "closed"      // the peer closed before it answered
	Timeout     = "timeout"     // ETIMEDOUT or a deadline of the client
	Unreachable = "unreachable" // EHOSTUNREACH, ENETUNREACH
	Unresolved  = "unresolved"  // the name has no address
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "logs",
	Side: observers.Cluster,
	Doc:  "failures that the last log lines of the target and its callers complain of",
	Emits: []observers.Schema{
		{Kind: Failure, Meaning: "log lines of one container complain of one peer", Fields: event.Fields(What, Target, Previous)},
	},
	Needs:  []observers.Need{{Type: observers.Verb, Name: "get pods/log"}},
	Budget: observers.Budget{EventsPerSecond: 100},
}
