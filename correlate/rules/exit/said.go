package exit

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rule"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/logs"
)

// The causes that a program's last words name. Some carry the family of their
// remedy.
const (
	ConfigMissing    finding.Cause = "exit/config-missing"
	PanicOrUsage     finding.Cause = "exit/panic-or-usage"
	LeaderLost       finding.Cause = "exit/leader-lost"
	CapabilityDenied finding.Cause = "exit/capability-denied"
	HeapExhausted    finding.Cause = "memory/heap-exhausted"
	ConfigInvalid    finding.Cause = "config/invalid"
	CloudIdentity    finding.Cause = "config/cloud-identity"
	Permission       finding.Cause = "storage/permission"
	ReadOnlyRoot     finding.Cause = "storage/read-only-root"
	DiskFull         finding.Cause = "storage/disk-full"
	PortConflict     finding.Cause = "network/port-conflict"
	Files            finding.Cause = "limit/file-descriptors"
	PIDs             finding.Cause = "limit/pids"
)

// lastWords are these causes by what the log tells, with the words of the
// headline: %s stands for what the log names.
var lastWords = []struct {
	cause  finding.Cause
	whats  []string
	named  string // when the log names something
	bare   string
	doc    string
	rivals []finding.Cause
	advice string // what to look at
}{
	{
		ConfigMissing, []string{logs.NoFile, logs.NoVariable}, "it lacks %s", "it lacks a setting that it needs",
		"The program ends at once, the same way each time, and its last words name a file or environment variable that it lacks.",
		[]finding.Cause{DependencyUnavailable, "config/object-missing"}, "the file must be mounted or the variable set in the container's spec",
	},
	{ConfigInvalid, []string{logs.BadConfig}, "it cannot read its configuration %s", "it cannot read its configuration", "", nil, "the configuration that its last words name"},
	{
		HeapExhausted, []string{logs.Heap}, "its runtime ran out of memory (%s)", "its runtime ran out of memory within the container's limit",
		"The program's own runtime found its heap full and ended it; the kernel's OOM killer did nothing.",
		[]finding.Cause{"memory/limit-oom"}, "the runtime's heap size against the container's limit",
	},
	{
		LeaderLost, []string{logs.LeaseLost}, "it lost its leadership and ended itself", "it lost its leadership and ended itself",
		"A program that leads by a Lease could not renew it in time and ended itself, as such programs do.",
		[]finding.Cause{PanicOrUsage}, "the API server's answers and the node's CPU at that time",
	},
	{
		Permission, []string{logs.DeniedFile}, "it may not use %s (permission denied)", "it may not use a file",
		"The program's last words say that it may not read or write a path (EACCES).",
		[]finding.Cause{ReadOnlyRoot, DiskFull}, "runAsUser and fsGroup of the pod against the owner of the volume's files",
	},
	{
		ReadOnlyRoot, []string{logs.ReadOnlyFile}, "it writes %s on a read-only file system", "it writes on a read-only file system",
		"The program's last words say that it writes where the file system is read-only (EROFS).",
		[]finding.Cause{Permission, DiskFull}, "readOnlyRootFilesystem and readOnly mounts; an emptyDir gives it a place to write",
	},
	{
		DiskFull, []string{logs.NoSpace}, "no space is left for %s", "no space is left where it writes",
		"The program's last words say that no space is left on the device (ENOSPC).",
		[]finding.Cause{Permission, ReadOnlyRoot}, "how full its volumes are",
	},
	{PortConflict, []string{logs.Port}, "port %s is taken already", "its port is taken already", "", nil, "which other container of the pod, or pod with hostNetwork, uses the port"},
	{
		CapabilityDenied, []string{logs.NotPermitted}, "the kernel does not permit it %s", "the kernel does not permit what it tries (operation not permitted)",
		"The program's last words say that an operation is not permitted (EPERM): a capability or security profile forbids it.",
		[]finding.Cause{Permission, SeccompDenied}, "capabilities, allowPrivilegeEscalation and security profiles in its securityContext",
	},
	{
		CloudIdentity, []string{logs.CloudIdentity}, "it gets no credentials from the cloud", "it gets no credentials from the cloud",
		"The program's last words say that it found no cloud credentials, neither a token file nor an answer of the metadata service.",
		[]finding.Cause{"admission/rbac-forbidden"}, "its service account's annotation for the cloud, and the metadata service",
	},
	{
		Files, []string{logs.FilesLimit}, "it has too many files open", "it has too many files open",
		"The program's last words say that it has as many files open as it may (EMFILE).",
		[]finding.Cause{"network/ports-exhausted"}, "which files or sockets it keeps open",
	},
	{
		PIDs, []string{logs.Threads}, "it cannot start more threads or processes", "it cannot start more threads or processes",
		"The program's last words say that it can start no more threads or processes (EAGAIN).",
		[]finding.Cause{HeapExhausted}, "the pod's limit of processes and how many the program starts",
	},
	{
		CommandNotFound, []string{logs.NoCommand, logs.Library}, "%s is not in the image", "a command or library is not in the image", "", nil, "",
	},
	{WrongArchitecture, []string{logs.Format}, "%s is built for another processor, or is no program", "its program is built for another processor, or is no program", "", nil, ""},
	{
		PanicOrUsage, []string{logs.Panic, logs.Usage, logs.NoModule, logs.Assertion}, "it does not know %s", "it gave up with an unhandled error or with its usage text",
		"The program ended by itself with a stack, an assertion, or the text of its usage, and its last words name nothing deeper.",
		[]finding.Cause{ConfigMissing, DependencyUnavailable, Abort}, "the stack or usage text",
	},
}

