package lifecycle

import "strings"

// Eviction is what the kubelet's message says of a pod that it evicted because
// the node was short of something (pkg/kubelet/eviction/helpers.go). Amounts
// are as the message has them, for example "88Mi"; empty is not told.
type Eviction struct {
	Resource             string // memory, ephemeral-storage, inodes, pids
	Threshold, Available string
	Container            string // the first that the message names as a large user
	Using, Request       string
}

// EvictionOf reads the message of a pod whose reason is Evicted. ok is false
// for an eviction that is for no shortage of the node.
func EvictionOf(message string) (e Eviction, ok bool) {
	e.Resource, ok = between(message, "The node was low on resource: ", ". ")
	if !ok {
		if e.Resource, ok = strings.CutPrefix(message, "The node was low on resource: "); !ok {
			return Eviction{}, false
		}
		e.Resource = strings.TrimRight(e.Resource, ". ")
	}
	e.Threshold, _ = between(message, "Threshold quantity: ", ", ")
	e.Available, _ = between(message, ", available: ", ". ")
	if _, rest, found := strings.Cut(message, "Container "); found {
		e.Container, _, _ = strings.Cut(rest, " ")
		e.Using, _ = between(rest, " was using ", ", ")
		e.Request, _ = between(rest, ", request is ", ", ")
	}
	return e, true
}

func between(s, from, to string) (string, bool) {
	_, rest, ok := strings.Cut(s, from)
	if !ok {
		return "", false
	}
	out, _, ok := strings.Cut(rest, to)
	return out, ok
}
