package lifecycle

import "strings"

// Values of Failure: what a message of the kubelet or the runtime says, in the
// words of which only this file knows.
const (
	FailNotFound    = "not-found"      // the command, or the loader it names, is not in the image
	FailDenied      = "not-executable" // the command may not be executed
	FailFormat      = "exec-format"    // the kernel does not know the program's format
	FailOOM         = "oom"            // the memory limit did not hold the runtime's own init
	FailMount       = "mount"          // a mount of the container does not fit its target
	FailWorkdir     = "workdir"        // the working directory cannot be entered
	FailUser        = "user"           // the user is not known in the image
	FailRootRefused = "root-refused"   // runAsNonRoot, and the image runs as root or does not tell
	FailNoCommand   = "no-command"     // neither image nor spec names a command
)

// failures are tried in this order: the first that fits is the reason, since
// wrapping errors repeat each other's words.
var failures = []struct {
	what string
	all  []string // every one of these
	any  []string // and one of these, unless there are none
}{
	{what: FailOOM, any: []string{"init was oom-killed", "memory limit too low"}},
	{what: FailRootRefused, any: []string{"runasnonroot", "breaks non-root policy"}},
	{what: FailNoCommand, any: []string{"no command specified"}},
	{what: FailUser, any: []string{"no matching entries in passwd file", "unable to find user", "unable to find group"}},
	{what: FailWorkdir, all: []string{"chdir to cwd"}},
	{what: FailWorkdir, all: []string{"mkdir", "cwd"}},
	{what: FailMount, any: []string{"error mounting", "failed to mount", "are you trying to mount a directory", "failed to prepare subpath"}},
	{what: FailFormat, any: []string{"exec format error"}},
	{what: FailDenied, all: []string{"exec"}, any: []string{"permission denied", "is a directory"}},
	{what: FailNotFound, all: []string{"exec"}, any: []string{"no such file or directory", "executable file not found", "not a directory"}},
}

// FailureOf types the message with which the kubelet or the runtime explains
// why a container could not be made or started, and names the command, file or
// user concerned where the message quotes it. what is empty for messages that
// say something else.
func FailureOf(message string) (what, target string) {
	low := strings.ToLower(message)
	for _, f := range failures {
		if hasAll(low, f.all) && (len(f.any) == 0 || hasAny(low, f.any)) {
			return f.what, failureTarget(message, f.what)
		}
	}
	return "", ""
}

func hasAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

func hasAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// targets are the words before the thing that a message names.
var targets = map[string][]string{
	FailNotFound: {"exec: ", "exec "},
	FailDenied:   {"exec: ", "exec "},
	FailFormat:   {"exec: ", "exec "},
	FailWorkdir:  {"chdir to cwd (", "mkdir "},
	FailMount:    {"to rootfs at "},
	FailUser:     {"unable to find user ", "unable to find group "},
}

const maxTarget = 128

// failureTarget is the word behind the last of the leading words: a wrapped
// error comes last. Only printable characters of names and paths are kept.
func failureTarget(message, what string) string {
	message, _, _ = strings.Cut(message, ": exec format error")
	for _, lead := range targets[what] {
		i := strings.LastIndex(message, lead)
		if i < 0 {
			continue
		}
		rest := message[i+len(lead):]
		if strings.HasPrefix(rest, "user process") { // "exec user process caused" names none
			continue
		}
		word := ""
		if strings.HasPrefix(rest, `"`) {
			word, _, _ = strings.Cut(rest[1:], `"`)
		} else {
			word = rest[:endOfWord(rest)]
		}
		if word = strings.TrimRight(word, ":,"); len(word) <= maxTarget && plain(word) {
			return word
		}
	}
	return ""
}

func endOfWord(s string) int {
	if i := strings.IndexAny(s, " \t\n\"'()"); i >= 0 {
		return i
	}
	return len(s)
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
