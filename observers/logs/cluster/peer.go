package cluster

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/yairfalse/tapio/observers/logs"
)

// after are the words behind which clients write their peer, the surest first.
// Each is matched in lower case.
var after = []string{
	"upstream: \"", // nginx
	"connection to server at \"",
	"is the server running on host \"",
	"could not connect to redis at ",
	"cannot connect to host ",
	"server on '",
	"failed to connect to ",
	"unable to connect to ",
	"can't connect to remote host (",
	"can't connect to ",
	"connection to ",
	"connect to ",
	"connecting to ",
	"reading from ",
	"request to ",
	"connect econnrefused ",
	"connect etimedout ",
	"connect ehostunreach ",
	"connect enetunreach ",
	"connection refused: ",
	"connection timed out: ",
	"no route to host: ",
	"connect call failed ('",
}

// named are the words behind which clients write the name that has no address;
// whatever follows is that name.
var named = []string{
	"could not translate host name \"",
	"host not found in upstream \"",
	"bad address '",
	"could not resolve host: ",
	"couldn't resolve host '",
	"unknownhostexception: ",
	"getaddrinfo enotfound ",
	"getaddrinfo eai_again ",
	"failed to resolve '",
}

// targetOf finds the peer that the line names: by URL or by the words of the
// client, at last by the address that was dialled. It is empty when none is
// named in a form that is surely a host.
func targetOf(line, low, what string) string {
	if what == logs.Unresolved {
		if t := lookup(line, low); t != "" {
			return t
		}
		for _, w := range named {
			if i := strings.Index(low, w); i >= 0 {
				if t := hostPort(word(line[i+len(w):])); t != "" {
					return t
				}
			}
		}
	}
	if i := strings.Index(low, "upstream: \""); i >= 0 {
		return urlHost(line[i+len("upstream: \""):])
	}
	if t := pool(line, low); t != "" {
		return t
	}
	if t := firstURL(line); t != "" {
		return t
	}
	for _, w := range after {
		if i := strings.Index(low, w); i >= 0 {
			if t := peerAt(line[i+len(w):], low[i+len(w):]); t != "" {
				return t
			}
		}
	}
	for _, dial := range []string{"dial tcp ", "dial udp "} {
		if i := strings.Index(low, dial); i >= 0 {
			return hostPort(word(line[i+len(dial):]))
		}
	}
	if i := strings.Index(line, "->"); i >= 0 {
		return hostPort(word(line[i+2:]))
	}
	if i := strings.Index(low, " failed to respond"); i > 0 {
		return hostPort(line[strings.LastIndexByte(line[:i], ' ')+1 : i])
	}
	if i := strings.Index(low, " could not be resolved"); i > 0 {
		return hostPort(line[strings.LastIndexByte(line[:i], ' ')+1 : i])
	}
	return ""
}

// lookup is Go's "lookup NAME on SERVER: no such host".
func lookup(line, low string) string {
	i := strings.Index(low, "lookup ")
	if i < 0 || i > 0 && low[i-1] != ' ' && low[i-1] != '"' {
		return ""
	}
	return hostPort(strings.TrimSuffix(word(line[i+len("lookup "):]), ":"))
}

// pool is urllib3's "HTTPConnectionPool(host='api', port=8080)".
func pool(line, low string) string {
	i := strings.Index(low, "connectionpool(host='")
	if i < 0 {
		return ""
	}
	host, rest, ok := strings.Cut(line[i+len("connectionpool(host='"):], "'")
	if !ok {
		return ""
	}
	port, _ := strings.CutPrefix(rest, ", port=")
	return hostPort(host + ":" + digits(port))
}

func firstURL(line string) string {
	for rest, at := line, 0; ; {
		i := strings.Index(rest, "://")
		if i < 0 {
			return ""
		}
		at = i
		for at > 0 && (rest[at-1]|0x20 >= 'a' && rest[at-1]|0x20 <= 'z' || rest[at-1] == '+') {
			at--
		}
		if at < i {
			if t := urlHost(rest[at:]); t != "" {
				return t
			}
		}
		rest = rest[i+3:]
	}
}

