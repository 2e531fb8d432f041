package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
)

// ScaledToZero is the cause "somebody set the replicas to 0".
const ScaledToZero finding.Cause = "change/scaled-to-zero"

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
	return slices.DeleteFunc(out, func(f window.Fact) bool { return changes.Over.Or(f.Event, false) })
}

// link is a step from one entity to another.
func link(from, to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
	return finding.Link{From: from, To: to, Mechanism: m, At: e.At, Trust: e.Trust, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
}

// typed is how a workload is named on a command line.
func typed(w *window.Window, k event.Key) string {
	n := w.Graph.Name(k)
	return strings.ToLower(n.Kind) + "/" + n.Name
}

func namespaceOf(w *window.Window, k event.Key) string { return w.Graph.Name(k).Namespace }

// peers are the entities of the fact in the role of a peer.
func peers(f window.Fact) []event.Key {
	var out []event.Key
	for _, r := range f.Refs {
		if r.Role == event.Peer {
			out = append(out, r.Key)
		}
	}
	return out
}

// lately is how fresh a complaint must be to count as going on.
const lately = 5 * time.Minute

// complaint is the newest that a program makes of one of the Services.
func complaint(w *window.Window, svcs []event.Key) (finding.Evidence, bool) {
	for _, f := range slices.Backward(w.Of(logs.Failure)) {
		peer, ok := f.Ref(event.Peer)
		if ok && slices.Contains(svcs, peer) && w.To.Sub(f.End()) < lately {
			return claims.Complaint(f), true
		}
	}
	return finding.Evidence{}, false
}

// evalScaledToZero proposes ScaledToZero for each workload at zero that
// somebody needs, that was scaled down of late, or that was asked about.
func evalScaledToZero(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, changes.Scaled) {
		k, svcs := f.Subject(), peers(f)
		asked := w.Target.Key == k || slices.Contains(svcs, w.Target.Key)
		since, known := changes.Since.Get(f.Event)
		late := known && !time.Unix(since, 0).Before(w.From)
		needed := changes.Needed.Or(f.Event, 0)
		complains, hurt := complaint(w, svcs)
		if needed == 0 && !late && !asked && !hurt {
			continue
		}
		out = append(out, scaledToZero(w, f, svcs, needed, late, asked, complains, hurt))
	}
	return out
}

func scaledToZero(w *window.Window, f window.Fact, svcs []event.Key, needed int64, late, asked bool, complains finding.Evidence, hurt bool) finding.Hypothesis {
	k, e := f.Subject(), claims.ScaledToZero(f, w.To)
	h := finding.Hypothesis{Cause: ScaledToZero, Entity: k, Since: f.At, State: finding.Failing, Affected: svcs}
	h.For = []finding.Support{{Evidence: e, Weight: finding.ZeroWanted}}
	h.Chain = []finding.Link{link(k, k, finding.Changes, e)}
	add := func(claim string, weight finding.Weight, to event.Key) {
		x := e
		x.Claim = claim
		h.For = append(h.For, finding.Support{Evidence: x, Weight: weight})
		if !to.IsZero() {
			h.Chain = append(h.Chain, link(k, to, finding.Interrupts, x))
		}
	}
	label := ""
	if len(svcs) > 0 {
		label = w.Graph.Label(svcs[0])
		add("Service "+label+" selects its pods and has none", finding.ZeroServed, svcs[0])
	}
	if needed > 0 {
		add(fmt.Sprintf("%s is named by %s", label, words.Count(needed, "pod")), finding.ZeroNeeded, event.Key{})
	}
	if late {
		add("it was scaled down within the window", finding.ZeroNew, event.Key{})
	}
	if asked {
		add("the question is about "+w.Graph.Label(k), finding.AskedAbout, event.Key{})
	}
	if hurt {
		h.For = append(h.For, finding.Support{Evidence: complains, Weight: finding.CallersOfIt})
		h.Chain = append(h.Chain, link(k, complains.Entity, finding.Interrupts, complains))
	}
	if changes.AtBirth.Or(f.Event, false) {
		x := e
		x.Claim = "it was made with 0 pods"
		h.Against = append(h.Against, finding.Support{Evidence: x, Weight: finding.ZeroFromBirth})
	}
	h.Headline = fmt.Sprintf("%s: %s", w.Graph.Label(k), e.Claim)
	if needed > 0 {
		h.Headline += fmt.Sprintf("; it is named by %s", words.Count(needed, "other pod"))
	}
	h.Now = "0 pods asked for"
	hit := map[event.Key]bool{k: true}
	for _, s := range svcs {
		hit[s] = true
	}
	h.Explains = func(s finding.Symptom) bool {
		return hit[s.Entity] || s.Sort == finding.CallsFailed && hit[s.Peer]
	}
	h.RuledOut = []finding.Rival{
		{Cause: "network/selector-mismatch", Why: "there is no pod that a selector could match", Evidence: []finding.Evidence{e}},
		{Cause: "admission/quota-pods", Why: "no pod is asked for, so none was refused", Evidence: []finding.Evidence{e}},
	}
	n := max(changes.Had.Or(f.Event, 0), 1)
	h.Advice = []finding.Advice{{
		Command:        fmt.Sprintf("kubectl -n %s scale %s --replicas=%d", namespaceOf(w, k), typed(w, k), n),
		ChangesCluster: true, Expect: words.Count(n, "pod") + " again; ask first whether it was meant",
		Undo: fmt.Sprintf("kubectl -n %s scale %s --replicas=0", namespaceOf(w, k), typed(w, k)),
	}}
	return h
}
