package cluster

import (
	"strings"

	"github.com/yairfalse/tapio/observers/logs"
)

// RecogniseOwn finds what a line tells of the program's own trouble: what it
// lacks, may not do, or cannot use. Like Recognise it prefers silence to a
// guess; what is said at a level below an error counts for nothing.
func RecogniseOwn(line string) (Complaint, bool) {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	low := lower(line)
	for _, t := range troubles {
		at := indexOfAny(low, t.words)
		if at < 0 || t.with != nil && !containsAny(low, t.with) {
			continue
		}
		if t.begins && strings.TrimSpace(afterStamp(low[:at])) != "" {
			continue
		}
		if !t.fatal && (containsAny(low, quiet) || containsAny(low, recoveries)) {
			continue
		}
		c := Complaint{What: t.what, Own: true}
		if t.target != nil {
			c.Target = t.target(line, low)
		}
		if t.needsTarget && c.Target == "" {
			continue
		}
		return c, true
	}
	return Complaint{}, false
}

// trouble is how one sort of trouble is written.
type trouble struct {
	what        string
	words       []string // one of these
	with        []string // and one of these, unless nil
	begins      bool     // the word begins the line, but for a time
	fatal       bool     // the words alone show that it is no mere notice
	target      func(line, low string) string
	needsTarget bool
}

// troubles are tried in this order: the more specific comes first.
var troubles = []trouble{
	{what: logs.Threads, fatal: true, words: []string{"unable to create native thread", "unable to create new native thread", "pthread_create failed", "can't start new thread", "fork: retry: resource temporarily unavailable", "cannot fork", "fork failed: resource temporarily"}},
	{what: logs.Heap, fatal: true, words: []string{
		"java.lang.outofmemoryerror", "javascript heap out of memory", "reached heap limit", "fatal error: runtime: out of memory", "runtime: out of memory: cannot allocate",
		"system.outofmemoryexception", "nomemoryerror", "std::bad_alloc", "terminating due to java.lang.outofmemory",
	}},
	{what: logs.Heap, fatal: true, words: []string{"memoryerror", "fatal error: out of memory"}, begins: true},
	{what: logs.Heap, fatal: true, words: []string{"memory allocation of "}, with: []string{" bytes failed"}},
	{what: logs.Heap, fatal: true, words: []string{"allowed memory size of "}, with: []string{" exhausted"}},
	{what: logs.LeaseLost, fatal: true, words: []string{"leaderelection lost", "leader election lost", "failed to renew lease", "lost leader lease", "stopped leading", "lost the lease"}},
	{what: logs.Forbidden, fatal: true, words: []string{` is forbidden: user "system:serviceaccount:`}, target: forbidden},
	{what: logs.LoginRefused, fatal: true, words: logins},
	{what: logs.TooMany, fatal: true, words: tooMany},
	{what: logs.ReadOnlyPeer, fatal: true, words: readOnlyPeer},
	{what: logs.CloudIdentity, words: []string{
		"could not find default credentials", "nocredentialproviders", "unable to locate credentials", "no ec2 imds role found",
		"managedidentitycredential authentication unavailable", "webidentityerr", "failed to retrieve credentials from", "unable to load aws credentials", "failed to refresh cached credentials",
	}},
	{what: logs.Library, fatal: true, words: []string{"error while loading shared libraries: ", "error loading shared library "}, target: wordAfter("loading shared libraries: ", "loading shared library ")},
	{what: logs.Format, fatal: true, words: []string{"exec format error"}, target: pathBefore("exec format error")},
	{what: logs.NoCommand, fatal: true, words: []string{"executable file not found in $path", ": command not found"}, target: wordBefore(": command not found", ": executable file not found")},
	{what: logs.NoCommand, fatal: true, words: []string{": not found"}, with: []string{"sh: "}, target: wordBefore(": not found")},
	{what: logs.NoModule, fatal: true, words: []string{"modulenotfounderror: no module named", "cannot find module '", "could not find or load main class "}, target: wordAfter("no module named ", "cannot find module ", "main class ")},
	{what: logs.NoVariable, words: []string{"environment variable", "env var ", "missing required env", "required key ", "must be set", "is not set", "is required but", "keyerror: '"}, with: nil, target: variable, needsTarget: true},
	{what: logs.NoVariable, fatal: true, words: []string{"database is uninitialized and superuser password is not specified", "database is uninitialized and password option is not specified"}},
	{what: logs.Port, words: []string{"address already in use", "eaddrinuse", "address in use", "port is already allocated"}, target: portOf},
	{what: logs.NoSpace, words: []string{"no space left on device", "enospc", "disk quota exceeded"}, target: pathIn},
	{what: logs.ReadOnlyFile, words: []string{"read-only file system", "erofs"}, target: pathIn},
	{what: logs.FilesLimit, words: []string{"too many open files", "emfile"}},
	{what: logs.DeniedFile, words: []string{"permission denied", "eacces", "accessdeniedexception"}, with: nil, target: denied, needsTarget: true},
	{what: logs.NotPermitted, words: []string{"operation not permitted", "eperm:"}, target: pathIn},
	{what: logs.NoFile, words: []string{"no such file or directory", "enoent:", "filenotfoundexception", "nosuchfileexception"}, target: pathIn, needsTarget: true},
	{what: logs.BadConfig, words: []string{
		"error parsing config", "failed to parse config", "invalid configuration", "bad configuration", "fatal config file error", "unknown directive",
		"invalid config", "error in config", "cannot parse config", "could not parse config", "error loading config", "failed to load config", "nginx: [emerg]",
		"error converting yaml", "yaml: unmarshal", "cannot unmarshal", "yaml: line", "toml: line", "yaml.scanner.scannererror", "jsondecodeerror",
	}, target: pathIn},
	{what: logs.Assertion, fatal: true, words: []string{
		"assertion `", "assertion failed", "terminate called", "double free or corruption", "corrupted size vs", "malloc(): ", "free(): invalid", "stack smashing detected", "buffer overflow detected",
	}},
	{what: logs.Usage, fatal: true, words: []string{
		"flag provided but not defined: ", "unknown flag: ", "unknown shorthand flag", "unrecognized option", "unrecognized arguments", "invalid option", "unknown option", "unknown command",
		"the following arguments are required", "error: unexpected argument", "missing required argument",
	}, target: flagOf},
	{what: logs.Usage, fatal: true, words: []string{"usage: ", "usage of "}, begins: true},
	{what: logs.Panic, fatal: true, words: []string{"panic: ", "traceback (most recent call last)", "exception in thread \"", "unhandled exception", "uncaught exception", "uncaughtexception", "unhandledpromiserejection", "throw er; // unhandled", "fatal error: "}, begins: true},
	{what: logs.Panic, fatal: true, words: []string{"thread 'main' panicked at", "goroutine 1 [running]"}},
	{what: logs.Untrusted, words: []string{"x509: ", "certificate verify failed", "sslhandshakeexception", "self-signed certificate", "certificate has expired", "unable to verify the first certificate"}},
}

