package memory

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// sandboxesTooSmall proposes LimitTooSmall for pods whose sandbox could not be
// made within the pod's memory limit, which is the sum of its containers': no
// container of it has ever begun, so that none has an end to tell of.
func sandboxesTooSmall(w *window.Window) []finding.Hypothesis {
	last := map[event.Key]window.Fact{}
	for _, f := range w.Of(lifecycle.Report) {
		if lifecycle.Failure.Or(f.Event, "") != lifecycle.FailOOM || f.Subject().Type != event.Pod || f.End().Before(w.From) {
			continue
		}
		if old, ok := last[f.Subject()]; !ok || f.End().After(old.End()) {
			last[f.Subject()] = f
		}
	}
	var out []finding.Hypothesis
	for pod, f := range last {
		if limited := limits(w, pod); len(limited) > 0 && neverBegan(w, pod) {
			out = append(out, sandboxTooSmall(w, pod, f, limited))
		}
	}
	slices.SortFunc(out, func(a, b finding.Hypothesis) int { return a.Entity.Compare(b.Entity) })
	return out
}

// limits lists the pod's containers that have a memory limit, the smallest
// first.
func limits(w *window.Window, pod event.Key) []event.Key {
	var out []event.Key
	for _, c := range w.Graph.Containers(pod) {
		if w.Graph.Limit(c) > 0 {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Key) int { return int(min(max(w.Graph.Limit(a)-w.Graph.Limit(b), -1), 1)) })
	return out
}

// neverBegan tells whether all containers of the pod still wait for their
// first start.
func neverBegan(w *window.Window, pod event.Key) bool {
	for _, c := range w.Graph.Containers(pod) {
		f, ok := w.Last(lifecycle.Container, c)
		if !ok || lifecycle.State.Or(f.Event, "") != lifecycle.Waiting || lifecycle.Restarts.Or(f.Event, 0) > 0 || len(w.About(lifecycle.Ended, c)) > 0 {
			return false
		}
	}
	return true
}

func sandboxTooSmall(w *window.Window, pod event.Key, f window.Fact, limited []event.Key) finding.Hypothesis {
	c := limited[0]
	n := w.Graph.Name(c)
	e := finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Report, Entity: pod, At: f.At, Span: f.Span, Trust: finding.API, Origin: "Event",
		Claim: "the pod's sandbox was OOM-killed as it was made, " + words.Times(int(f.Occurrences())),
	}
	limit := words.Bytes(w.Graph.Limit(c))
	h := finding.Hypothesis{
		Cause: LimitTooSmall, Entity: c, Since: f.At, State: finding.Failing,
		Headline: fmt.Sprintf("%s: the %s memory limit of container %s cannot hold even the pod's sandbox: OOM-killed %s, last at %s",
			n.Name, limit, n.Container, words.Times(int(f.Occurrences())), words.At(f.End(), w.To)),
		Now: "no container has begun; last try " + words.Span(w.To.Sub(f.End()).Truncate(time.Second)) + " ago",
		For: []finding.Support{{Evidence: e, Weight: finding.InitOOM}},
		RuledOut: []finding.Rival{
			{Cause: LimitOOM, Why: "nothing of the program has run that could grow", Evidence: []finding.Evidence{e}},
			{Cause: "node/cni-failure", Why: "the sandbox was killed for memory, not refused a network", Evidence: []finding.Evidence{e}},
		},
		Advice: advice(w, c, w.Graph.Limit(c), false),
	}
	h.Chain = []finding.Link{{From: c, To: pod, Mechanism: finding.Kills, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
	if p, ok := w.Last(lifecycle.Pod, pod); ok {
		s := claims.Pod(p)
		h.Chain = append(h.Chain, finding.Link{From: pod, To: pod, Mechanism: finding.Blocks, At: s.At, Trust: finding.API, Sentence: s.Claim, Evidence: []finding.Evidence{s}})
	}
	h.Advice = slices.DeleteFunc(h.Advice, func(a finding.Advice) bool { return !a.ChangesCluster }) // nothing has run that could have a log
	for i := range h.Advice {
		h.Advice[i].Expect = "room to start; how much it needs is not known yet"
	}
	h.Advice = append(h.Advice, finding.Advice{Command: fmt.Sprintf("kubectl -n %s describe pod %s", n.Namespace, n.Name), Expect: "the runtime's own words"})
	h.Explains = explains(w, c, h.Chain)
	return h
}
