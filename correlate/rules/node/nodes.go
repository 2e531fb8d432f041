package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
)

// The causes that the state of a node decides.
const (
	KubeletDown finding.Cause = "node/kubelet-down"
	RuntimeDown finding.Cause = "node/runtime-down"
	CNIFailure  finding.Cause = "node/cni-failure"
)

// recent is how old the last failure may be that is held to go on.
const recent = 5 * time.Minute

// current lists the newest fact of each subject that still holds.
func current(w *window.Window, kind event.Kind, by ...event.Field[string]) []window.Fact {
	last := map[string]int{}
	var out []window.Fact
	for _, f := range w.Of(kind) {
		id := f.Subject().String()
		for _, field := range by {
			id += "\x00" + field.Or(f.Event, "")
		}
		if i, seen := last[id]; seen {
			out[i] = f
			continue
		}
		last[id] = len(out)
		out = append(out, f)
	}
	return slices.DeleteFunc(out, func(f window.Fact) bool { return nodes.Over.Or(f.Event, false) })
}

// hypothesis starts one about a node.
func hypothesis(w *window.Window, cause finding.Cause, f window.Fact, since time.Time) finding.Hypothesis {
	n := f.Subject()
	h := finding.Hypothesis{Cause: cause, Entity: n, Since: since, State: finding.Failing}
	h.Affected = podsOn(w, n)
	if k := nodes.Unready.Or(f.Event, 0); k > 0 {
		h.Now = fmt.Sprintf("%d of %s on %s not ready", k, words.Count(nodes.Pods.Or(f.Event, 0), "pod"), n.ID)
		h.For = append(h.For, finding.Support{Evidence: claims.OnNode(f), Weight: finding.PodsOnNode})
	}
	h.Explains = onNode(w, n)
	return h
}

// podsOn lists the pods on a node that facts tell of.
func podsOn(w *window.Window, n event.Key) []event.Key {
	var out []event.Key
	for _, p := range w.Graph.Pods(event.Key{}) {
		if at, ok := w.Graph.NodeOf(p); ok && at == n {
			out = append(out, p)
		}
	}
	return out
}

// onNode accounts for what is wrong on a node: its own state, its pods and
// containers, and workloads and Services that lack those pods. Why a container
// ended its own exit tells better.
func onNode(w *window.Window, n event.Key) func(finding.Symptom) bool {
	hit := map[event.Key]bool{n: true}
	for _, p := range podsOn(w, n) {
		hit[p] = true
		for _, c := range w.Graph.Containers(p) {
			hit[c] = true
		}
		if wl, ok := w.Graph.WorkloadOf(p); ok {
			hit[wl] = true
		}
		for _, svc := range w.Graph.Services(p) {
			hit[svc] = true
		}
	}
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.NodeUnwell, finding.NotReady, finding.NotRunning, finding.Leaving, finding.Short, finding.NoBackends:
			return hit[s.Entity]
		}
		return false
	}
}

// link is a step from the node to whom it concerns.
func link(n, to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
	return finding.Link{From: n, To: to, Mechanism: m, At: e.At, Trust: e.Trust, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
}

// reporting counts the nodes that are ready, beside the one.
func reporting(w *window.Window, but event.Key) (finding.Evidence, bool) {
	n := 0
	var e finding.Evidence
	for _, f := range current(w, nodes.State) {
		if f.Subject() != but && nodes.Ready.Or(f.Event, "") == "True" {
			n++
			e = claims.Node(f)
		}
	}
	if n > 1 {
		e.Claim = fmt.Sprintf("%d other nodes are Ready", n)
	}
	return e, n > 0
}

// evalKubeletDown proposes KubeletDown for each node that is not heard of.
func evalKubeletDown(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.State) {
		unknown := nodes.Ready.Or(f.Event, "") == "Unknown"
		renewed, stale := nodes.Renewed.Get(f.Event)
		if !unknown && !stale {
			continue
		}
		n := f.Subject()
		since := f.At
		if stale {
			since = time.Unix(renewed, 0).UTC()
		}
		h := hypothesis(w, KubeletDown, f, since)
		if stale {
			e := claims.Lease(f, w.To)
			h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.LeaseStale})
			h.Chain = append(h.Chain, link(n, n, finding.Ends, e))
		}
		if unknown {
			e := claims.Node(f)
			h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ReadyUnknown})
			h.Chain = append(h.Chain, link(n, n, finding.Fails, e))
		}
		if e, ok := reporting(w, n); ok {
			h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.OthersReady})
		}
		h.Headline = fmt.Sprintf("node %s: its kubelet stopped reporting at %s; %s", n.ID, words.At(since, w.To), notReady(f))
		h.RuledOut = []finding.Rival{{
			Cause: RuntimeDown, Why: "the kubelet would still report that its runtime is down", Evidence: []finding.Evidence{h.For[len(h.For)-1].Evidence},
		}}
		h.Absent = []finding.Absent{{What: "whether the containers on " + n.ID + " still run", Why: "only its kubelet could tell the API server"}}
		h.Advice = []finding.Advice{
			{Command: "kubectl get node " + n.ID + " -o wide", Expect: "its address, to log in there and see to the kubelet: systemctl status kubelet"},
			{Command: "kubectl -n kube-node-lease get lease " + n.ID, Expect: "the kubelet's last sign of life"},
		}
		h.Chain = append(h.Chain, effects(f)...)
		out = append(out, h)
	}
	return out
}