// logins, tooMany and readOnlyPeer are the answers of databases.
var (
	logins = []string{
		"password authentication failed", "access denied for user", "authentication failed", "wrongpass ", "noauth authentication required",
		"invalid username-password pair", "login failed for user", "access_refused", "saslauthenticationexception", "invalid username or password",
	}
	tooMany      = []string{"too many connections", "too many clients already", "max number of clients reached", "remaining connection slots are reserved"}
	readOnlyPeer = []string{"read-only transaction", "readonly you can't write against a read only", "--read-only option", "--super-read-only", "is read only", "not master", "notwritableprimary"}
)

// quiet are the marks of a level below an error.
var quiet = []string{
	"level=info", "level=debug", "level=warn", "level=trace", `"level":"info"`, `"level":"debug"`, `"level":"warn`, "[info]", "[debug]", "[warn", " info ", " debug ", " warn ", "warning:", " notice ", "[notice]", "info:", "debug:",
}

func indexOfAny(s string, words []string) int {
	for _, w := range words {
		if i := strings.Index(s, w); i >= 0 {
			return i
		}
	}
	return -1
}

// afterStamp cuts what a program puts before its message: a date, a time, a
// level, a process id, in brackets or not.
func afterStamp(s string) string {
	for s != "" {
		head, rest, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
		word := strings.Trim(head, "[]():,-|")
		if word != "" && !isStamp(word) {
			return s
		}
		s = rest
	}
	return s
}

func isStamp(word string) bool {
	if word[0] >= '0' && word[0] <= '9' {
		return true
	}
	switch word {
	case "error", "fatal", "critical", "err", "e", "f", "main", "time", "msg":
		return true
	}
	return false
}
