package tape

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// class is a sort of name; each has pseudonyms of its own form.
type class int

const (
	word      class = iota // a name of Kubernetes, a host, a label of a domain name
	uid                    // a pod's uid, a boot id
	runtimeID              // a container's id at the runtime
	image
	path
	process
	address
	classes
)

// wordList has the words that free text keeps: those that tapio's own
// sentences, Kubernetes' messages and the kernel's are made of.
//
//go:embed words.txt
var wordList string

// public names are the same in every cluster and stay.
var public = []string{"default", "kube-system", "kube-public", "kube-node-lease", "kubernetes", "localhost", "svc", "cluster", "local", "runc", "crun", "containerd-shim", "kubelet", "sh", "bash", "dash", "ash", "busybox", "pause"}

// redactor first collects names (found maps them to ""), then, once ranked,
// replaces them.
type redactor struct {
	found  [classes]map[string]string
	ranked bool
	words  map[string]bool
}

// rank gives every name that was found its pseudonym. They sort as the names
// do, with "/" behind each, as names stand in keys.
func (r *redactor) rank(key []byte) map[string]string {
	back := map[string]string{}
	for c, names := range r.found {
		sorted := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return cmp.Compare(a+"/", b+"/") })
		width := max(3, len(fmt.Sprint(len(sorted))))
		for i, n := range sorted {
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%d/%s", c, n)
			names[n] = form(class(c), i+1, width, hex.EncodeToString(mac.Sum(nil)), n)
			back[names[n]] = n
		}
	}
	r.ranked = true
	return back
}

// form writes a pseudonym from a rank and 64 hexadecimal digits.
func form(c class, n, width int, hash, original string) string {
	short := fmt.Sprintf("%0*d-%s", width, n, hash[:6])
	switch c {
	case uid:
		return fmt.Sprintf("%08x-%s-%s-%s-%s", n, hash[:4], hash[4:8], hash[8:12], hash[12:24])
	case runtimeID:
		return fmt.Sprintf("%08x%s", n, hash[8:])
	case image:
		return "image-" + short
	case path:
		return "/path-" + short
	case process:
		return "proc-" + short
	case address:
		if a, err := netip.ParseAddr(original); err == nil && a.Is4() && n < 1<<17 {
			return fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&255, n&255) // RFC 2544
		}
		return fmt.Sprintf("2001:db8::%x:%x", n>>16, n&0xffff) // RFC 3849
	}
	return "n" + short
}

// of replaces a name of a known class.
func (r *redactor) of(c class, name string) string {
	if name == "" || slices.Contains(public, name) || c == process && strings.HasPrefix(name, "runc:") {
		return name
	}
	if !r.ranked {
		r.found[c][name] = ""
		return name
	}
	if p, ok := r.found[c][name]; ok {
		return p
	}
	return "redacted"
}

// token is what may be a name or several in free text: no spaces, quotes or
// brackets.
var (
	token    = regexp.MustCompile(`[^\s"'` + "`" + `()<>{},;|\\]+`)
	part     = regexp.MustCompile(`[\pL\pN_.%+~!?*&^$#-]+`)
	quantity = regexp.MustCompile(`^[-+]?[0-9]+(?:\.[0-9]+)*(?:[a-zA-Zµ%]{0,3}|[KMGTPE]i?B?)$`)
	uuid     = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	longHex  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// text replaces in free text everything that is not known to be harmless.
func (r *redactor) text(s string) string { return token.ReplaceAllStringFunc(s, r.token) }

// known replaces in a text of tapio's own making the names found elsewhere.
func (r *redactor) known(s string) string {
	if !r.ranked {
		return s
	}
	return token.ReplaceAllStringFunc(s, func(t string) string {
		if p, ok := r.found[word][t]; ok {
			return p
		}
		return t
	})
}

func (r *redactor) token(t string) string {
	core := strings.TrimRight(t, ".:?!")
	tail := t[len(core):]
	if p, ok := r.found[image][core]; ok {
		if r.ranked {
			return p + tail
		}
		return t
	}
	if ap, err := netip.ParseAddrPort(core); err == nil {
		a := r.of(address, ap.Addr().String())
		return net.JoinHostPort(a, strconv.Itoa(int(ap.Port()))) + tail
	}
	if a, err := netip.ParseAddr(strings.Trim(core, "[]")); err == nil {
		return r.of(address, a.String()) + tail
	}
	return part.ReplaceAllStringFunc(core, r.part) + tail
}

// part replaces one piece of a token, between slashes, colons and the like.
func (r *redactor) part(p string) string {
	core := strings.TrimRight(p, ".?!")
	tail := p[len(core):]
	if core == "" || slices.Contains(public, core) {
		return p
	}
	switch a, err := netip.ParseAddr(core); {
	case err == nil:
		return r.of(address, a.String()) + tail
	case uuid.MatchString(core):
		return r.of(uid, core) + tail
	case longHex.MatchString(core):
		return r.of(runtimeID, core) + tail
	}
	if pseudonym, ok := r.found[word][core]; ok {
		if r.ranked {
			return pseudonym + tail
		}
		return p
	}
	if quantity.MatchString(core) || r.common(core) {
		return p
	}
	if labels := strings.Split(core, "."); len(labels) > 1 {
		for i, l := range labels {
			labels[i] = r.part(l)
		}
		return strings.Join(labels, ".") + tail
	}
	return r.of(word, core) + tail
}

// common tells whether every piece of a hyphenated word is in the word list.
func (r *redactor) common(s string) bool {
	if r.words == nil {
		r.words = map[string]bool{}
		for w := range strings.FieldsSeq(wordList) {
			r.words[w] = true
		}
	}
	for piece := range strings.FieldsFuncSeq(strings.ToLower(s), func(c rune) bool { return c == '-' || c == '_' }) {
		if !r.words[piece] && !quantity.MatchString(piece) {
			return false
		}
	}
	return true
}
