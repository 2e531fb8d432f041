package memory

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// Evicted is the cause "the node was short of memory and its kubelet evicted
// the pod".
const Evicted finding.Cause = "memory/evicted"

const reasonEvicted = "Evicted"

// evalEvicted proposes Evicted for every pod of the window that its kubelet
// evicted for memory.
func evalEvicted(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, pod := range w.Graph.Pods(event.Key{}) {
		f, ok := w.Last(lifecycle.Pod, pod)
		if !ok || lifecycle.Phase.Or(f.Event, "") != "Failed" || lifecycle.Reason.Or(f.Event, "") != reasonEvicted {
			continue
		}
		if f.At.Before(w.From) && w.Target.Key != pod {
			continue // the API keeps the record for long; nobody asked about it
		}
		if what, ok := lifecycle.EvictionOf(lifecycle.Message.Or(f.Event, "")); ok && what.Resource == "memory" {
			out = append(out, evicted(w, pod, f, what))
		}
	}
	return out
}

func evicted(w *window.Window, pod event.Key, f window.Fact, what lifecycle.Eviction) finding.Hypothesis {
	n := w.Graph.Name(pod)
	host := "its node"
	node, known := w.Graph.NodeOf(pod)
	if known {
		host = "node " + node.ID
	}
	h := finding.Hypothesis{Cause: Evicted, Entity: pod, Since: f.At}
	h.Headline = fmt.Sprintf("%s was evicted: %s was short of memory", n.Name, host)
	if what.Available != "" {
		h.Headline += fmt.Sprintf(" (%s available, threshold %s)", what.Available, what.Threshold)
	}
	if what.Container != "" && what.Using != "" {
		h.Headline += fmt.Sprintf("; container %s used %s", what.Container, what.Using)
		if what.Request != "" {
			h.Headline += ", more than its request of " + what.Request
		}
	}
	e := claims.Pod(f)
	e.Claim = "kubelet evicted the pod: " + host + " low on memory"
	if what.Available != "" {
		e.Claim += fmt.Sprintf(", %s available of a threshold of %s", what.Available, what.Threshold)
	}
	h.For = []finding.Support{{Evidence: e, Weight: finding.EvictionReported}}
	from := pod
	if known {
		from = node
	}
	h.Chain = []finding.Link{{From: from, To: pod, Mechanism: finding.Kills, At: f.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
	h.State, h.Now = finding.Failing, "the pod stays failed; its controller makes another, if it has one"
	if wl, ok := w.Graph.WorkloadOf(pod); ok {
		if f := w.Graph.Workload(wl); f.Known && f.Available >= f.Desired {
			h.State, h.Now = finding.Recovered, fmt.Sprintf("replaced: %s has all of its %s", w.Graph.Label(wl), words.Count(f.Desired, "pod"))
		}
	}
	h.RuledOut, h.Absent = evictionRivals(w, pod, e)
	h.Advice = []finding.Advice{
		{Command: "kubectl describe node " + node.ID, Expect: "whether MemoryPressure lasts, and who requests and uses the memory"},
		{Command: fmt.Sprintf("kubectl -n %s delete pod %s", n.Namespace, n.Name), ChangesCluster: true, Expect: "removes the evicted pod's object; nothing runs in it any more", Undo: "none: the object only keeps the record"},
	}
	if !known {
		h.Advice = h.Advice[1:]
	}
	wl, owned := w.Graph.WorkloadOf(pod)
	h.Explains = func(s finding.Symptom) bool {
		p, ok := w.Graph.PodOf(s.Entity)
		return ok && p == pod || owned && s.Entity == wl && s.Sort == finding.Short
	}
	return h
}

// evictionRivals: no OOM killer did it, if the node was watched; and the
// kubelet gives another word for other shortages.
func evictionRivals(w *window.Window, pod event.Key, e finding.Evidence) ([]finding.Rival, []finding.Absent) {
	out := []finding.Rival{{Cause: "storage/evicted", Why: "the kubelet names memory as what was short", Evidence: []finding.Evidence{e}}}
	for _, f := range w.Of(memory.OOMKill) {
		if p, ok := w.Graph.PodOf(f.Subject()); ok && p == pod {
			return out, nil // it was killed, too: nothing is excluded
		}
	}
	why := "the kubelet did it and says so; the pod is Failed, not restarted"
	var absent []finding.Absent
	if _, ok := w.Watched(memory.Spec.Name, pod); ok {
		why += ", and the kernel log has no kill of it"
	} else {
		absent = append(absent, finding.Absent{What: "whether the OOM killer came, too", Why: "no probe saw the node"})
	}
	for _, c := range []finding.Cause{LimitOOM, NodeOOM} {
		out = append(out, finding.Rival{Cause: c, Why: why, Evidence: []finding.Evidence{e}})
	}
	return out, absent
}
