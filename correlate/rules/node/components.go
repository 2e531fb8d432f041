package node

import (
	"fmt"
	"slices"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/nodes"
	"github.com/yairfalse/tapio/observers/services"
)

// The causes that lie with a component of the cluster.
const (
	ProxyDown      finding.Cause = "node/kube-proxy-down"
	ProxyStale     finding.Cause = "node/kube-proxy-stale"
	ControllerDown finding.Cause = "node/controller-down"
	DeviceLost     finding.Cause = "node/device-lost"
)

// systemNamespace is where the cluster's own components live.
const systemNamespace = "kube-system"

// evalProxyDown proposes ProxyDown for each node on which kube-proxy is down.
func evalProxyDown(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.Component, nodes.Name) {
		if nodes.Role.Or(f.Event, "") != nodes.Proxy {
			continue
		}
		n, e := f.Subject(), claims.Component(f)
		h := finding.Hypothesis{Cause: ProxyDown, Entity: n, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.ComponentDown}}
		h.Chain = []finding.Link{link(n, n, finding.Fails, e)}
		h.Affected = podsOn(w, n)
		var failing []finding.Evidence
		for _, c := range complaints(w) {
			if c.from == n {
				failing = append(failing, c.evidence)
				h.Chain = append(h.Chain, link(n, c.pod, finding.Interrupts, c.evidence))
			}
		}
		if len(failing) > 0 {
			h.For = append(h.For, finding.Support{Evidence: failing[0], Weight: finding.OneNodeMany})
		}
		h.Headline = fmt.Sprintf("node %s: %s; rules for Services are not kept up there", n.ID, e.Claim)
		h.Explains = func(s finding.Symptom) bool {
			return s.Sort == finding.CallsFailed && slices.ContainsFunc(failing, func(x finding.Evidence) bool { return x.Key() == s.Evidence.Key() })
		}
		name := nodes.Name.Or(f.Event, "kube-proxy")
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s get pods -o wide --field-selector spec.nodeName=%s", systemNamespace, n.ID), Expect: "how " + name + " does there"},
			{Command: fmt.Sprintf("kubectl -n %s describe daemonset %s", systemNamespace, name), Expect: "why it has no ready pod on that node"},
		}
		out = append(out, h)
	}
	return out
}

// complaint is what a program on a node says of a Service that has ready pods.
type complaint struct {
	from, pod, service event.Key
	evidence           finding.Evidence
}

// complaints lists those that are going on, of calls that never came through.
func complaints(w *window.Window) []complaint {
	var out []complaint
	for _, f := range w.Of(logs.Failure) {
		svc, ok := f.Ref(event.Peer)
		if !ok || svc.Type != event.Service || w.To.Sub(f.End()) > recent {
			continue
		}
		switch logs.What.Or(f.Event, "") {
		case logs.Refused, logs.Timeout, logs.Unreachable:
		default:
			continue
		}
		s, known := w.Last(services.Selects, svc)
		pod, _ := w.Graph.PodOf(f.Subject())
		n, placed := w.Graph.NodeOf(pod)
		if !known || services.ReadyPods.Or(s.Event, 0) == 0 || !placed {
			continue
		}
		out = append(out, complaint{n, pod, svc, claims.Complaint(f)})
	}
	return out
}

// evalProxyStale proposes ProxyStale where calls fail from one node only. It is
// a guess from the programs' own words, and stays one until the node is looked
// at.
func evalProxyStale(w *window.Window) []finding.Hypothesis {
	by := map[event.Key][]complaint{}
	for _, c := range complaints(w) {
		by[c.from] = append(by[c.from], c)
	}
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.State) {
		n := f.Subject()
		mine := by[n]
		if len(mine) == 0 || len(by) > 1 || nodes.Ready.Or(f.Event, "") != "True" || proxyDown(w, n) {
			continue
		}
		well := elsewhere(w, mine[0])
		if well == 0 {
			continue
		}
		e := mine[0].evidence
		h := finding.Hypothesis{Cause: ProxyStale, Entity: n, Since: e.At, State: finding.Failing}
		h.For = []finding.Support{{Evidence: e, Weight: finding.OneNodeCalls}}
		targets := map[event.Key]bool{}
		for _, c := range mine {
			targets[c.service] = true
			h.Chain = append(h.Chain, link(n, c.pod, finding.Misdirects, c.evidence))
			h.Affected = append(h.Affected, c.pod)
		}
		if len(targets) > 1 {
			h.For = append(h.For, finding.Support{Evidence: mine[len(mine)-1].evidence, Weight: finding.OneNodeMany})
		}
		label := w.Graph.Label(mine[0].service)
		h.Headline = fmt.Sprintf("node %s: calls to %s fail from there and not from %s; its rules for Services may be out of date", n.ID, label, words.Count(well, "other caller"))
		h.Absent = []finding.Absent{{What: "the rules for Services on " + n.ID, Why: "the API server does not know them"}}
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get pods -o wide --field-selector spec.nodeName=%s", systemNamespace, n.ID), Expect: "kube-proxy there, and since when it runs",
		}}
		h.Explains = func(s finding.Symptom) bool {
			return s.Sort == finding.CallsFailed && slices.ContainsFunc(mine, func(c complaint) bool { return c.evidence.Key() == s.Evidence.Key() })
		}
		out = append(out, h)
	}
	return out
}

