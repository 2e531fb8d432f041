package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// The causes for which a pod cannot start.
const (
	ObjectMissing finding.Cause = "config/object-missing"
	KeyMissing    finding.Cause = "config/key-missing"
)

// evalMissing proposes the cause, once for each object that a pod lacks.
func evalMissing(cause finding.Cause) func(*window.Window) []finding.Hypothesis {
	return func(w *window.Window) []finding.Hypothesis {
		var out []finding.Hypothesis
		for _, f := range lacking(w) {
			if (config.Key.Or(f.Event, "") != "") == (cause == KeyMissing) {
				out = append(out, missing(w, cause, f))
			}
		}
		return out
	}
}

// lacking lists the newest fact about each object or key that a pod which
// still waits lacks. Several references to one are one lack.
func lacking(w *window.Window) []window.Fact {
	type lack struct {
		pod    event.Key
		object event.Key
		key    string
	}
	at := map[lack]int{}
	var out []window.Fact
	for _, f := range w.Of(config.Missing) {
		pod, _ := w.Graph.PodOf(f.Subject())
		object, ok := f.Ref(event.Peer)
		if !ok || begun(w, f.Subject(), pod) {
			continue
		}
		id := lack{pod, object, config.Key.Or(f.Event, "")}
		if i, seen := at[id]; seen {
			if out[i].Subject() == f.Subject() {
				out[i] = f
			}
			continue
		}
		at[id] = len(out)
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b window.Fact) int { return a.Subject().Compare(b.Subject()) })
	return out
}

// begun tells whether what the fact kept from starting has started since, or
// whether the pod is gone or going.
func begun(w *window.Window, subject, pod event.Key) bool {
	if p, ok := w.Last(lifecycle.Pod, pod); ok {
		if _, deleted := lifecycle.Deleted.Get(p.Event); deleted || lifecycle.Gone.Or(p.Event, false) {
			return true
		}
	}
	cs := []event.Key{subject}
	if subject.Type == event.Pod {
		cs = w.Graph.Containers(pod)
	}
	return slices.ContainsFunc(cs, func(c event.Key) bool {
		s, ok := w.Last(lifecycle.Container, c)
		return ok && lifecycle.State.Or(s.Event, "") != lifecycle.Waiting
	})
}

