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

// Trouble is one kind of trouble of a program's own: At is the first line of
// it, Span reaches to the last, Count the number of lines. Subject is the
// container, Owner its pod.
const Trouble event.Kind = "logs.trouble"

// The fields.
var (
	What     = event.Field[string]{Name: "what", Doc: "what was recognised, one word of a closed list"}
	Target   = event.Field[string]{Name: "target", Doc: "host:port, URL host or address the line names, for trouble the path, variable, port, flag or command; empty when it names none"}
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

	LoginRefused = "login-refused" // the peer does not accept user or password; Trouble when no peer is named
	TooMany      = "too-many"      // the peer has no connection left
	ReadOnlyPeer = "read-only"     // the peer takes no writes
	Untrusted    = "untrusted"     // the peer's certificate is not accepted
)

// Values of What of Trouble alone.
const (
	Heap          = "heap"             // the runtime's own memory is used up
	Threads       = "threads"          // no more threads or processes
	Panic         = "panic"            // an unhandled error with its stack
	Usage         = "usage"            // the program does not understand its arguments
	NoFile        = "no-file"          // ENOENT
	NoVariable    = "no-variable"      // an environment variable is not set
	NoModule      = "no-module"        // the program's own code is not found
	NoCommand     = "no-command"       // a shell or program does not find what it should run
	Library       = "no-library"       // the loader does not find a library
	Format        = "exec-format"      // ENOEXEC
	DeniedFile    = "permission"       // EACCES
	NotPermitted  = "not-permitted"    // EPERM
	ReadOnlyFile  = "read-only-file"   // EROFS
	NoSpace       = "no-space"         // ENOSPC, EDQUOT
	FilesLimit    = "files-limit"      // EMFILE
	Port          = "port-in-use"      // EADDRINUSE
	BadConfig     = "bad-config"       // a configuration that cannot be read
	Assertion     = "assertion"        // the program or its allocator found itself broken
	LeaseLost     = "lease-lost"       // no leader any more
	Forbidden     = "forbidden"        // the API server refuses the program's account
	CloudIdentity = "no-cloud-account" // no credentials from the cloud's metadata or token file
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "logs",
	Side: observers.Cluster,
	Doc:  "failures and trouble that the last log lines of the target and its callers complain of",
	Emits: []observers.Schema{
		{Kind: Failure, Meaning: "log lines of one container complain of one peer", Fields: event.Fields(What, Target, Previous)},
		{Kind: Trouble, Meaning: "log lines of one container tell of the program's own trouble", Fields: event.Fields(What, Target, Previous)},
	},
	Needs:  []observers.Need{{Type: observers.Verb, Name: "get pods/log"}},
	Budget: observers.Budget{EventsPerSecond: 100},
}