func proxyDown(w *window.Window, n event.Key) bool {
	return slices.ContainsFunc(current(w, nodes.Component, nodes.Name), func(f window.Fact) bool {
		return f.Subject() == n && nodes.Role.Or(f.Event, "") == nodes.Proxy
	})
}

// elsewhere counts the callers of the same Service on other nodes, none of
// which complains.
func elsewhere(w *window.Window, c complaint) int {
	n := 0
	for _, p := range w.Graph.Pods(event.Key{}) {
		at, ok := w.Graph.NodeOf(p)
		if ok && at != c.from && slices.Contains(w.Graph.Named(p), c.service) {
			n++
		}
	}
	return n
}

// evalControllerDown proposes ControllerDown once for the cluster.
func evalControllerDown(w *window.Window) []finding.Hypothesis {
	ignored := current(w, nodes.Ignored)
	managers := current(w, nodes.Manager)
	if len(ignored) == 0 && len(managers) == 0 {
		return nil
	}
	h := finding.Hypothesis{Cause: ControllerDown, Entity: event.Key{Type: event.Namespace, ID: systemNamespace}, State: finding.Failing}
	hit := map[event.Key]bool{}
	if len(managers) > 0 {
		m := managers[len(managers)-1]
		h.Entity, h.Since = m.Subject(), m.At
		e := claims.Manager(m, w.To)
		weight := finding.ManagerDown
		if _, stale := nodes.Renewed.Get(m.Event); stale {
			weight = finding.ManagerStale
		}
		h.For = append(h.For, finding.Support{Evidence: e, Weight: weight})
		h.Chain = append(h.Chain, link(h.Entity, h.Entity, finding.Ends, e))
	}
	for i, f := range ignored {
		e := claims.Ignored(f, w.To)
		if i == 0 {
			h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.NobodyActs})
		}
		if h.Since.IsZero() || f.At.Before(h.Since) && len(managers) == 0 {
			h.Since = f.At
		}
		hit[f.Subject()] = true
		h.Affected = append(h.Affected, f.Subject())
		h.Chain = append(h.Chain, link(h.Entity, f.Subject(), finding.Blocks, e))
	}
	for _, f := range current(w, admission.Short) {
		if admission.Over.Or(f.Event, false) || admission.Refused.Or(f.Event, false) || admission.Waits.Or(f.Event, false) {
			continue
		}
		e := claims.Short(f, w.To)
		hit[f.Subject()] = true
		h.Affected = append(h.Affected, f.Subject())
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.PodsMissing})
		h.Chain = append(h.Chain, link(h.Entity, f.Subject(), finding.Blocks, e))
	}
	if len(h.Affected) == 0 {
		return nil // a manager that is down and nobody who waits for it
	}
	slices.SortFunc(h.Affected, event.Key.Compare)
	h.Affected = slices.Compact(h.Affected)
	h.Headline = "nobody acts on the workloads' wanted state: " + h.For[0].Evidence.Claim
	h.Now = fmt.Sprintf("%s not acted on", words.Count(len(h.Affected), "workload"))
	h.Explains = func(s finding.Symptom) bool {
		return (s.Sort == finding.Short || s.Sort == finding.NoBackends) && hit[s.Entity]
	}
	h.RuledOut = []finding.Rival{{Cause: "admission/denied", Why: "no creation of a pod was refused", Evidence: []finding.Evidence{h.For[len(h.For)-1].Evidence}}}
	h.Advice = []finding.Advice{
		{Command: "kubectl -n " + systemNamespace + " get lease kube-controller-manager -o yaml", Expect: "who holds it and when it was renewed last"},
		{Command: "kubectl -n " + systemNamespace + " get pods -l component=kube-controller-manager", Expect: "how it does, where the control plane runs in pods"},
	}
	return []finding.Hypothesis{h}
}

// evalDeviceLost proposes DeviceLost for each node that cannot give what it has.
func evalDeviceLost(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, nodes.Device, nodes.Name) {
		n, e := f.Subject(), claims.Device(f)
		h := finding.Hypothesis{Cause: DeviceLost, Entity: n, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.DeviceGone}}
		h.Chain = []finding.Link{link(n, n, finding.Fails, e)}
		if k := nodes.Wanted.Or(f.Event, 0); k > 0 {
			want := e
			want.Claim = words.Count(k, "pod") + " that asks for it cannot run"
			if k > 1 {
				want.Claim = words.Count(k, "pod") + " that ask for it cannot run"
			}
			h.For = append(h.For, finding.Support{Evidence: want, Weight: finding.DeviceWanted})
			h.Chain = append(h.Chain, link(n, n, finding.Blocks, want))
		}
		h.Headline = fmt.Sprintf("node %s: only %s", n.ID, e.Claim)
		hit := map[event.Key]bool{}
		for _, r := range f.Refs {
			if r.Role != event.Peer {
				continue
			}
			h.Affected = append(h.Affected, r.Key)
			hit[r.Key] = true
			if wl, ok := w.Graph.WorkloadOf(r.Key); ok {
				hit[wl] = true
			}
		}
		h.Explains = func(s finding.Symptom) bool {
			pod, ok := w.Graph.PodOf(s.Entity)
			return hit[s.Entity] || ok && hit[pod]
		}
		h.Advice = []finding.Advice{{Command: "kubectl describe node " + n.ID, Expect: "capacity and allocatable of " + nodes.Name.Or(f.Event, "")}}
		out = append(out, h)
	}
	return out
}