// notReady says what the node's trouble costs the target.
func notReady(f window.Fact) string {
	return fmt.Sprintf("%d of %s on it not ready", nodes.Unready.Or(f.Event, 0), words.Count(nodes.Pods.Or(f.Event, 0), "pod"))
}

// effects is the link from the node to its pods.
func effects(f window.Fact) []finding.Link {
	if nodes.Unready.Or(f.Event, 0) == 0 {
		return nil
	}
	return []finding.Link{link(f.Subject(), f.Subject(), finding.Interrupts, claims.OnNode(f))}
}

// evalRuntimeDown proposes RuntimeDown where a kubelet that reports says so.
func evalRuntimeDown(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.State) {
		said := nodes.Ready.Or(f.Event, "") == "False" && nodes.Cause.Or(f.Event, "") == nodes.Runtime
		if !said && nodes.SandboxWhy.Or(f.Event, "") != nodes.Runtime || nodes.Ready.Or(f.Event, "") == "Unknown" {
			continue
		}
		out = append(out, foundation(w, f, RuntimeDown, said, nodes.Runtime))
	}
	return out
}

// evalCNIFailure proposes CNIFailure where pods get no network.
func evalCNIFailure(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.State) {
		said := nodes.Ready.Or(f.Event, "") == "False" && nodes.Cause.Or(f.Event, "") == nodes.Network
		if !said && nodes.SandboxWhy.Or(f.Event, "") != nodes.Network || nodes.Ready.Or(f.Event, "") == "Unknown" {
			continue
		}
		h := foundation(w, f, CNIFailure, said, nodes.Network)
		for _, c := range current(w, nodes.Component, nodes.Name) {
			if c.Subject() == f.Subject() && nodes.Role.Or(c.Event, "") == nodes.Network {
				e := claims.Component(c)
				h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ComponentDown})
				h.Chain = append([]finding.Link{link(c.Subject(), c.Subject(), finding.Fails, e)}, h.Chain...)
			}
		}
		out = append(out, h)
	}
	return out
}

var foundationWords = map[string]struct {
	name, rival string
	cause       finding.Cause
	said, box   finding.Weight
	look        string
}{
	nodes.Runtime: {"container runtime", "the kubelet says that its network is set up, or nothing of it", CNIFailure, finding.RuntimeSaidDown, finding.SandboxRuntime, "systemctl status containerd (or crio)"},
	nodes.Network: {"pod network", "the runtime answers: it reports the failure of its network plugin", RuntimeDown, finding.NetworkSaidDown, finding.SandboxNetwork, "the network plugin's pod and /etc/cni/net.d"},
}

// foundation tells of one of the two things a kubelet stands on.
func foundation(w *window.Window, f window.Fact, cause finding.Cause, said bool, what string) finding.Hypothesis {
	n := f.Subject()
	t := foundationWords[what]
	since := f.At
	if !said {
		since = time.Unix(nodes.SandboxLast.Or(f.Event, 0), 0).UTC()
	}
	h := hypothesis(w, cause, f, since)
	var proof finding.Evidence
	if said {
		proof = claims.Node(f)
		h.For = append(h.For, finding.Support{Evidence: proof, Weight: t.said})
		h.Chain = append(h.Chain, link(n, n, finding.Fails, proof))
	}
	if nodes.SandboxWhy.Or(f.Event, "") == what {
		e := claims.Sandboxes(f, w.To)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: t.box})
		h.Chain = append(h.Chain, link(n, n, finding.Blocks, e))
		if !said {
			proof = e
			if w.To.Sub(e.At) > recent {
				h.Against = append(h.Against, finding.Support{Evidence: e, Weight: finding.SandboxOld})
			}
		}
	}
	if nodes.Fresh.Or(f.Event, false) {
		e := claims.Lease(f, w.To)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.LeaseFresh})
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: KubeletDown, Why: "the " + e.Claim, Evidence: []finding.Evidence{e}})
	}
	h.RuledOut = append(h.RuledOut, finding.Rival{Cause: t.cause, Why: t.rival, Evidence: []finding.Evidence{proof}})
	h.Headline = fmt.Sprintf("node %s: its %s is down since %s: %s", n.ID, t.name, words.At(since, w.To), proof.Claim)
	if !said {
		h.Headline = fmt.Sprintf("node %s: its %s fails: %s", n.ID, t.name, proof.Claim)
	}
	h.Chain = append(h.Chain, effects(f)...)
	h.Advice = []finding.Advice{
		{Command: "kubectl describe node " + n.ID, Expect: "its conditions and what its kubelet reported last"},
		{Command: "kubectl get node " + n.ID + " -o wide", Expect: "its address, to log in there and look at " + t.look},
	}
	return h
}
