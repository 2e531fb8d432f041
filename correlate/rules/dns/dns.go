package dns

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/resolver"
)

// recent is how old a complaint may be to be about how things are now.
const recent = time.Minute

// unresolved lists the newest complaints of names without address.
func unresolved(w *window.Window) []window.Fact {
	var out []window.Fact
	for _, f := range w.Of(logs.Failure) {
		if logs.What.Or(f.Event, "") == logs.Unresolved && w.To.Sub(f.End()) <= recent {
			out = append(out, f)
		}
	}
	return out
}

// complaintOf is the newest complaint of a pod that fits a setting: of a name
// without address, of no answer at all, or, for a name that is fixed, of
// whatever lives at that address.
func complaintOf(w *window.Window, pod event.Key, setting window.Fact) (window.Fact, finding.Weight, bool) {
	fixed, isAlias := setting.Ref(event.Peer)
	var late window.Fact
	found := false
	for _, f := range slices.Backward(w.Of(logs.Failure)) {
		if p, ok := w.Graph.PodOf(f.Subject()); !ok || p != pod || w.To.Sub(f.End()) > recent {
			continue
		}
		peer, _ := f.Ref(event.Peer)
		switch what := logs.What.Or(f.Event, ""); {
		case isAlias && peer == fixed, !isAlias && what == logs.Unresolved:
			return f, finding.NameComplaint, true
		case !isAlias && what == logs.Timeout && !found:
			late, found = f, true
		}
	}
	return late, finding.NameSilence, found
}

// trouble is the state of a container of the pod that is not ready, or was
// started again.
func trouble(w *window.Window, pod event.Key) (window.Fact, bool) {
	var worst window.Fact
	found := false
	for _, c := range w.Graph.Containers(pod) {
		f, ok := w.Last(lifecycle.Container, c)
		if !ok || lifecycle.Role.Or(f.Event, lifecycle.Main) == lifecycle.Init {
			continue
		}
		unready := !lifecycle.Ready.Or(f.Event, true)
		if unready || !found && lifecycle.Restarts.Or(f.Event, 0) > 0 {
			worst, found = f, true
		}
		if unready {
			break
		}
	}
	return worst, found
}

func leaving(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(lifecycle.Pod, pod)
	if !ok {
		return false
	}
	_, deleted := lifecycle.Deleted.Get(f.Event)
	return deleted || lifecycle.Gone.Or(f.Event, false)
}

// server is what is known of the cluster's DNS.
func server(w *window.Window) (window.Fact, bool) {
	fs := claims.Current(w, resolver.Server, resolver.Over, func(event.Event) string { return "" })
	if len(fs) == 0 {
		return window.Fact{}, false
	}
	return fs[len(fs)-1], true
}

func link(from, to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
	return finding.Link{From: from, To: to, Mechanism: m, At: e.At, Trust: e.Trust, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
}

// serverIsWell rules out that the cluster's DNS is down, when that is known.
func serverIsWell(w *window.Window) []finding.Rival {
	f, ok := server(w)
	if !ok || resolver.Ready.Or(f.Event, 0) == 0 {
		return nil
	}
	e := claims.NameServer(f)
	return []finding.Rival{{Cause: ServerDown, Why: e.Claim, Evidence: []finding.Evidence{e}}}
}

// evalPolicyWrong proposes that a pod's own settings keep it from the names of
// the cluster.
func evalPolicyWrong(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range claims.Current(w, resolver.Setting, resolver.Over, func(e event.Event) string {
		peer, _ := e.Ref(event.Peer)
		return resolver.Problem.Or(e, "") + peer.ID
	}) {
		if h, ok := policyWrong(w, f); ok {
			out = append(out, h)
		}
	}
	return out
}

func policyWrong(w *window.Window, f window.Fact) (finding.Hypothesis, bool) {
	pod := f.Subject()
	if leaving(w, pod) {
		return finding.Hypothesis{}, false
	}
	lead := claims.NameSetting(f)
	names, needs := claims.NamesServices(f)
	state, ill := trouble(w, pod)
	said, sort, complains := complaintOf(w, pod, f)
	if !needs && !ill && !complains {
		return finding.Hypothesis{}, false
	}
	weight := map[string]finding.Weight{resolver.ForeignServer: finding.ForeignResolver, resolver.Alias: finding.AliasShadows}[resolver.Problem.Or(f.Event, "")]
	if weight == "" {
		weight = finding.NodeResolver
	}
	h := finding.Hypothesis{Cause: PolicyWrong, Entity: pod, Since: f.At, State: finding.Failing, Now: lead.Claim}
	h.Headline = fmt.Sprintf("%s cannot resolve names of the cluster: %s", w.Graph.Name(pod).Name, lead.Claim)
	h.For = []finding.Support{{Evidence: lead, Weight: weight}}
	h.Chain = []finding.Link{link(pod, pod, finding.Misdirects, lead)}
	if needs {
		h.For = append(h.For, finding.Support{Evidence: names, Weight: finding.NeedsClusterDNS})
	}
	if e, ok := claims.OthersResolve(f); ok && weight == finding.ForeignResolver {
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.ResolvesAlone})
		h.RuledOut = append(h.RuledOut, finding.Rival{Cause: ServerDown, Why: "it is this pod's own setting: " + e.Claim, Evidence: []finding.Evidence{e}})
	}
	if resolver.Earlier.Or(f.Event, false) {
		h.For = append(h.For, finding.Support{Evidence: claims.SettingBefore(f), Weight: finding.ResolvedBefore})
	}
	switch {
	case complains:
		e := claims.Complaint(said)
		h.For = append(h.For, finding.Support{Evidence: e, Weight: sort})
		h.Chain = append(h.Chain, link(pod, said.Subject(), finding.Fails, e))
	case ill:
		h.For = append(h.For, finding.Support{Evidence: claims.State(state), Weight: finding.NameTrouble})
	default:
		h.Against = []finding.Support{{Evidence: lead, Weight: finding.NoNameTrouble}}
	}
	if ill {
		e := claims.State(state)
		h.Chain = append(h.Chain, link(pod, state.Subject(), finding.Fails, e))
		h.Headline += "; container " + state.Subject().Leaf() + " is " + e.Claim
	}
	if !complains {
		h.Absent = []finding.Absent{{What: "queries that went unanswered", Why: "no log line names an unresolved name, and the node was not watched"}}
	}
	h.RuledOut = append(h.RuledOut, serverIsWell(w)...)
	h.Advice = []finding.Advice{advise(w, pod, f)}
	h.Explains = explains(w, pod)
	return h, ill || complains || h.Own() >= finding.Supported
}

