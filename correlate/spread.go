package correlate

import (
	"slices"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

// spread tells what a supported root does to those that call it: what their
// programs complain of becomes a link of its chain, and their own trouble
// beside such a complaint an inferred one. It returns the hypotheses and the
// symptoms that nothing accounts for. hs is ranked.
func spread(w *window.Window, hs []finding.Hypothesis, wrong []finding.Symptom) ([]finding.Hypothesis, []finding.Symptom) {
	out := slices.Clone(hs)
	var open []finding.Symptom
	for _, s := range wrong {
		if !slices.ContainsFunc(out, func(h finding.Hypothesis) bool { return supported(w, h) && accounts(h, s) }) {
			open = append(open, s)
		}
	}
	hit := map[event.Key]int{} // by unit: the root that its complaints lead to
	open = slices.DeleteFunc(open, func(s finding.Symptom) bool {
		i := complainsOf(w, out, s)
		if i < 0 {
			return false
		}
		out[i] = suffers(out[i], s, s.Evidence.Trust)
		if u := unit(w, s.Entity); !has(hit, u) {
			hit[u] = i
		}
		return true
	})
	open = slices.DeleteFunc(open, func(s finding.Symptom) bool {
		i, ok := hit[unit(w, s.Entity)]
		if !ok || !follows(s) {
			return false
		}
		out[i] = suffers(out[i], s, finding.Inferred)
		return true
	})
	return out, open
}

func has(m map[event.Key]int, k event.Key) bool {
	_, ok := m[k]
	return ok
}

func supported(w *window.Window, h finding.Hypothesis) bool {
	return h.Confidence(w.Ceiling()) >= finding.Supported
}

// complainsOf is the best supported hypothesis about the peer that a program
// complains of, or about what that peer needs in turn; -1 for none.
func complainsOf(w *window.Window, hs []finding.Hypothesis, s finding.Symptom) int {
	if s.Sort != finding.CallsFailed || s.Peer.IsZero() {
		return -1
	}
	behind := w.Graph.Pods(s.Peer)
	direct := func(h finding.Hypothesis) bool {
		u := unit(w, h.Entity)
		return h.Entity == s.Peer || slices.Contains(h.Affected, s.Peer) || u == unit(w, s.Peer) ||
			slices.ContainsFunc(behind, func(p event.Key) bool { return unit(w, p) == u })
	}
	needs := dependencies(w, behind)
	for _, fits := range []func(finding.Hypothesis) bool{direct, func(h finding.Hypothesis) bool { return needs[place(w, h.Entity)] }} {
		for i, h := range hs {
			if supported(w, h) && h.State != finding.Recovered && fits(h) {
				return i
			}
		}
	}
	return -1
}

// follows tells whether a symptom can be what becomes of a program whose calls
// fail. A SIGKILL comes from outside.
func follows(s finding.Symptom) bool {
	switch s.Sort {
	case finding.NotReady, finding.Waits, finding.Short, finding.NoBackends:
		return true
	case finding.EndedBadly:
		return s.ExitCode != exitKilled
	}
	return false
}

// suffers adds a symptom to the story of a root.
func suffers(root finding.Hypothesis, s finding.Symptom, trust finding.Trust) finding.Hypothesis {
	mine := root.Explains
	key := s.Evidence.Key()
	root.Explains = func(o finding.Symptom) bool { return mine(o) || o.Evidence.Key() == key }
	for _, l := range root.Chain {
		for _, e := range l.Evidence {
			if e.Key() == key {
				return root
			}
		}
	}
	root.Chain = append(slices.Clone(root.Chain), finding.Link{
		From: root.Entity, To: s.Entity, Mechanism: finding.Interrupts, At: s.At, Trust: trust,
		Sentence: s.Sentence, Evidence: []finding.Evidence{s.Evidence},
	})
	if s.Entity != root.Entity && !slices.Contains(root.Affected, s.Entity) {
		root.Affected = append(slices.Clone(root.Affected), s.Entity)
	}
	return root
}
