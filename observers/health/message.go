package health

import (
	"strconv"
	"strings"
)

// Report is what the kubelet's message about a failed probe says.
type Report struct {
	Which string // liveness, readiness or startup
	What  string // a value of What
	Port  int64  // the port the message names, 0 for none
	Code  int64  // HTTP status, 0 for none
}

// maxMessage bounds how much of a message is looked at, in bytes.
const maxMessage = 2 << 10

// phrases are the kubelet's and its clients' words, most telling first: a
// deadline often wraps the reason for which it passed.
var phrases = []struct {
	what  string
	words []string
}{
	{Malformed, []string{"malformed http response", "malformed http status", "error reading server preface", "looked like an http/1.1 header", "frame too large"}},
	{Plaintext, []string{"server gave http response to https client", "first record does not look like a tls handshake"}},
	{TLS, []string{"x509:", "remote error: tls", "tls: "}},
	{Unimplemented, []string{"does not implement the grpc health protocol", "code = unimplemented"}},
	{Unhealthy, []string{"service unhealthy (responded with", "not_serving"}},
	{Refused, []string{"connection refused"}},
	{Unreachable, []string{"no route to host", "network is unreachable"}},
	{Reset, []string{"connection reset by peer", ": eof", "broken pipe", "unexpected eof"}},
	{UnnamedPort, []string{"couldn't find port", "unknown port", "could not find port"}},
	{Timeouts, []string{"context deadline exceeded", "client.timeout exceeded", "i/o timeout", "timeout: failed to connect", "timed out", "timeout: health rpc"}},
}

// ReadFailure reads the message of an Unhealthy event; ok is false for any
// other message.
func ReadFailure(message string) (r Report, ok bool) {
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	kind, rest, found := strings.Cut(message, " probe ")
	r.Which = strings.ToLower(kind)
	if !found || !isWhich(r.Which) {
		return Report{}, false
	}
	rest, cut := strings.CutPrefix(rest, "failed: ")
	if !cut {
		if rest, cut = strings.CutPrefix(rest, "errored"); !cut {
			return Report{}, false
		}
	}
	low := strings.ToLower(rest)
	r.What, r.Port = Other, portIn(rest)
	if code, has := strings.CutPrefix(low, "http probe failed with statuscode: "); has {
		if n, err := strconv.ParseUint(leadingDigits(code), 10, 16); err == nil && n >= 100 && n < 1000 {
			r.What, r.Code = Status, int64(n)
		}
		return r, true
	}
	for _, p := range phrases {
		for _, w := range p.words {
			if strings.Contains(low, w) {
				r.What = p.what
				return r, true
			}
		}
	}
	return r, true
}

// ReadKill reads the message of a Killing event: which probe ended which
// container.
func ReadKill(message string) (which, container string, ok bool) {
	rest, found := strings.CutPrefix(message, "Container ")
	name, rest, cut := strings.Cut(rest, " failed ")
	which, _, is := strings.Cut(rest, " probe")
	if !found || !cut || !is || !isWhich(which) || len(name) > 253 {
		return "", "", false
	}
	return which, name, true
}

func isWhich(s string) bool { return s == Liveness || s == Readiness || s == StartupKind }

// portIn finds the port of the first address in a message: "10.1.2.3:8080",
// "[fd00::1]:8080".
func portIn(s string) int64 {
	for i := 1; i < len(s); i++ {
		if s[i] != ':' || !(s[i-1] == ']' || isDigit(s[i-1]) || isLetter(s[i-1])) {
			continue
		}
		digits := leadingDigits(s[i+1:])
		end := i + 1 + len(digits)
		if digits == "" || end < len(s) && (isLetter(s[end]) || s[end] == '.' || s[end] == ':' && end+1 < len(s) && s[end+1] != ' ') || !hostBefore(s[:i]) {
			continue
		}
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n > 0 {
			return int64(n)
		}
	}
	return 0
}

// hostBefore tells whether the text ends in an address or a host name, not in a
// time of day or a bare word.
func hostBefore(s string) bool {
	if strings.HasSuffix(s, "]") {
		return true
	}
	begin := len(s)
	for begin > 0 && (isDigit(s[begin-1]) || isLetter(s[begin-1]) || s[begin-1] == '.' || s[begin-1] == '-') {
		begin--
	}
	host := s[begin:]
	return strings.Contains(host, ".") || host == "localhost"
}

func leadingDigits(s string) string {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i]
}

func isDigit(b byte) bool  { return b >= '0' && b <= '9' }
func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
