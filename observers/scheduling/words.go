package scheduling

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// phrase is how the scheduler words the failure of one of its filters, in the
// versions of the last years.
type phrase struct{ has, constraint string }

// phrases are tried in order: the first that is part of a reason decides.
var phrases = []phrase{
	{"insufficient cpu", CPU},
	{"insufficient memory", Memory},
	{"insufficient ephemeral-storage", Ephemeral},
	{"insufficient ", Device},
	{"too many pods", PodCount},
	{"were unschedulable", Cordon},
	{"taint {node.kubernetes.io/unschedulable", Cordon},
	{"taint {node.kubernetes.io/", Condition},
	{"taint {node.cloudprovider.kubernetes.io/uninitialized", Condition},
	{"untolerated taint", Taint},
	{"that the pod didn't tolerate", Taint},
	{"anti-affinity", AntiAffinity},
	{"pod affinity rules", PodAffinity},
	{"topology spread", Spread},
	{"volume node affinity conflict", VolumeNode},
	{"no available volume zone", VolumeNode},
	{"free ports", HostPort},
	{"persistentvolumeclaim", Claim},
	{"persistent volumes to bind", Claim},
	{"node affinity", Placement},
	{"node selector", Placement},
}

// maxWords bounds how much of a message is read, in bytes.
const maxWords = 8 << 10

// ReadWords reads the scheduler's "0/4 nodes are available: 1 node(s) were
// unschedulable, 3 Insufficient cpu. preemption: …" into nodes by constraint.
// A reason for no node at all, such as an unbound claim, counts for all of
// them. What is not understood is left out; nil when nothing is.
func ReadWords(message string) map[string]int64 {
	message = message[:min(len(message), maxWords)]
	head, rest, ok := strings.Cut(message, " nodes are available:")
	if !ok {
		return nil
	}
	_, totalText, ok := strings.Cut(head, "/")
	total, err := strconv.ParseInt(totalText, 10, 32)
	if !ok || err != nil || total < 0 {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "preemption:")
	out := map[string]int64{}
	for _, reason := range reasons(rest) {
		n, text := total, strings.ToLower(reason)
		if first, after, ok := strings.Cut(text, " "); ok {
			if count, err := strconv.ParseInt(first, 10, 32); err == nil && count >= 0 {
				n, text = min(count, total), after
			}
		}
		for _, p := range phrases {
			if strings.Contains(text, p.has) {
				out[p.constraint] = min(out[p.constraint]+n, total)
				break
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// reasons splits at commas and full stops that are followed by a space, but
// not within the braces of a taint nor before words that go on with the reason.
func reasons(s string) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case ',', '.':
			after := s[i+1:]
			if depth > 0 || (after != "" && after[0] != ' ') || strings.HasPrefix(after, " that the pod") {
				continue
			}
			out = append(out, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	out = append(out, strings.TrimSpace(s[from:]))
	return slices.DeleteFunc(out, func(r string) bool { return r == "" })
}

// FormatWords renders what ReadWords read, most nodes first: "cpu=3,cordon=1".
func FormatWords(words map[string]int64) string {
	keys := slices.SortedFunc(maps.Keys(words), func(a, b string) int {
		return cmp.Or(cmp.Compare(words[b], words[a]), cmp.Compare(a, b))
	})
	for i, k := range keys {
		keys[i] = k + "=" + strconv.FormatInt(words[k], 10)
	}
	return strings.Join(keys, ",")
}

// ParseWords reads the form of FormatWords; what does not fit is left out.
func ParseWords(s string) map[string]int64 {
	out := map[string]int64{}
	for part := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(part, "=")
		if n, err := strconv.ParseInt(v, 10, 32); ok && err == nil {
			out[k] = n
		}
	}
	return out
}
