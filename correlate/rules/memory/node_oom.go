package memory

import (
	"fmt"
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
)

// NodeOOM is the cause "the node, or a cgroup above the pods, ran out of memory
// and the kernel chose this container".
const NodeOOM finding.Cause = "memory/node-oom"

// evalNodeOOM proposes NodeOOM for every node on which containers of the target,
// or of what it calls, were killed for memory that is not theirs alone. Other
// victims of the node are none of the target's trouble.
func evalNodeOOM(w *window.Window) []finding.Hypothesis {
	victims := map[event.Key][]victim{}
	concerned := withCallees(w)
	for _, c := range containers(w) {
		if pod, ok := w.Graph.PodOf(c); !ok || !concerned[pod] {
			continue
		}
		for _, d := range since(w.From, deathsOf(w, c)) {
			if own, known := d.byOwnLimit(); own || !known {
				continue
			}
			if node, ok := d.kill.Ref(event.Host); ok {
				victims[node] = append(victims[node], victim{c, d})
			}
		}
	}
	var out []finding.Hypothesis
	for node, vs := range victims {
		slices.SortStableFunc(vs, func(a, b victim) int { return a.at.Compare(b.at) })
		out = append(out, nodeOOM(w, node, vs))
	}
	slices.SortFunc(out, func(a, b finding.Hypothesis) int { return a.Entity.Compare(b.Entity) })
	return out
}

// calls is how many calls away from the target a victim may be.
const calls = 3

// withCallees are the target's pods and those behind the Services they name.
func withCallees(w *window.Window) map[event.Key]bool {
	out := map[event.Key]bool{}
	frontier := w.Target.Pods
	for range calls + 1 {
		var next []event.Key
		for _, p := range frontier {
			if !out[p] {
				out[p] = true
				next = append(next, w.Graph.Callees(p)...)
			}
		}
		frontier = next
	}
	return out
}

// victim is a container and one of its deaths.
type victim struct {
	container event.Key
	death
}

func nodeOOM(w *window.Window, node event.Key, vs []victim) finding.Hypothesis {
	last := vs[len(vs)-1]
	c, kill := last.container, *last.kill
	var deaths []death
	for _, v := range vs {
		if v.container == c {
			deaths = append(deaths, v.death)
		}
	}
	h := finding.Hypothesis{Cause: NodeOOM, Entity: node, Since: vs[0].at}
	name := w.Graph.Name(c)
	h.Headline = fmt.Sprintf("%s: container %s was OOM-killed because %s, not for its own limit, %s; %s",
		name.Name, name.Container, outOf(w, node, kill), often(deaths, w.To), triggerWords(w, c, kill))
	h.For = weigh(w, c, deaths)
	grown, grows := growthOf(w, c)
	h.State, h.Now = outlook(w, c, deaths, grown, grows)
	h.Chain = chain(w, c, deaths, grown, grows)
	for i := range h.Chain {
		if h.Chain[i].Mechanism == finding.Kills {
			h.Chain[i].From = node
		}
	}
	h.RuledOut = nodeRivals(w, c, last.death)
	if score, ok := memory.OOMScoreAdj.Get(kill.Event); ok {
		e := killEvidence(w, c, kill)
		e.Claim = fmt.Sprintf("its oom_score_adj was %d%s", score, qosWords(score))
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ChosenByScore})
		h.Chain = append([]finding.Link{{From: node, To: c, Mechanism: finding.Exhausts, At: e.At, Trust: finding.Seen, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}, h.Chain...)
	}
	h.Absent = []finding.Absent{{What: "who used the memory up", Why: "only the target's containers are sampled"}}
	h.Advice = []finding.Advice{{
		Command: "kubectl describe node " + w.Graph.Name(node).Name, Expect: "what is requested of the node's memory, and by whom",
	}}
	if n := w.Graph.Name(c); w.Graph.Limit(c) == 0 {
		h.Advice = append(h.Advice, finding.Advice{
			Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.status.qosClass}'", n.Namespace, n.Name),
			Expect:  "requests and limits would make it a later choice",
		})
	}
	h.Explains = explainsAll(w, vs, h.Chain)
	h.Affected = append(affected(h.Chain, node), others(vs, c)...)
	return h
}

// outOf names what ran out.
func outOf(w *window.Window, node event.Key, kill window.Fact) string {
	name := w.Graph.Name(node).Name
	if memory.Constraint.Or(kill.Event, "") != memory.ByAncestor {
		return "node " + name + " ran out of memory"
	}
	where := "a cgroup above the pods"
	if l, ok := kill.Ref(event.Limiter); ok && l.Type == event.Cgroup {
		where = "cgroup " + l.ID
	}
	if limit, ok := memory.LimiterLimit.Get(kill.Event); ok {
		where += fmt.Sprintf(" (limit %s)", words.Bytes(limit))
	}
	return fmt.Sprintf("%s of node %s ran out of memory", where, name)
}

// qosWords tells what the kubelet means by a score (kubelet/qos/policy.go).
func qosWords(score int64) string {
	switch {
	case score >= 1000:
		return ", as the kubelet gives pods without requests: the first to go"
	case score > 0:
		return ", the higher the smaller its request beside the node's memory"
	}
	return ""
}

// nodeRivals are the causes that a kill for memory above the pod excludes.
func nodeRivals(w *window.Window, c event.Key, d death) []finding.Rival {
	e := []finding.Evidence{killEvidence(w, c, *d.kill)}
	why := "the limit hit was " + limiterWords(w, c, *d.kill)
	if limit := w.Graph.Limit(c); limit > 0 {
		why += fmt.Sprintf(", its own is %s", words.Bytes(limit))
	} else {
		why += ", it has none of its own"
	}
	return []finding.Rival{
		{Cause: LimitOOM, Why: why, Evidence: e},
		{Cause: Evicted, Why: "the kernel's OOM killer did it, not the kubelet", Evidence: e},
		{Cause: "exit/killed-by-other", Why: "the fatal signal came from the kernel", Evidence: e},
	}
}

func explainsAll(w *window.Window, vs []victim, links []finding.Link) func(finding.Symptom) bool {
	var each []func(finding.Symptom) bool
	for _, v := range vs {
		each = append(each, explains(w, v.container, links))
	}
	return func(s finding.Symptom) bool {
		return slices.ContainsFunc(each, func(f func(finding.Symptom) bool) bool { return f(s) })
	}
}

func others(vs []victim, c event.Key) []event.Key {
	var out []event.Key
	for _, v := range vs {
		if v.container != c && !slices.Contains(out, v.container) {
			out = append(out, v.container)
		}
	}
	return out
}
