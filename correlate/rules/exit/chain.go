package exit

import (
	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

// chain is the end, what the kubelet did then, and who lost a peer by it.
func (c crash) chain(w *window.Window) []finding.Link {
	e := claims.Ended(c.last)
	mechanism := finding.Ends
	if lifecycle.Failure.Or(c.last.Event, "") != "" {
		mechanism = finding.Blocks
	}
	out := []finding.Link{{
		From: c.container, To: c.container, Mechanism: mechanism, At: e.At, Trust: finding.API,
		Sentence: e.Claim, Evidence: []finding.Evidence{e},
	}}
	if c.known && lifecycle.Restarts.Or(c.state.Event, 0) > 0 {
		s := claims.State(c.state)
		out = append(out, finding.Link{
			From: c.container, To: c.pod, Mechanism: finding.Restarts, At: s.At, Trust: finding.API,
			Sentence: s.Claim, Evidence: []finding.Evidence{s},
		})
	}
	for _, e := range c.complaints(w) {
		caller, _ := w.Graph.PodOf(e.Entity)
		out = append(out, finding.Link{
			From: c.container, To: caller, Mechanism: finding.Interrupts, At: e.At, Trust: finding.API,
			Sentence: e.Claim, Evidence: []finding.Evidence{e}, Lag: max(e.At.Sub(c.last.At), 0),
		})
	}
	return out
}

// complaints are what programs in other pods say of the container's pod or a
// Service that leads to it, from its first end on.
func (c crash) complaints(w *window.Window) []finding.Evidence {
	targets := map[event.Key]bool{c.pod: true}
	for _, svc := range w.Graph.Services(c.pod) {
		targets[svc] = true
	}
	var out []finding.Evidence
	for _, f := range w.Of(logs.Failure) {
		peer, ok := f.Ref(event.Peer)
		caller, _ := w.Graph.PodOf(f.Subject())
		if ok && targets[peer] && caller != c.pod && !f.End().Before(c.ends[0].At) {
			out = append(out, claims.Complaint(f))
		}
	}
	return out
}

// affected are the entities that a chain reaches beyond the container itself.
func affected(links []finding.Link, c event.Key) []event.Key {
	var out []event.Key
	seen := map[event.Key]bool{c: true}
	for _, l := range links {
		if !seen[l.To] {
			seen[l.To] = true
			out = append(out, l.To)
		}
	}
	return out
}
