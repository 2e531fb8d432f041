package dns

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/resolver"
)

// evalNameNotFound proposes that a program asks for a name that does not exist.
func evalNameNotFound(w *window.Window) []finding.Hypothesis {
	if s, ok := server(w); ok && resolver.Ready.Or(s.Event, 0) == 0 {
		return nil
	}
	var out []finding.Hypothesis
	told := map[string]bool{}
	for _, f := range slices.Backward(unresolved(w)) {
		c := f.Subject()
		host, _, _ := strings.Cut(strings.ToLower(logs.Target.Or(f.Event, "")), ":")
		if host == "" || told[c.ID+" "+host] {
			continue
		}
		told[c.ID+" "+host] = true
		pod, ok := w.Graph.PodOf(c)
		if !ok || leaving(w, pod) || misset(w, pod) {
			continue
		}
		e := claims.Complaint(f)
		name := w.Graph.Name(c)
		h := finding.Hypothesis{Cause: NameNotFound, Entity: c, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.Headline = fmt.Sprintf("%s: container %s asks for %q, a name without address", name.Name, name.Container, host)
		h.For = []finding.Support{{Evidence: e, Weight: finding.NameComplaint}}
		h.Chain = []finding.Link{link(c, c, finding.Fails, e)}
		if svc, exists := lookup(w, name.Namespace, host); exists {
			continue // the name is there: what fails is the asking
		} else if svc != "" {
			h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.NoSuchService})
			h.Headline += fmt.Sprintf("; there is no Service %s in namespace %s", svc, name.Namespace)
		}
		h.RuledOut = serverIsWell(w)
		h.Absent = []finding.Absent{{What: "the answer of the name server", Why: "the node was not watched; the program's own words tell"}}
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get services", name.Namespace), Expect: "which names there are"}}
		if state, ok := trouble(w, pod); ok {
			s := claims.State(state)
			h.Chain = append(h.Chain, link(c, state.Subject(), finding.Fails, s))
		}
		h.Explains = explains(w, pod)
		out = append(out, h)
	}
	return out
}

// misset tells whether the pod's own settings keep it from the cluster's names.
func misset(w *window.Window, pod event.Key) bool {
	f, ok := w.Last(resolver.Setting, pod)
	return ok && !resolver.Over.Or(f.Event, false)
}

// lookup tells whether a host is the name of a known Service; name is the bare
// Service name when the host can only be one of the pod's own namespace.
func lookup(w *window.Window, namespace, host string) (name string, exists bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	ns := namespace
	switch {
	case len(parts) == 1:
		name = parts[0]
	case len(parts) >= 3 && parts[2] == "svc":
		name, ns = parts[0], parts[1]
	default:
		if slices.Contains(w.Graph.AllServices(), event.ServiceKey(parts[1], parts[0])) {
			return "", true
		}
		return "", false
	}
	if slices.Contains(w.Graph.AllServices(), event.ServiceKey(ns, name)) {
		return name, true
	}
	if ns != namespace {
		return "", false
	}
	return name, false
}
