package claims

import (
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/logs"
)

// troubleWords say what a program's log tells, by logs.What.
var troubleWords = map[string]string{
	logs.Heap: "out of memory in its own runtime", logs.Threads: "no more threads or processes", logs.Panic: "an unhandled error with its stack",
	logs.Usage: "arguments that it does not understand", logs.NoFile: "no such file", logs.NoVariable: "an environment variable that is not set",
	logs.NoModule: "code of its own that is not found", logs.NoCommand: "a command that is not found", logs.Library: "a library that is not found",
	logs.Format: "exec format error", logs.DeniedFile: "permission denied", logs.NotPermitted: "operation not permitted",
	logs.ReadOnlyFile: "read-only file system", logs.NoSpace: "no space left on device", logs.FilesLimit: "too many open files",
	logs.Port: "address already in use", logs.BadConfig: "a configuration that it cannot read", logs.Assertion: "a failed assertion or broken heap",
	logs.LeaseLost: "leadership lost", logs.Forbidden: "its account is forbidden", logs.CloudIdentity: "no credentials from the cloud",
	logs.LoginRefused: "a login that was refused", logs.TooMany: "no connection left", logs.ReadOnlyPeer: "a database that takes no writes",
	logs.Untrusted: "a certificate that is not accepted",
}

// Trouble is what a program's own log tells of itself (logs.trouble).
func Trouble(f window.Fact) finding.Evidence {
	claim := "its log tells of " + troubleWords[logs.What.Or(f.Event, "")]
	if t := logs.Target.Or(f.Event, ""); t != "" {
		claim += ": " + t
	}
	if n := f.Occurrences(); n > 1 {
		claim += ", " + words.Times(int(n))
		if f.Span >= time.Second {
			claim += " in " + words.Span(f.Span)
		}
	}
	return finding.Evidence{
		Observer: logs.Spec.Name, Kind: logs.Trouble, Entity: f.Subject(), At: f.At, Span: f.Span,
		Trust: finding.API, Claim: claim, Origin: "its log",
	}
}
