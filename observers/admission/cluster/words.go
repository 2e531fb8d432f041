package cluster

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
)

// told is one resource of a quota as a refusal tells it.
type told struct{ resource, needs, used, hard string }

// maxTold bounds the resources of one refusal.
const maxTold = 16

// readExceeded reads "exceeded quota: NAME, requested: a=1,b=2, used: a=3,b=4,
// limited: a=3,b=5", the form in which the API server refuses.
func readExceeded(message string) (name string, out []told) {
	_, rest, ok := strings.Cut(message, "exceeded quota: ")
	if !ok {
		return "", nil
	}
	name, rest, _ = strings.Cut(rest, ", requested: ")
	requested, rest, ok1 := strings.Cut(rest, ", used: ")
	used, limited, ok2 := strings.Cut(rest, ", limited: ")
	if !ok1 || !ok2 || name == "" || !source.Plausible(name) || strings.ContainsAny(name, " ,:") {
		return "", nil
	}
	u, l := pairs(used), pairs(limited)
	for part := range strings.SplitSeq(requested, ",") {
		r, q, ok := strings.Cut(part, "=")
		if !ok || !isQuantity(q) || l[r] == "" || len(out) == maxTold {
			continue
		}
		out = append(out, told{r, q, u[r], l[r]})
	}
	return name, out
}

func pairs(s string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		r, q, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && isQuantity(q) && source.Plausible(r) && len(out) < maxTold {
			out[r] = q
		}
	}
	return out
}

func isQuantity(s string) bool {
	_, err := resource.ParseQuantity(s)
	return err == nil && len(s) < 32
}

// tellExceedsByWords is for a user who may not read quotas: what the API server
// said when it refused is all there is.
func (o *observer) tellExceedsByWords(s *shortage) {
	if !s.refusal.now {
		return
	}
	name, list := readExceeded(s.refusal.message)
	for _, t := range list {
		e := about(admission.Exceeds, s.refusal.first, s.key, inNamespace(s.namespace))
		setText(admission.Name, &e, name)
		setText(admission.Resource, &e, t.resource)
		setText(admission.Hard, &e, t.hard)
		setText(admission.Used, &e, t.used)
		setText(admission.Needs, &e, t.needs)
		admission.Words.Set(&e, true)
		o.tell(s.key.ID+"\x00"+name+"\x00"+t.resource, e)
	}
}