// explains: whatever fails in the pod and its workload, and its complaints.
func explains(w *window.Window, pod event.Key) func(finding.Symptom) bool {
	wl, owned := w.Graph.WorkloadOf(pod)
	services := w.Graph.Services(pod)
	return func(s finding.Symptom) bool {
		if p, ok := w.Graph.PodOf(s.Entity); ok {
			return p == pod
		}
		return owned && s.Entity == wl || slices.Contains(services, s.Entity)
	}
}

func advise(w *window.Window, pod event.Key, f window.Fact) finding.Advice {
	n := w.Graph.Name(pod)
	kind, name := "pod", n.Name
	body := `{"spec":{"template":{"spec":%s}}}`
	wl, ok := w.Graph.WorkloadOf(pod)
	if ok {
		o := w.Graph.Name(wl)
		kind, name = strings.ToLower(o.Kind), o.Name
	}
	spec := `{"dnsPolicy":"ClusterFirst","dnsConfig":null}`
	switch resolver.Problem.Or(f.Event, "") {
	case resolver.HostNetwork:
		spec = `{"dnsPolicy":"ClusterFirstWithHostNet"}`
	case resolver.Alias:
		spec = `{"hostAliases":null}`
	}
	if !ok {
		return finding.Advice{Command: fmt.Sprintf("kubectl -n %s get pod %s -o yaml", n.Namespace, n.Name), Expect: "the DNS settings, which cannot be changed in a bare pod: make it anew with " + spec}
	}
	return finding.Advice{
		Command:        fmt.Sprintf("kubectl -n %s patch %s %s -p '%s'", n.Namespace, kind, name, fmt.Sprintf(body, spec)),
		ChangesCluster: true, Expect: "new pods ask the cluster's DNS",
		Undo: fmt.Sprintf("kubectl -n %s rollout undo %s/%s", n.Namespace, kind, name),
	}
}

// evalServerDown proposes that the cluster's DNS has no ready pod.
func evalServerDown(w *window.Window) []finding.Hypothesis {
	f, ok := server(w)
	if !ok || resolver.Ready.Or(f.Event, 0) > 0 {
		return nil
	}
	svc, e := f.Subject(), claims.NameServer(f)
	h := finding.Hypothesis{Cause: ServerDown, Entity: svc, Since: f.At, State: finding.Failing, Now: e.Claim}
	h.Headline = "No pod resolves names of the cluster: " + e.Claim
	h.For = []finding.Support{{Evidence: e, Weight: finding.NoNameServer}}
	h.Chain = []finding.Link{link(svc, svc, finding.Blocks, e)}
	for _, c := range unresolved(w) {
		said := claims.Complaint(c)
		h.Chain = append(h.Chain, link(svc, c.Subject(), finding.Interrupts, said))
	}
	h.Affected = slices.Clone(w.Target.Pods)
	h.RuledOut = []finding.Rival{{Cause: NameNotFound, Why: "no name resolves: " + e.Claim, Evidence: []finding.Evidence{e}}}
	n := w.Graph.Name(svc)
	h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get pods,deployments -l k8s-app=kube-dns", n.Namespace), Expect: "why its pods are not ready, or that it was scaled to none"}}
	h.Explains = func(s finding.Symptom) bool {
		return s.Sort == finding.CallsFailed || s.Sort == finding.NotReady || s.Entity == svc
	}
	return []finding.Hypothesis{h}
}

// refuteServerDown excludes that the cluster's DNS is down when it is known to
// be well and some program complains of a name.
func refuteServerDown(w *window.Window) []finding.Rival {
	if len(unresolved(w)) == 0 {
		return nil
	}
	return serverIsWell(w)
}
