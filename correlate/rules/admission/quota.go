package admission

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
)

// The causes of quotas, by what they count.
const (
	QuotaPods     finding.Cause = "admission/quota-pods"
	QuotaCPU      finding.Cause = "admission/quota-cpu"
	QuotaMemory   finding.Cause = "admission/quota-memory"
	QuotaServices finding.Cause = "admission/quota-services"
	QuotaStorage  finding.Cause = "admission/quota-storage"
	QuotaOther    finding.Cause = "admission/quota-other"
)

var quotaCauses = []struct {
	cause finding.Cause
	what  string
}{
	{QuotaPods, "further pods by their number"},
	{QuotaCPU, "further pods by the CPU they request or may use"},
	{QuotaMemory, "further pods by the memory they request or may use"},
	{QuotaServices, "further Services"},
	{QuotaStorage, "further claims or their size"},
	{QuotaOther, "further objects or other resources"},
}

// causeOf tells by which cause a resource of a quota goes.
func causeOf(resource string) finding.Cause {
	plain := strings.TrimPrefix(strings.TrimPrefix(resource, "requests."), "limits.")
	switch {
	case resource == "pods" || resource == "count/pods":
		return QuotaPods
	case plain == "cpu":
		return QuotaCPU
	case plain == "memory":
		return QuotaMemory
	case strings.HasPrefix(resource, "services") || resource == "count/services":
		return QuotaServices
	case strings.Contains(resource, "persistentvolumeclaims") || strings.HasSuffix(resource, "requests.storage") || strings.HasSuffix(plain, "ephemeral-storage"):
		return QuotaStorage
	}
	return QuotaOther
}

// victim is a workload whose next pod a quota refuses.
type victim struct {
	shortage
	exceeds window.Fact
}

// evalQuota proposes the cause once a namespace and quota, with all workloads
// that it keeps short.
func evalQuota(cause finding.Cause) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		if cause == QuotaServices {
			return evalServices(w)
		}
		var order []string
		groups := map[string][]victim{}
		for _, f := range current(w, admission.Exceeds, admission.Name, admission.Resource) {
			ns, ok := f.Ref(event.Limiter)
			if !ok || causeOf(admission.Resource.Or(f.Event, "")) != cause {
				continue
			}
			s, short := shortOf(w, f.Subject())
			if !short {
				continue
			}
			id := ns.ID + "\x00" + admission.Name.Or(f.Event, "")
			if groups[id] == nil {
				order = append(order, id)
			}
			groups[id] = append(groups[id], victim{s, f})
		}
		var out []finding.Hypothesis
		for _, id := range order {
			out = append(out, quota(w, cause, groups[id]))
		}
		return out
	}
}

// quota tells one quota's hypothesis. The workload whose refusal is the newest
// speaks for all.
func quota(w *window.Window, cause finding.Cause, vs []victim) finding.Hypothesis {
	slices.SortStableFunc(vs, func(a, b victim) int {
		if a.refused != b.refused {
			if a.refused {
				return -1
			}
			return 1
		}
		return strings.Compare(a.key.ID, b.key.ID)
	})
	vs = slices.CompactFunc(vs, func(a, b victim) bool { return a.key == b.key })
	lead := vs[0]
	f := lead.exceeds
	ns, _ := f.Ref(event.Limiter)
	name, resource := admission.Name.Or(f.Event, ""), admission.Resource.Or(f.Event, "")
	var keys []event.Key
	h := finding.Hypothesis{Cause: cause, Entity: ns, Since: lead.onset(), State: finding.Failing, Now: lead.now(w)}
	for _, v := range vs {
		keys = append(keys, v.key)
		h.Affected = append(h.Affected, v.suffers()...)
		if v.onset().Before(h.Since) {
			h.Since = v.onset()
		}
	}
	limit := claims.Exceeds(f)
	h.For = append(h.For, finding.Support{Evidence: limit, Weight: exceedsWeight(f)})
	h.For = append(h.For, lead.support(w)...)
	if lead.refused && strings.Contains(admission.Message.Or(lead.Event, ""), name) {
		h.For = append(h.For, finding.Support{Evidence: claims.Short(lead.Fact, w.To), Weight: finding.QuotaNamed})
	}
	if at, ok := changedWithin(w, f); ok {
		e := limit
		e.At, e.Claim = at, "quota "+name+" was "+madeOrChanged(f)+" at "+words.At(at, w.To)+by(f)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.QuotaNew})
		h.Chain = append(h.Chain, finding.Link{From: ns, To: ns, Mechanism: finding.Changes, At: at, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	}
	h.Against = lead.against(w)
	h.Headline = quotaHeadline(w, f, ns, keys)
	h.Chain = append(h.Chain, finding.Link{From: ns, To: lead.key, Mechanism: finding.Blocks, At: f.At, Trust: finding.API, Sentence: limit.Claim, Evidence: []finding.Evidence{limit}})
	for _, v := range vs {
		h.Chain = append(h.Chain, v.link(w, ns))
	}
	h.Explains = explains(h.Affected)
	h.RuledOut = lead.ruledOut(w)
	h.Advice = quotaAdvice(w, f, ns, name, resource, lead)
	return h
}

func exceedsWeight(f window.Fact) finding.Weight {
	switch {
	case admission.Words.Or(f.Event, false):
		return finding.QuotaTold
	case admission.Unset.Or(f.Event, false):
		return finding.QuotaUnset
	}
	return finding.QuotaExceeded
}

