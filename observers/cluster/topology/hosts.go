// Package topology finds out from objects alone who belongs to whom: which pods
// a Service selects, and which Services a pod's configuration names.
package topology

import (
	"strconv"
	"strings"
)

// Host is a host name that a text uses as one.
type Host struct {
	Name string // lower case, no trailing dot
	Port int    // 0 when the text gives none
	// Sure is true when the form alone shows a host: a URL's authority, a
	// cluster-internal domain name, or a text whose key says that it is one.
	// Otherwise it is "word:port", which could be something else.
	Sure bool
}

// maxText bounds how much of one text is looked at, in bytes.
const maxText = 16 << 10

// Hosts finds the host names in a text of a pod's configuration: an environment
// value, an argument, a command. key is the variable's or flag's name, which
// decides whether a bare word is a host. User names, passwords, paths and
// queries of URLs are never hosts.
func Hosts(key, text string) []Host {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var out []Host
	rest := urls(text, func(h Host) { out = append(out, h) })
	prev := key
	for _, tok := range tokens(rest) {
		if tok.sep == '=' { // name=value inside the text, as in a DSN
			prev = tok.before
		} else if tok.sep != ',' {
			prev = key
			if strings.HasPrefix(tok.before, "-") {
				prev = tok.before
			}
		}
		if h, ok := hostOf(prev, tok.word); ok {
			out = append(out, h)
		}
	}
	return out
}

// urls reports the hosts of each URL in the text and returns the text without
// the URLs.
func urls(text string, found func(Host)) string {
	var rest strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			rest.WriteString(text)
			return rest.String()
		}
		begin := i
		for begin > 0 && isSchemeByte(text[begin-1]) {
			begin--
		}
		end := i + 3
		for end < len(text) && !endsURL(text[end]) {
			end++
		}
		if begin < i {
			authority, _, _ := strings.Cut(text[i+3:end], "/")
			authority = authority[:indexAny(authority, "?#\\")]
			authority = authority[strings.LastIndexByte(authority, '@')+1:]
			for part := range strings.SplitSeq(authority, ",") {
				if h, ok := hostPort(part); ok {
					h.Sure = true
					found(h)
				}
			}
		}
		rest.WriteString(text[:begin])
		rest.WriteByte(' ')
		// A second URL may follow in the same run, after a comma or inside
		// the path.
		if j := strings.Index(text[i+3:end], "://"); j >= 0 {
			next := i + 3 + j
			for next > i+3 && isSchemeByte(text[next-1]) {
				next--
			}
			end = next
			if text[next:next+3] == "://" {
				end = next + 3
			}
		}
		text = text[end:]
	}
}

func isSchemeByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '.' || b == '-'
}

func endsURL(b byte) bool {
	return b <= ' ' || b == '"' || b == '\'' || b == '`' || b == '|' || b == ';' || b == '<' || b == '>' || b == '(' || b == ')' || b == '{' || b == '}'
}

func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// token is a word with what separates it from the word before.
type token struct {
	word, before string
	sep          byte
}

// tokens cuts a text at blanks, quotes, brackets and list separators.
func tokens(text string) []token {
	var out []token
	before, sep, start := "", byte(' '), -1
	flush := func(end int) {
		if start >= 0 {
			out = append(out, token{word: text[start:end], before: before, sep: sep})
			before, sep, start = text[start:end], ' ', -1
		}
	}
	for i := 0; i < len(text); i++ {
		if b := text[i]; endsURL(b) || b == ',' || b == '=' || b == '[' || b == ']' || b == '&' {
			flush(i)
			if b > ' ' && b != '"' && b != '\'' {
				sep = b
			}
			continue
		}
		if start < 0 {
			start = i
		}
	}
	flush(len(text))
	return out
}

func hostOf(key, word string) (Host, bool) {
	if i := strings.IndexByte(word, '/'); i >= 0 { // host:port/path; "/path" and "a/b" are no hosts
		word = word[:i]
		if !strings.Contains(word, ":") {
			return Host{}, false
		}
	}
	if i := strings.LastIndexByte(word, '@'); i >= 0 {
		word = word[i+1:]
		if !strings.Contains(word, ":") {
			return Host{}, false
		}
	}
	h, ok := hostPort(word)
	if !ok || namesImage(key) {
		return Host{}, false
	}
	internal := strings.HasSuffix(h.Name, ".svc") || strings.Contains(h.Name, ".svc.")
	switch {
	case internal, namesHost(key):
		h.Sure = true
	case h.Port == 0:
		return Host{}, false
	}
	return h, true
}

// hostPort reads "name", "name:port" or "name." and refuses addresses, since a
// number is no name.
func hostPort(s string) (Host, bool) {
	name, port, hasPort := strings.Cut(s, ":")
	h := Host{Name: strings.ToLower(strings.TrimSuffix(name, "."))}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Host{}, false
		}
		h.Port = int(n)
	}
	return h, validName(h.Name)
}

// validName accepts what RFC 1123 accepts as a host name, except dotted numbers.
func validName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			b := label[i]
			switch {
			case b >= 'a' && b <= 'z':
				letter = true
			case b >= '0' && b <= '9', b == '-':
			default:
				return false
			}
		}
	}
	return letter
}

// words cuts an environment variable's or flag's name into lower-case words:
// REDIS_HOST, --redis-host, redisHost.
func words(key string) []string {
	var out []string
	start := 0
	cut := func(end int) {
		if end > start {
			out = append(out, strings.ToLower(key[start:end]))
		}
		start = end
	}
	for i := 0; i < len(key); i++ {
		b := key[i]
		switch {
		case b == '_' || b == '-' || b == '.':
			cut(i)
			start = i + 1
		case b >= 'A' && b <= 'Z' && i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z':
			cut(i)
		}
	}
	cut(len(key))
	return out
}

var hostWords = map[string]bool{
	"host": true, "hosts": true, "hostname": true, "addr": true, "addrs": true, "address": true, "addresses": true,
	"url": true, "urls": true, "uri": true, "endpoint": true, "endpoints": true, "server": true, "servers": true,
	"broker": true, "brokers": true, "upstream": true, "upstreams": true, "backend": true, "dsn": true,
	"bootstrap": true, "peer": true, "peers": true, "seeds": true,
}

// namesHost tells whether a name announces a host, by one of its words. The
// last two words count: REDIS_HOST, DB_HOST_PRIMARY, but not HOST_LABEL_SIZE.
func namesHost(key string) bool {
	if key == "-h" {
		return true
	}
	ws := words(key)
	for i, w := range ws {
		if hostWords[w] && i >= len(ws)-2 {
			return true
		}
	}
	return false
}

// namesImage tells whether a name announces a container image or a version,
// whose "name:tag" looks like host and port.
func namesImage(key string) bool {
	for _, w := range words(key) {
		switch w {
		case "image", "images", "tag", "version", "digest":
			return true
		}
	}
	return false
}
