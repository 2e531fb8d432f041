package cluster

import (
	"strings"

	"github.com/yairfalse/tapio/observers/logs"
)

// Complaint is what one line complains of.
type Complaint struct {
	What   string // a value of logs.What
	Target string // "host:port", "host" or empty; of the program's own trouble, the thing it names
	Own    bool   // trouble of the program's own (see RecogniseOwn)
}

// maxLine bounds how much of a line is looked at, in bytes.
const maxLine = 4 << 10

// Recognise finds the failure to reach a peer that a line tells of. It knows
// the words of the common runtimes and clients and prefers silence to a guess:
// lists of error names, settings, recoveries and complaints of a server about
// its own clients are none.
func Recognise(line string) (Complaint, bool) {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	low := lower(line)
	what := classify(low)
	if what == "" || aboutClient(low) || containsAny(low, recoveries) {
		return Complaint{}, false
	}
	target := targetOf(line, low, what)
	if target == "" && !speaksOfFailure(low, what) {
		return Complaint{}, false
	}
	return Complaint{What: what, Target: target}, true
}

// phrases are the words for each sort of failure, most specific sort first: a
// deadline often wraps the reason for which it passed.
var phrases = []struct {
	what  string
	words []string
}{
	{logs.Unresolved, []string{
		"no such host", "unknownhostexception", "enotfound", "eai_again", "name or service not known",
		"temporary failure in name resolution", "nodename nor servname", "could not resolve host",
		"couldn't resolve host", "name does not resolve", "host not found in upstream", "could not be resolved",
		"could not translate host name", "wget: bad address", "server misbehaving", "failed to resolve '",
		"no address associated with hostname",
	}},
	{logs.Refused, []string{"connection refused", "econnrefused", "connectionrefusederror", "actively refused", " refused. check that the hostname"}},
	{logs.Unreachable, []string{"no route to host", "ehostunreach", "enetunreach", "network is unreachable", "host is unreachable"}},
	{logs.Reset, []string{"connection reset", "econnreset", "connectionreseterror", "broken pipe", "epipe"}},
	{logs.Closed, []string{
		"unexpected eof", "socket hang up", "remote end closed connection", "remotedisconnected",
		"prematurely closed connection", "server closed the connection unexpectedly", "empty reply from server",
		"failed to respond", "connection closed by server", "closed the connection unexpectedly",
		"server disconnected", "lost connection to mysql server", "server has gone away",
	}},
	{logs.Timeout, []string{
		"i/o timeout", "context deadline exceeded", "client.timeout exceeded", "etimedout", "esockettimedout",
		"connection timed out", "connect timed out", "read timed out", "upstream timed out", "operation timed out",
		"timeout expired", "deadlineexceeded", "deadline_exceeded", "timeouterror", "timeoutexception",
		"tls handshake timeout", "timeout connecting to", "timeout reading from", "error 110 connecting", "timed out. (connect timeout=",
	}},
	{logs.LoginRefused, logins},
	{logs.TooMany, tooMany},
	{logs.ReadOnlyPeer, readOnlyPeer},
	{logs.Untrusted, []string{"x509: ", "certificate verify failed", "sslhandshakeexception", "self-signed certificate", "certificate has expired"}},
}

// classify names the sort of failure. A line that names several of them, other
// than a deadline around one, is a list and not a failure.
func classify(low string) string {
	var found []string
	for _, p := range phrases {
		if containsAny(low, p.words) {
			found = append(found, p.what)
		}
	}
	if len(found) == 0 {
		switch {
		case endsInEOF(low):
			return logs.Closed
		case mysqlCode(low, "(111"):
			return logs.Refused
		case mysqlCode(low, "(110"), axiosTimeout(low):
			return logs.Timeout
		case mysqlCode(low, "(113"):
			return logs.Unreachable
		}
		return ""
	}
	if len(found) > 2 || len(found) == 2 && found[1] != logs.Timeout {
		return ""
	}
	return found[0]
}

// endsInEOF accepts the bare EOF of Go only where the line also shows that it
// is about a request or a connection.
func endsInEOF(low string) bool {
	low = strings.TrimRight(low, "\"' )}]")
	if !strings.HasSuffix(low, ": eof") {
		return false
	}
	return containsAny(low, []string{"http://", "https://", "->", "read tcp", "rpc error", "connection", "dial tcp"})
}

func mysqlCode(low, code string) bool {
	return strings.Contains(low, "can't connect to") && strings.Contains(low, "server on '") && strings.Contains(low, code)
}

// axiosTimeout is "timeout of 2000ms exceeded".
func axiosTimeout(low string) bool {
	_, rest, ok := strings.Cut(low, "timeout of ")
	if !ok {
		return false
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	return n > 0 && strings.HasPrefix(rest[n:], "ms exceeded")
}

// recoveries are words of lines that tell of a failure that is over, or that
// is none.
var recoveries = []string{
	"reconnected", "re-established", "reestablished", "recovered from", "recovered after", "restored after",
	"succeeded after", "retryon", "retry_on", "retry-on", "retryable", "ignoring", "will retry on", "retries on",
}

// inbound are words of a server that speaks of its own clients.
var inbound = []string{
	"while reading client", "while waiting for client", "while sending to client", "while keepalive, client",
	"while reading response to client", "handshake error from", "handshake error with client",
	"client disconnected", "client closed", "client has closed", "from client", "to client", "while ssl handshaking, client",
	"accept tcp", "could not receive data from client", "could not send data to client",
}

func aboutClient(low string) bool {
	if strings.Contains(low, "upstream: \"") && !strings.Contains(low, "while sending to client") {
		return false
	}
	if containsAny(low, inbound) {
		return true
	}
	local, remote, ok := arrow(low)
	return ok && ephemeral(remote) && !ephemeral(local)
}

// ephemeral tells whether a port is one that Linux gives to clients.
func ephemeral(port int) bool { return port >= 32768 && port <= 60999 }

// signs are what a line without a target must have to count: the form in which
// a runtime writes the error, rather than a word of it.
var signs = map[string][]string{
	logs.Refused:     {"[errno 111]", "connectexception", "connect: connection refused", "connect econnrefused", "connectionrefusederror", "(111: connection refused)", "error: econnrefused", "os error 111"},
	logs.Reset:       {"[errno 104]", "[errno 32]", "socketexception", "ioexception", "read econnreset", "write epipe", "write econnreset", "error: econnreset", "connectionreseterror", "connection reset by peer", "write: broken pipe", "os error 104", "os error 32", "recv failure"},
	logs.Closed:      {"socket hang up", "remote end closed connection", "server closed the connection unexpectedly", "empty reply from server", "lost connection to mysql server", "server has gone away", "prematurely closed connection", "unexpected eof", "rpc error"},
	logs.Timeout:     {"context deadline exceeded", "client.timeout exceeded", "i/o timeout", "error: timeout", "timeoutexception", "timeouterror", "connect etimedout", "[errno 110]", "rpc error", "read timed out", "timeout of ", "curl: (28)", "esockettimedout", "os error 110"},
	logs.Unreachable: {"[errno 113]", "[errno 101]", "noroutetohostexception", "connect ehostunreach", "connect enetunreach", "connect: no route to host", "connect: network is unreachable", "os error 113", "os error 101"},
	logs.Unresolved:  {"[errno -2]", "[errno -3]", "[errno -5]", "gaierror", "getaddrinfo enotfound", "getaddrinfo eai_again", "unknownhostexception", "no such host"},
}

func speaksOfFailure(low, what string) bool { return containsAny(low, signs[what]) }

// lower changes ASCII letters only, so that positions stay the same.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