func quotaHeadline(w *window.Window, f window.Fact, ns event.Key, keys []event.Key) string {
	name, resource := admission.Name.Or(f.Event, ""), admission.Resource.Or(f.Event, "")
	if admission.Unset.Or(f.Event, false) {
		return fmt.Sprintf("%s: pods cannot be created because quota %s of namespace %s counts %s and the pods do not set it", count(w, keys), name, ns.ID, resource)
	}
	return fmt.Sprintf("%s: pods cannot be created because quota %s of namespace %s has %s of %s %s in use and one more pod needs %s", count(w, keys), name, ns.ID,
		admission.Used.Or(f.Event, "?"), admission.Hard.Or(f.Event, "?"), resource, admission.Needs.Or(f.Event, "?"))
}

func quotaAdvice(w *window.Window, f window.Fact, ns event.Key, name, resource string, lead victim) []finding.Advice {
	see := finding.Advice{Command: fmt.Sprintf("kubectl -n %s describe resourcequota %s", ns.ID, name), Expect: "what is used of it and what it allows"}
	if admission.Unset.Or(f.Event, false) {
		return []finding.Advice{see, {
			Command:        fmt.Sprintf("kubectl -n %s edit %s", ns.ID, typed(w, lead.key)),
			ChangesCluster: true, Expect: "set " + resource + " for every container, or give the namespace a LimitRange with defaults",
		}}
	}
	enough := admission.Enough.Or(f.Event, "")
	if enough == "" {
		return []finding.Advice{see}
	}
	return []finding.Advice{see, {
		Command:        patchQuota(ns.ID, name, resource, enough),
		ChangesCluster: true, Expect: fmt.Sprintf("room for the missing pods of %s", w.Graph.Label(lead.key)),
		Undo: patchQuota(ns.ID, name, resource, admission.Hard.Or(f.Event, "")),
	}}
}

func patchQuota(namespace, name, resource, value string) string {
	return fmt.Sprintf(`kubectl -n %s patch resourcequota %s --type=merge -p '{"spec":{"hard":{"%s":"%s"}}}'`, namespace, name, resource, value)
}

// changedWithin tells when the object of the fact was made or edited, if that
// is within the window.
func changedWithin(w *window.Window, f window.Fact) (time.Time, bool) {
	at := max(admission.Created.Or(f.Event, 0), admission.Edited.Or(f.Event, 0))
	if at == 0 || time.Unix(at, 0).Before(w.From) {
		return time.Time{}, false
	}
	return time.Unix(at, 0).UTC(), true
}

func madeOrChanged(f window.Fact) string {
	if admission.Edited.Or(f.Event, 0) > admission.Created.Or(f.Event, 0) {
		return "changed"
	}
	return "made"
}

func by(f window.Fact) string {
	if who := admission.By.Or(f.Event, ""); who != "" {
		return " by " + who
	}
	return ""
}

// evalServices is about Services that a quota keeps from being made. A refused
// Service leaves no trace but its absence, so a full quota alone is innocent.
func evalServices(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, admission.Quota, admission.Name, admission.Resource) {
		if causeOf(admission.Resource.Or(f.Event, "")) != QuotaServices {
			continue
		}
		if h, ok := services(w, f); ok {
			out = append(out, h)
		}
	}
	return out
}

func services(w *window.Window, f window.Fact) (finding.Hypothesis, bool) {
	ns := f.Subject()
	name, resource := admission.Name.Or(f.Event, ""), admission.Resource.Or(f.Event, "")
	full := claims.Quota(f)
	h := finding.Hypothesis{Cause: QuotaServices, Entity: ns, Since: f.At, State: finding.Failing}
	h.For = []finding.Support{{Evidence: full, Weight: finding.QuotaFull}}
	h.Chain = []finding.Link{{From: ns, To: ns, Mechanism: finding.Blocks, At: f.At, Trust: finding.API, Sentence: full.Claim, Evidence: []finding.Evidence{full}}}
	var lone []window.Fact
	for _, u := range current(w, admission.Unserved) {
		if w.Graph.Name(u.Subject()).Namespace == ns.ID {
			lone = append(lone, u)
		}
	}
	if len(lone) == 0 {
		return h, false
	}
	slices.SortStableFunc(lone, func(a, b window.Fact) int {
		return int(admission.NamedBy.Or(b.Event, 0) - admission.NamedBy.Or(a.Event, 0))
	})
	weight := finding.UnservedPort
	if admission.NamedBy.Or(lone[0].Event, 0) > 0 {
		weight = finding.UnservedNamed
	}
	e := claims.Unserved(lone[0])
	h.For = append(h.For, finding.Support{Evidence: e, Weight: weight})
	if _, ok := changedWithin(w, f); ok {
		c := full
		c.Claim = "quota " + name + " was " + madeOrChanged(f) + " within the window" + by(f)
		h.For = append(h.For, finding.Support{Evidence: c, Weight: finding.QuotaNew})
	}
	var keys []event.Key
	for _, u := range lone {
		e := claims.Unserved(u)
		keys = append(keys, u.Subject())
		h.Chain = append(h.Chain, finding.Link{From: ns, To: u.Subject(), Mechanism: finding.Blocks, At: u.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
	}
	h.Affected = keys
	h.Headline = fmt.Sprintf("namespace %s: no further Service can be created because quota %s has %s of %s %s in use; no Service leads to %s", ns.ID, name,
		admission.Used.Or(f.Event, "?"), admission.Hard.Or(f.Event, "?"), resource, count(w, keys))
	h.Now = "no Service leads to " + count(w, keys)
	h.Absent = []finding.Absent{{What: "a refused creation of a Service", Why: "the API server keeps no record of it outside its audit log"}}
	h.Explains = explains(keys)
	h.Advice = []finding.Advice{
		{Command: fmt.Sprintf("kubectl -n %s describe resourcequota %s", ns.ID, name), Expect: "what is used of it and what it allows"},
		{Command: fmt.Sprintf("kubectl -n %s get services", ns.ID), Expect: "which of them could go, and which is missing"},
	}
	return h, true
}