func missing(w *window.Window, cause finding.Cause, f window.Fact) finding.Hypothesis {
	pod, _ := w.Graph.PodOf(f.Subject())
	object, _ := f.Ref(event.Peer)
	e := claims.MissingConfig(f)
	n := w.Graph.Name(f.Subject())
	h := finding.Hypothesis{
		Cause: cause, Entity: f.Subject(), Since: f.At, State: finding.Failing,
		Headline: fmt.Sprintf("%s cannot start: %s", n.Name, missingWords(n.Namespace, f)),
		Now:      "has waited for it for " + words.Span(w.To.Sub(f.At).Truncate(time.Second)),
		Advice:   missingAdvice(w, f), Alternatives: meant(f),
	}
	if config.Compared.Or(f.Event, false) {
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.RefAbsent})
	} else {
		h.Absent = []finding.Absent{{What: "whether the object is there now", Why: "the list of " + config.Object.Or(f.Event, "object") + "s cannot be read"}}
	}
	if config.Reported.Or(f.Event, false) {
		said := e
		said.Claim = "the kubelet says: " + e.Claim
		h.For = append(h.For, finding.Support{Evidence: said, Weight: finding.RefReported})
	}
	h.Chain = []finding.Link{{From: object, To: f.Subject(), Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
	if s, ok := waits(w, f.Subject(), pod); ok {
		h.Chain = append(h.Chain, finding.Link{From: f.Subject(), To: pod, Mechanism: finding.Blocks, At: s.At, Trust: finding.API, Sentence: s.Claim, Evidence: []finding.Evidence{s}})
	}
	h.RuledOut = missingRivals(w, cause, f, pod)
	h.Explains = explains(w, f.Subject())
	return h
}

// waits is the state of the container that waits, or of the pod.
func waits(w *window.Window, subject, pod event.Key) (finding.Evidence, bool) {
	if s, ok := w.Last(lifecycle.Container, subject); ok && subject.Type == event.Container {
		return claims.State(s), true
	}
	if p, ok := w.Last(lifecycle.Pod, pod); ok {
		return claims.Pod(p), true
	}
	return finding.Evidence{}, false
}

func missingWords(namespace string, f window.Fact) string {
	object, name, key := config.Object.Or(f.Event, "object"), config.Name.Or(f.Event, ""), config.Key.Or(f.Event, "")
	where, near := config.Where.Or(f.Event, "its spec"), config.Similar.Or(f.Event, "")
	out := fmt.Sprintf("%s %s does not exist in namespace %s (%s)", object, name, namespace, where)
	if key != "" {
		out = fmt.Sprintf("%s %s has no key %s (%s)", object, name, key, where)
	}
	switch elsewhere := config.Elsewhere.Or(f.Event, ""); {
	case near != "":
		out += fmt.Sprintf("; there is %s", near)
	case elsewhere != "":
		out += fmt.Sprintf("; namespace %s has it", elsewhere)
	}
	return out
}

func meant(f window.Fact) []finding.Alternative {
	near := config.Similar.Or(f.Event, "")
	if near == "" {
		return nil
	}
	what := config.Object.Or(f.Event, "object")
	if config.Key.Or(f.Event, "") != "" {
		what = "key"
	}
	return []finding.Alternative{{Change: fmt.Sprintf("refer to %s %s", what, near), Helps: true, Effect: "it is there"}}
}

func missingRivals(w *window.Window, cause finding.Cause, f window.Fact, pod event.Key) []finding.Rival {
	e := []finding.Evidence{claims.MissingConfig(f)}
	other, why := KeyMissing, "the object as a whole is not there"
	if cause == KeyMissing {
		other, why = ObjectMissing, "the object is there"
	}
	out := []finding.Rival{{Cause: other, Why: why, Evidence: e}}
	if s, ok := waits(w, f.Subject(), pod); ok && f.Subject().Type == event.Container {
		out = append(out, finding.Rival{Cause: "image/not-found", Why: "the kubelet pulls the image before it makes the container's configuration", Evidence: []finding.Evidence{s}})
	}
	return out
}

// missingAdvice: copy the object from where it is, or make it.
func missingAdvice(w *window.Window, f window.Fact) []finding.Advice {
	ns := w.Graph.Name(f.Subject()).Namespace
	object, name, key := config.Object.Or(f.Event, "object"), config.Name.Or(f.Event, ""), config.Key.Or(f.Event, "")
	kind := strings.ToLower(object)
	look := finding.Advice{Command: fmt.Sprintf("kubectl -n %s get %s", ns, kind), Expect: "what is there, to compare the names"}
	if key != "" {
		look = finding.Advice{Command: fmt.Sprintf("kubectl -n %s describe %s %s", ns, kind, name), Expect: "the keys that are there"}
		return []finding.Advice{look}
	}
	create := fmt.Sprintf("kubectl -n %s create configmap %s --from-literal=KEY=VALUE", ns, name)
	if object == "Secret" {
		create = fmt.Sprintf("kubectl -n %s create secret generic %s --from-literal=KEY=VALUE", ns, name)
	}
	return []finding.Advice{look, {
		Command: create, ChangesCluster: true, Expect: "the kubelet tries again by itself within a minute or two",
		Undo: fmt.Sprintf("kubectl -n %s delete %s %s", ns, kind, name),
	}}
}

// explains: whatever is wrong with the subject, its pod and its workload,
// except complaints about peers.
func explains(w *window.Window, subject event.Key) func(finding.Symptom) bool {
	mine := map[event.Key]bool{subject: true}
	if pod, ok := w.Graph.PodOf(subject); ok {
		mine[pod] = true
		if subject.Type == event.Pod {
			for _, c := range w.Graph.Containers(pod) {
				mine[c] = true
			}
		}
	}
	if wl, ok := w.Graph.WorkloadOf(subject); ok {
		mine[wl] = true
	}
	return func(s finding.Symptom) bool { return mine[s.Entity] && s.Sort != finding.CallsFailed }
}
