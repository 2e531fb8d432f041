package change

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
)

// The causes that autoscalers tell.
const (
	HPAWrong          finding.Cause = "change/hpa-wrong"
	AggregatedAPIDown finding.Cause = "node/aggregated-api-down"
)

func lower(s string) string { return strings.ToLower(s) }

// evalHPAWrong proposes HPAWrong for each autoscaler that cannot work by its
// own fault or its target's.
func evalHPAWrong(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.Autoscaler, changes.Name) {
		if changes.Group.Or(f.Event, "") != "" {
			continue // the group is at fault, not the autoscaler
		}
		k, e := f.Subject(), claims.Autoscaler(f)
		name := changes.Name.Or(f.Event, "")
		h := finding.Hypothesis{Cause: HPAWrong, Entity: k, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.Chain = []finding.Link{link(k, k, finding.Fails, e)}
		weight := finding.ScalerBroken
		if changes.Problem.Or(f.Event, "") == changes.Limit {
			weight = finding.ScalerAtMax
			hurt, ok := complaintOf(w, k)
			if !ok {
				continue // busy, and good for it
			}
			h.For = append(h.For, finding.Support{Evidence: hurt, Weight: finding.CallersOfIt})
			h.Chain = append(h.Chain, link(k, hurt.Entity, finding.Interrupts, hurt))
		}
		h.For = append(h.For, finding.Support{Evidence: e, Weight: weight})
		h.Headline = fmt.Sprintf("%s is not scaled: %s", w.Graph.Label(k), e.Claim)
		h.Explains = func(finding.Symptom) bool { return false } // it makes none that Kubernetes tells of a pod
		h.Advice = []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe hpa %s", namespaceOf(w, k), name), Expect: "its conditions and what it reads"}}
		if changes.Problem.Or(f.Event, "") == changes.Ask {
			h.Advice = append(h.Advice, finding.Advice{
				Command: fmt.Sprintf("kubectl -n %s set resources %s --requests=cpu=100m", namespaceOf(w, k), typed(w, k)), ChangesCluster: true,
				Expect: "a request that its use can be a share of; choose what the program needs", Undo: fmt.Sprintf("kubectl -n %s rollout undo %s", namespaceOf(w, k), typed(w, k)),
			})
		}
		out = append(out, h)
	}
	return out
}

// complaintOf is a complaint of a Service that selects the workload's pods.
func complaintOf(w *window.Window, k event.Key) (finding.Evidence, bool) {
	var svcs []event.Key
	for _, p := range w.Graph.Pods(k) {
		svcs = append(svcs, w.Graph.Services(p)...)
	}
	return complaint(w, svcs)
}

// evalAggregatedAPIDown proposes AggregatedAPIDown once a group, with all
// workloads that it leaves unscaled.
func evalAggregatedAPIDown(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	at := map[string]int{}
	for _, f := range current(w, changes.Autoscaler, changes.Name) {
		group := changes.Group.Or(f.Event, "")
		if group == "" {
			continue
		}
		k, e := f.Subject(), claims.Autoscaler(f)
		i, seen := at[group]
		if !seen {
			i = len(out)
			at[group] = i
			api := event.Key{Type: event.Config, ID: "APIService//" + group}
			out = append(out, finding.Hypothesis{
				Cause: AggregatedAPIDown, Entity: api, Since: f.At, State: finding.Failing, Now: e.Claim,
				Headline: fmt.Sprintf("the API group %s does not answer, so that %s is not scaled", group, w.Graph.Label(k)),
				For:      []finding.Support{{Evidence: e, Weight: finding.APISilent}},
				Explains: func(finding.Symptom) bool { return false },
				RuledOut: []finding.Rival{{Cause: HPAWrong, Why: "the API server does not reach the group's own server", Evidence: []finding.Evidence{e}}},
				Advice: []finding.Advice{
					{Command: "kubectl get apiservices", Expect: "whether it is registered and Available, and by which Service it is served"},
					{Command: "kubectl top pods", Expect: "an answer, once metrics are served again"},
				},
			})
		}
		h := &out[i]
		h.Affected = append(h.Affected, k)
		h.Chain = append(h.Chain, link(h.Entity, k, finding.Blocks, e))
	}
	return out
}