// saidRules are the rules of the causes above that have no rule elsewhere.
func saidRules() []rule.Rule {
	var out []rule.Rule
	for _, l := range lastWords {
		if l.doc != "" {
			out = append(out, rule.Rule{Cause: l.cause, Doc: l.doc, Rivals: l.rivals, Eval: func(w *window.Window) []finding.Hypothesis { return evalSaid(w, l.cause) }})
		}
	}
	return out
}

// before and after an end, within which a log's lines are last words: the API
// tells ends in whole seconds.
const (
	wordsBefore = 5 * time.Second
	wordsAfter  = 2 * time.Second
)

// words are the last words of the newest instance: what its log told of just
// before it ended. Where something names a reason, stacks and usage texts are
// left out, and of several reasons the latest counts.
func (c crash) words(w *window.Window) []window.Fact {
	var all []window.Fact
	for _, f := range slices.Concat(w.About(logs.Trouble, c.container), w.About(logs.Failure, c.container)) {
		if end := f.End(); !end.Before(c.last.At.Add(-wordsBefore)) && !end.After(c.last.At.Add(wordsAfter)) {
			all = append(all, f)
		}
	}
	specific := slices.DeleteFunc(slices.Clone(all), vague)
	if len(specific) == 0 {
		return all
	}
	latest := specific[0].End()
	for _, f := range specific {
		if f.End().After(latest) {
			latest = f.End()
		}
	}
	return slices.DeleteFunc(specific, func(f window.Fact) bool { return f.End().Before(latest.Add(-time.Second)) })
}

// vague tells whether a fact says how the program gave up and not why.
func vague(f window.Fact) bool {
	switch logs.What.Or(f.Event, "") {
	case logs.Panic, logs.Usage, logs.Assertion:
		return true
	}
	return false
}

// ownEnd tells whether the program ended with an error by itself: signals end
// a program from outside, or by a fault that has a cause of its own.
func ownEnd(f window.Fact) bool {
	code := codeOf(f)
	return code > 0 && (code < 126 || code == 255)
}

// evalSaid proposes the cause for containers whose last words name it.
func evalSaid(w *window.Window, cause finding.Cause) []finding.Hypothesis {
	i := 0
	for lastWords[i].cause != cause {
		i++
	}
	l := lastWords[i]
	fits := ownEnd
	if cause == HeapExhausted || cause == PanicOrUsage { // runtimes also end themselves by SIGABRT
		fits = func(f window.Fact) bool { return ownEnd(f) || codeOf(f) == 134 && cause == HeapExhausted }
	}
	var out []finding.Hypothesis
	for _, c := range crashes(w, fits) {
		for _, f := range c.words(w) {
			if f.Kind != logs.Trouble || !slices.Contains(l.whats, logs.What.Or(f.Event, "")) {
				continue
			}
			h := c.bySaying(w, cause, f, lastWordsOf(f, l.named, l.bare))
			if l.advice != "" {
				h.Advice[0].Expect = "its last words; then look at " + l.advice
			}
			out = append(out, h)
			break
		}
	}
	return out
}

func lastWordsOf(f window.Fact, named, bare string) string {
	if t := logs.Target.Or(f.Event, ""); t != "" && slices.Contains([]byte(named), '%') {
		return fmt.Sprintf(named, t)
	}
	return bare
}

// bySaying is a hypothesis that rests on the program's own words, and on how
// it ended.
func (c crash) bySaying(w *window.Window, cause finding.Cause, f window.Fact, what string) finding.Hypothesis {
	said := claims.Trouble(f)
	if f.Kind == logs.Failure {
		said = claims.Complaint(f)
	}
	end := claims.Exit(codeOf(c.last))
	if life, ok := c.life(); ok {
		end += " after " + words.Span(life)
	}
	support := append([]finding.Support{{Evidence: said, Weight: finding.LastWords}}, c.support(finding.ExitFitsWords)...)
	if c.startsAndEnds() {
		support = append(support, finding.Support{Evidence: claims.Ended(c.last), Weight: finding.EndsAtOnce})
	}
	h := c.propose(w, cause, fmt.Sprintf("%s ends because %s: %s, %s", c.where(w), what, end, c.times(w)), support...)
	h.Chain = append([]finding.Link{{
		From: c.container, To: c.container, Mechanism: finding.Fails, At: said.At, Trust: finding.API, Sentence: said.Claim, Evidence: []finding.Evidence{said},
	}}, h.Chain...)
	e := []finding.Evidence{claims.Ended(c.last)}
	h.RuledOut = append(h.RuledOut, finding.Rival{
		Cause: "memory/limit-oom", Why: "it ended by itself with " + claims.Exit(codeOf(c.last)) + ", and the runtime reports no OOM kill", Evidence: e,
	})
	return h
}

// startsAndEnds tells whether the newest instance hardly lived.
func (c crash) startsAndEnds() bool {
	const atOnce = 10 * time.Second
	life, ok := c.life()
	return ok && life <= atOnce
}
