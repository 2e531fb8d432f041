package admission

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
)

// grace is how long a controller may take to make its pods before missing ones
// count without a refusal.
const grace = 30 * time.Second

// current lists the facts of a kind that hold at the end of the window, the
// newest of each subject and distinguishing fields, in order of time.
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
	return slices.DeleteFunc(out, func(f window.Fact) bool { return admission.Over.Or(f.Event, false) })
}

// shortage is a workload that lacks pods now.
type shortage struct {
	window.Fact
	key     event.Key
	refused bool
}

// shortOf finds the workload's shortage; ok is false when it has what it asks
// for, or when its controller has no reason yet to make more.
func shortOf(w *window.Window, workload event.Key) (shortage, bool) {
	f, ok := w.Last(admission.Short, workload)
	if !ok || admission.Over.Or(f.Event, false) {
		return shortage{}, false
	}
	s := shortage{f, workload, admission.Refused.Or(f.Event, false)}
	if !s.refused && (admission.Waits.Or(f.Event, false) || w.To.Sub(f.At) < grace) {
		return shortage{}, false
	}
	return s, true
}

// support is the evidence of the shortage itself.
func (s shortage) support(w *window.Window) []finding.Support {
	e := claims.Short(s.Fact, w.To)
	if s.refused {
		return []finding.Support{{Evidence: e, Weight: finding.CreationRefused}}
	}
	return []finding.Support{{Evidence: e, Weight: finding.PodsMissing}}
}

// against is what speaks against any cause by which the API server refuses.
func (s shortage) against(w *window.Window) []finding.Support {
	if s.refused {
		return nil
	}
	return []finding.Support{{Evidence: claims.Short(s.Fact, w.To), Weight: finding.NotRefused}}
}

// link is the shortage as the end of a chain.
func (s shortage) link(w *window.Window, from event.Key) finding.Link {
	e := claims.Short(s.Fact, w.To)
	return finding.Link{From: from, To: s.key, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
}

// now is how it stands with the workload.
func (s shortage) now(w *window.Window) string {
	n := admission.Desired.Or(s.Event, 0) - admission.Pods.Or(s.Event, 0)
	text := fmt.Sprintf("%s of %s missing", words.Count(n, "pod"), w.Graph.Label(s.key))
	if last, ok := admission.RefusedLast.Get(s.Event); ok && last > 0 {
		text += ", last refusal " + words.Span(w.To.Sub(time.Unix(last, 0))) + " ago"
	}
	return text
}

// onset is since when the workload is short.
func (s shortage) onset() time.Time {
	if first, ok := admission.RefusedFirst.Get(s.Event); ok && first > 0 {
		return time.Unix(first, 0).UTC()
	}
	return s.At
}

// suffers are the workload and the Services that lack its pods.
func (s shortage) suffers() []event.Key {
	out := []event.Key{s.key}
	for _, r := range s.Refs {
		if r.Role == event.Peer {
			out = append(out, r.Key)
		}
	}
	return out
}

// explains accounts for what is wrong with the given entities: that pods are
// missing and that Services have nobody behind them.
func explains(keys []event.Key) func(finding.Symptom) bool {
	mine := map[event.Key]bool{}
	for _, k := range keys {
		mine[k] = true
	}
	return func(s finding.Symptom) bool {
		switch s.Sort {
		case finding.Short, finding.NoBackends:
			return mine[s.Entity]
		}
		return false
	}
}

// ruledOut is what the shortage itself excludes.
func (s shortage) ruledOut(w *window.Window) []finding.Rival {
	e := claims.Short(s.Fact, w.To)
	return []finding.Rival{{
		Cause: "scheduling/insufficient-cpu", Why: "there is no pod that could be placed: none was admitted", Evidence: []finding.Evidence{e},
	}}
}

// typed is how a workload is named on a command line.
func typed(w *window.Window, k event.Key) string {
	n := w.Graph.Name(k)
	return strings.ToLower(n.Kind) + "/" + n.Name
}

// count says how many workloads, by name when it is one.
func count(w *window.Window, keys []event.Key) string {
	if len(keys) == 1 {
		return w.Graph.Label(keys[0])
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = w.Graph.Label(k)
	}
	return words.List(names, 3)
}
