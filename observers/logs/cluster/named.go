package cluster

import "strings"

// maxName bounds what is taken from a line as the name of a thing, in bytes.
const maxName = 128

// safeName gives back a file, variable, flag or command name, or nothing when
// it is not surely one.
func safeName(s string) string {
	s = strings.Trim(s, "\"'`:,;.()[]{}<>")
	if s == "" || len(s) > maxName {
		return ""
	}
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b|0x20 >= 'a' && b|0x20 <= 'z', b >= '0' && b <= '9', strings.IndexByte("._/-+@$", b) >= 0:
		default:
			return ""
		}
	}
	return s
}

// wordAfter takes the word behind the first of the leads that is in the line.
func wordAfter(leads ...string) func(line, low string) string {
	return func(line, low string) string {
		for _, lead := range leads {
			if i := strings.Index(low, lead); i >= 0 {
				return safeName(firstWord(line[i+len(lead):]))
			}
		}
		return ""
	}
}

// wordBefore takes the word before the first of the tails that is in the line.
func wordBefore(tails ...string) func(line, low string) string {
	return func(line, low string) string {
		for _, tail := range tails {
			if i := strings.Index(low, tail); i >= 0 {
				head := strings.TrimRight(line[:i], "\"' ")
				return safeName(head[strings.LastIndexAny(head, " \t\"':")+1:])
			}
		}
		return ""
	}
}

func pathBefore(tail string) func(line, low string) string {
	return func(line, low string) string {
		p := wordBefore(": "+tail)(line, low)
		if strings.Contains(p, "/") {
			return p
		}
		return ""
	}
}

func firstWord(s string) string {
	s = strings.TrimLeft(s, "\"'` ")
	if i := strings.IndexAny(s, " \t\"'`:,;)"); i >= 0 {
		return s[:i]
	}
	return s
}

// pathIn is the last absolute path in the line, which the errors of most
// runtimes name next to their reason. URLs are none.
func pathIn(line, _ string) string {
	out := ""
	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"'`()[]{}<>=,;|", r) }) {
		w = strings.TrimRight(w, ":.")
		if len(w) > 1 && w[0] == '/' && w[1] != '/' {
			if p := safeName(w); p != "" && p == w {
				out = p
			}
		}
	}
	return out
}

// denied is what access was denied to: a path, or the name of a file that the
// line says to be opened, read or written.
func denied(line, low string) string {
	if p := pathIn(line, low); p != "" {
		return p
	}
	for _, verb := range []string{"open the ", "open ", "opening ", "write ", "writing ", "create ", "mkdir ", "rename ", "unlink "} {
		i := strings.Index(low, verb)
		if i < 0 {
			continue
		}
		for _, w := range strings.Fields(line[i+len(verb):]) {
			if n := safeName(w); strings.Contains(n, ".") && !strings.HasPrefix(n, ".") {
				return n
			}
		}
	}
	return ""
}

// variable is the name of an environment variable: capitals, digits and low
// lines, of at least two letters.
func variable(line, _ string) string {
	for _, w := range strings.FieldsFunc(line, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && (r < 'a' || r > 'z')
	}) {
		if len(w) > 2 && len(w) <= maxName && strings.ToUpper(w) == w && (w[0] >= 'A' && w[0] <= 'Z') && (strings.Contains(w, "_") || len(w) > 3 && !levels[w]) {
			return w
		}
	}
	return ""
}

// levels are words in capitals that are no variables.
var levels = map[string]bool{"ERROR": true, "FATAL": true, "WARN": true, "INFO": true, "DEBUG": true, "CRITICAL": true, "ERRO": true, "FATA": true, "HTTP": true, "JSON": true, "YAML": true, "NOTE": true}

// portOf is the port that is taken: the number behind the last colon that is
// followed by one.
func portOf(line, _ string) string {
	out := ""
	for i := 0; i < len(line); i++ {
		if line[i] != ':' {
			continue
		}
		if d := digits(line[i+1:]); d != "" && len(d) <= 5 && (i+1+len(d) == len(line) || !isDigitOrDot(line[i+1+len(d)])) {
			out = d
		}
	}
	if out == "" {
		if i := strings.Index(lower(line), "port "); i >= 0 {
			out = digits(line[i+len("port "):])
		}
	}
	return out
}

func isDigitOrDot(b byte) bool { return b >= '0' && b <= '9' || b == '.' }

// flagOf is the option that a program does not know.
func flagOf(line, _ string) string {
	for _, w := range strings.Fields(line) {
		w = strings.Trim(w, "\"'`:,.()")
		if len(w) > 1 && w[0] == '-' {
			name, _, _ := strings.Cut(w, "=")
			return safeName(name)
		}
	}
	return ""
}

// forbidden is the verb and resource of the API server's refusal: "list pods".
func forbidden(line, low string) string {
	i := strings.Index(low, " cannot ")
	if i < 0 {
		return ""
	}
	verb, rest, _ := strings.Cut(line[i+len(" cannot "):], " ")
	j := strings.Index(rest, `resource "`)
	if j < 0 {
		return ""
	}
	verb, resource := safeName(verb), safeName(firstWord(rest[j+len(`resource "`):]))
	if verb == "" || resource == "" {
		return ""
	}
	return verb + " " + resource
}