// urlHost is the host and port of a URL. The user part is dropped.
func urlHost(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok || strings.ContainsAny(scheme, " \"'") {
		return ""
	}
	if i := strings.IndexAny(rest, " \t\"'`/?#,;)<>\\"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if t := hostPort(rest); t != "" {
		return t
	}
	return hostPort(strings.TrimRight(rest, ":."))
}

// peerAt reads the peer at the beginning of the text, in the forms "host:port",
// "name/address:port", "host port 80", `host" (address), port 5432`,
// "('address', port)".
func peerAt(text, low string) string {
	w := word(text)
	host := strings.TrimRight(w, ":.,;")
	if strings.HasPrefix(text, "/") { // Java: "/10.0.0.1:80" is an address without a name
		return hostPort(strings.TrimRight(word(text[1:]), ":.,;"))
	}
	if name, addr, ok := strings.Cut(host, "/"); ok { // Java: "name/address:port"
		_, port, ok := strings.Cut(addr, ":")
		if p := strings.LastIndexByte(port, ':'); p >= 0 {
			port = port[p+1:]
		}
		if !ok {
			return ""
		}
		return hostPort(name + ":" + digits(port))
	}
	rest := low[min(len(w), len(low)):]
	for _, form := range []string{" port ", "port ", ", port "} {
		if i := strings.Index(rest, form); i >= 0 && i < 64 && !strings.ContainsRune(host, ':') {
			if p := digits(rest[i+len(form):]); p != "" {
				return hostPort(host + ":" + p)
			}
		}
	}
	if after, ok := strings.CutPrefix(rest, "', "); ok && digits(after) != "" {
		return hostPort(host + ":" + digits(after))
	}
	if !strings.ContainsAny(host, ":.") && !quoted(text, w) {
		return "" // "connection to server", "connect to database": a word, not a host
	}
	return hostPort(host)
}

// quoted tells whether the word ends with the quote that opened it.
func quoted(text, w string) bool {
	return len(text) > len(w) && (text[len(w)] == '"' || text[len(w)] == '\'')
}

// word is the text up to the first blank, quote or bracket; an address in
// square brackets is one word.
func word(s string) string {
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i > 0 {
			end := i + 1
			for end < len(s) && (s[end] == ':' || s[end] >= '0' && s[end] <= '9') {
				end++
			}
			return strings.TrimRight(s[:end], ":")
		}
	}
	if i := strings.IndexAny(s, " \t\"'`()[]<>{},;"); i >= 0 {
		s = s[:i]
	}
	return s
}

func digits(s string) string {
	n := 0
	for n < len(s) && n < 6 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// hostPort validates "host", "host:port" or "[v6]:port" and gives it back in
// one form. Nothing but letters, digits and the signs of names and addresses
// gets through.
func hostPort(s string) string {
	s = strings.TrimRight(s, ":,.;")
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() > 0 && ap.Addr().Zone() == "" {
		return ap.String()
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
		return a.String()
	}
	host, port, hasPort := strings.Cut(s, ":")
	if !validHost(host) {
		return ""
	}
	host = strings.ToLower(host)
	if !hasPort {
		return host
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return ""
	}
	return host + ":" + strconv.FormatUint(n, 10)
}

func validHost(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			switch b := label[i]; {
			case b|0x20 >= 'a' && b|0x20 <= 'z':
				letter = true
			case b >= '0' && b <= '9', b == '-', b == '_':
			default:
				return false
			}
		}
	}
	return letter
}

// arrow reads the ports of Go's "LOCAL->REMOTE".
func arrow(low string) (local, remote int, ok bool) {
	i := strings.Index(low, "->")
	if i < 0 {
		return 0, 0, false
	}
	left := low[:i]
	left = left[strings.LastIndexAny(left, " \t\"'")+1:]
	l, err1 := netip.ParseAddrPort(left)
	r, err2 := netip.ParseAddrPort(strings.TrimRight(word(low[i+2:]), ":"))
	if err1 != nil || err2 != nil {
		return 0, 0, false
	}
	return int(l.Port()), int(r.Port()), true
}
