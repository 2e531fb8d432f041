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
	"github.com/yairfalse/tapio/observers/logs"
)

// chain tells how it came about: growth uses the limit up, the kernel kills,
// the kubelet restarts, callers lose their peer.
func chain(w *window.Window, c event.Key, deaths []death, g growth, grows bool) []finding.Link {
	var out []finding.Link
	if grows {
		e := g.evidence(c)
		out = append(out, finding.Link{
			From: c, To: c, Mechanism: finding.Exhausts, At: e.At, Trust: finding.Seen,
			Sentence: e.Claim, Evidence: []finding.Evidence{e},
		})
	}
	out = append(out, killLinks(w, c, deaths)...)
	if link, ok := restartLink(w, c, deaths); ok {
		out = append(out, link)
	}
	return append(out, callerLinks(w, c, deaths)...)
}

// killLinks tells the newest death that the kernel reported and the newest
// that the API reported; often these are one death told by both.
func killLinks(w *window.Window, c event.Key, deaths []death) []finding.Link {
	var out []finding.Link
	var kernel, api bool
	for _, d := range slices.Backward(deaths) {
		if d.end != nil && !api {
			api = true
			e := endEvidence(*d.end)
			out = append(out, finding.Link{From: c, To: c, Mechanism: finding.Kills, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
		}
		if d.kill != nil && !kernel {
			kernel = true
			e := killEvidence(w, c, *d.kill)
			from := c
			if l, ok := d.kill.Ref(event.Limiter); ok {
				from = l
			}
			out = append(out, finding.Link{From: from, To: c, Mechanism: finding.Kills, At: e.At, Trust: finding.Seen, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
		}
	}
	// The API's whole seconds would put the end before the kill.
	if len(out) == 2 && out[1].Trust == finding.Seen && out[1].At.Before(out[0].At.Add(endBeforeKill)) {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// restartLink is what the kubelet did after the last death.
func restartLink(w *window.Window, c event.Key, deaths []death) (finding.Link, bool) {
	f, ok := w.Last(lifecycle.Container, c)
	if !ok || lifecycle.Restarts.Or(f.Event, 0) == 0 {
		return finding.Link{}, false
	}
	last := deaths[len(deaths)-1].at
	pod, _ := w.Graph.PodOf(c)
	e := claims.State(f)
	link := finding.Link{
		From: c, To: pod, Mechanism: finding.Restarts, At: f.At, Trust: finding.API,
		Sentence: e.Claim, Evidence: []finding.Evidence{e},
	}
	if started, ok := lifecycle.Started.Get(f.Event); ok && started > 0 && lifecycle.State.Or(f.Event, "") == lifecycle.Running {
		at := time.Unix(started, 0)
		if lag := at.Sub(last); lag > -time.Second {
			link.At, link.Lag = at, max(lag, 0)
			link.Sentence = fmt.Sprintf("started again %s after the kill, %s", coarse(link.Lag), words.Count(lifecycle.Restarts.Or(f.Event, 0), "restart"))
			e.At, e.Claim = at, link.Sentence
			link.Evidence = []finding.Evidence{e}
		}
	}
	return link, true
}

// coarse renders a lag that is known to the second.
func coarse(d time.Duration) string {
	if d < time.Second {
		return "within a second"
	}
	return words.Span(d.Truncate(time.Second))
}

// lead is by how much complaints may come before the kill: what is about to
// meet its limit is slow already, because the kernel reclaims for it.
const lead = 5 * time.Second

// sinceDeath is the time from the death that best explains a complaint to its
// first line: the last one before it, else the first.
func sinceDeath(at time.Time, deaths []death) time.Duration {
	lag := at.Sub(deaths[0].at)
	for _, d := range deaths[1:] {
		if l := at.Sub(d.at); l >= -lead {
			lag = l
		}
	}
	return lag
}

// callerLinks are the complaints of programs that call the container's pod, as
// far as their own logs tell, from the first death on.
func callerLinks(w *window.Window, c event.Key, deaths []death) []finding.Link {
	pod, ok := w.Graph.PodOf(c)
	if !ok {
		return nil
	}
	targets := map[event.Key]bool{pod: true}
	for _, svc := range w.Graph.Services(pod) {
		targets[svc] = true
	}
	var out []finding.Link
	for _, f := range w.Of(logs.Failure) {
		peer, ok := f.Ref(event.Peer)
		if !ok || !targets[peer] || f.End().Before(deaths[0].at.Add(-endBeforeKill)) {
			continue
		}
		caller, _ := w.Graph.PodOf(f.Subject())
		if caller == pod {
			continue
		}
		e := claims.Complaint(f)
		link := finding.Link{
			From: c, To: caller, Mechanism: finding.Interrupts, At: f.At, Trust: finding.API,
			Sentence: e.Claim, Evidence: []finding.Evidence{e},
		}
		if lag := sinceDeath(f.At, deaths); lag >= 0 {
			link.Lag = lag
		} else if lag < -lead {
			link.Trust = finding.Inferred
		}
		out = append(out, link)
	}
	return mergeCallers(out)
}

// mergeCallers keeps one link a caller: the first complaint, with the others as
// further evidence.
func mergeCallers(links []finding.Link) []finding.Link {
	var out []finding.Link
	at := map[event.Key]int{}
	for _, l := range links {
		i, seen := at[l.To]
		if !seen {
			at[l.To] = len(out)
			out = append(out, l)
			continue
		}
		out[i].Evidence = append(out[i].Evidence, l.Evidence...)
	}
	for i := range out {
		if len(out[i].Evidence) > 1 {
			out[i].Sentence = sentenceOfAll(out[i].Evidence)
		}
	}
	return out
}

func sentenceOfAll(es []finding.Evidence) string {
	claims := make([]string, len(es))
	for i, e := range es {
		claims[i] = e.Claim
	}
	return words.List(claims, 2)
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

// explains: the container's OOM ends, its waiting and unreadiness and that of
// its pod and workload, and the complaints of the callers in the chain.
func explains(w *window.Window, c event.Key, links []finding.Link) func(finding.Symptom) bool {
	mine := map[event.Key]bool{c: true}
	if pod, ok := w.Graph.PodOf(c); ok {
		mine[pod] = true
	}
	if wl, ok := w.Graph.WorkloadOf(c); ok {
		mine[wl] = true
	}
	callers := map[string]bool{}
	for _, l := range links {
		if l.Mechanism == finding.Interrupts {
			for _, e := range l.Evidence {
				callers[e.Key()] = true
			}
		}
	}
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.EndedBadly:
			return s.Entity == c && isOOMEnd(w, s)
		case finding.CallsFailed:
			return callers[s.Evidence.Key()]
		}
		return mine[s.Entity]
	}
}

// isOOMEnd tells whether the symptom is one of the container's OOM deaths.
func isOOMEnd(w *window.Window, s finding.Symptom) bool {
	for _, d := range deathsOf(w, s.Entity) {
		if d.end != nil && d.end.At.Equal(s.At) {
			return true
		}
	}
	return false
}
