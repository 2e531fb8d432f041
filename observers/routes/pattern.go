package routes

import (
	"slices"
	"strings"
)

// Odd is a route that breaks the pattern of its siblings: they lead to the
// Service that their path or name tells, it leads to another.
type Odd struct {
	Found
	Service  string // the one that its path or name tells
	Siblings int    // routes that follow the pattern
	Breaks   int    // routes that do not
}

// least is how many routes must follow a pattern before one that does not is
// odd, and share how many of those that could follow it must, in percent.
const (
	least = 3
	share = 75
)

// Oddities finds the routes whose path or name tells a Service of the list to
// which no route leads, while they lead to another. service resolves a host to
// the name of a Service, "" for none.
func Oddities(routes []Found, names []string, service func(host string) string) []Odd {
	cores := coresOf(names)
	reached := map[string]bool{}
	targets := make([]string, len(routes))
	for i, r := range routes {
		targets[i] = service(r.Host)
		reached[targets[i]] = true
	}
	fits := 0
	var odd []Odd
	for i, r := range routes {
		told := tells(r, cores)
		switch {
		case len(told) == 0 || targets[i] == "":
		case slices.Contains(told, targets[i]):
			fits++
		default:
			if len(told) == 1 && !reached[told[0]] {
				odd = append(odd, Odd{Found: r, Service: told[0]})
			}
		}
	}
	if fits < least || fits*100 < share*(fits+len(odd)) {
		return nil
	}
	for i := range odd {
		odd[i].Siblings, odd[i].Breaks = fits, len(odd)
	}
	return odd
}

// core is a Service's name without the words that most of the names share.
type core struct{ service, word string }

// coresOf drops from each name the words that at least half of the names have:
// of shop-cart-svc and shop-order-svc stay cart and order.
func coresOf(names []string) []core {
	count := map[string]int{}
	for _, n := range names {
		ws := splitWords(n)
		slices.Sort(ws)
		for _, w := range slices.Compact(ws) {
			count[w]++
		}
	}
	var out []core
	for _, n := range names {
		word := ""
		for _, w := range splitWords(n) {
			if count[w]*2 < len(names) || len(names) < 3 {
				word += w
			}
		}
		if word != "" {
			out = append(out, core{n, word})
		}
	}
	return out
}

func splitWords(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
}

// tells lists the Services whose core is the route's name or a segment of its
// path, but for the words "service", "svc" and "api".
func tells(r Found, cores []core) []string {
	words := []string{}
	if w := bare(r.Name); w != "" {
		words = append(words, w)
	}
	for seg := range strings.SplitSeq(r.Path, "/") {
		if w := bare(seg); w != "" {
			words = append(words, w)
		}
	}
	var out []string
	for _, c := range cores {
		if slices.Contains(words, c.word) && !slices.Contains(out, c.service) {
			out = append(out, c.service)
		}
	}
	return out
}

// bare is a word without separators, wildcards and the usual suffixes.
func bare(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), "")
	for _, suffix := range []string{"service", "svc", "api"} {
		if rest, ok := strings.CutSuffix(s, suffix); ok && rest != "" {
			s = rest
		}
	}
	return s
}
