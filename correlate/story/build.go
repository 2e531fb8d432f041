package story

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Input is what the engine decided.
type Input struct {
	Window     *window.Window
	Verdict    Verdict
	State      finding.State
	Now        string
	Headline   string
	Changes    []Change
	Hypotheses []finding.Hypothesis // ranked
	Open       []finding.Symptom    // symptoms no hypothesis accounts for
	RuledOut   []finding.Rival      // rivals excluded beside those of the hypotheses
	Absent     []finding.Absent     // what would decide, when no hypothesis leads
	Checked    []string
	Deciding   string   // the one observation that would decide, of an inconclusive verdict
	Before     []string // trouble that is over, of a healthy verdict
}

// Build writes the document. Evidence gets its id in the order in which the
// chain of the leading hypothesis cites it, then the rest.
func Build(in Input) *Story {
	b := &builder{w: in.Window, ids: map[string]string{}}
	s := &Story{
		APIVersion: APIVersion, Kind: Kind,
		Window:   Window{From: in.Window.From.UTC(), To: in.Window.To.UTC()},
		Verdict:  in.Verdict,
		State:    string(in.State),
		Now:      in.Now,
		Headline: in.Headline,
		Changes:  append([]Change{}, in.Changes...),
		Checked:  in.Checked,
		Deciding: in.Deciding,
		Before:   in.Before,
	}
	s.Target, s.Scope = b.target(), scope(in.Window.Target)
	s.Hypotheses = []Hypothesis{}
	for _, h := range in.Hypotheses {
		s.Hypotheses = append(s.Hypotheses, b.hypothesis(h))
	}
	for _, o := range in.Open {
		s.Open = append(s.Open, Symptom{
			Entity: b.entity(o.Entity), Since: o.At.UTC(), Sentence: o.Sentence, Lasting: o.Lasting, Evidence: []string{b.id(o.Evidence)},
		})
	}
	s.RuledOut = b.ruledOut(in)
	s.Unseen = b.unseen(in)
	s.Evidence = append([]Evidence{}, b.evidence...)
	s.Coverage = b.coverage()
	return s
}

type builder struct {
	w        *window.Window
	ids      map[string]string
	evidence []Evidence
}

func (b *builder) entity(k event.Key) Entity {
	n := b.w.Graph.Name(k)
	return Entity{Kind: n.Kind, Namespace: n.Namespace, Name: n.Name, Container: n.Container}
}

func (b *builder) workload(k event.Key) *Entity {
	wl, ok := b.w.Graph.WorkloadOf(k)
	if !ok {
		return nil
	}
	e := b.entity(wl)
	return &e
}

// workloadOf is the workload that the hypothesis is about: of a claim or a piece
// of configuration the first that suffers for want of it.
func (b *builder) workloadOf(h finding.Hypothesis) *Entity {
	if h.Entity.Type != event.Volume && h.Entity.Type != event.Config {
		return b.workload(h.Entity)
	}
	for _, k := range h.Affected {
		if w := b.workload(k); w != nil {
			return w
		}
	}
	return nil
}

func (b *builder) target() *Target {
	t := b.w.Target
	if scope(t) != "" {
		return nil
	}
	return &Target{Entity: Entity{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name}, Workload: b.workload(t.Key)}
}

// scope says that the story is about more than one object.
func scope(t window.Target) string {
	switch t.Kind {
	case "Cluster":
		return "cluster"
	case "", "Namespace":
		return "namespace"
	}
	return ""
}

// id returns the id of the evidence, listing it when it is new.
func (b *builder) id(e finding.Evidence) string {
	if id, ok := b.ids[e.Key()]; ok {
		return id
	}
	id := "E" + strconv.Itoa(len(b.evidence)+1)
	b.ids[e.Key()] = id
	b.evidence = append(b.evidence, Evidence{
		ID: id, Observer: e.Observer, Kind: string(e.Kind), Entity: b.entity(e.Entity), Time: e.At.UTC(),
		SpanMillis: e.Span.Milliseconds(), Claim: e.Claim, Trust: string(e.Trust), Origin: e.Origin,
	})
	return id
}

func (b *builder) all(es []finding.Evidence) []string {
	out := []string{}
	for _, e := range es {
		if id := b.id(e); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (b *builder) supports(ss []finding.Support) []string {
	es := make([]finding.Evidence, len(ss))
	for i, s := range ss {
		es[i] = s.Evidence
	}
	return b.all(es)
}

func (b *builder) hypothesis(h finding.Hypothesis) Hypothesis {
	out := Hypothesis{
		Cause: string(h.Cause), Entity: b.entity(h.Entity), Workload: b.workloadOf(h),
		Confidence: h.Confidence(b.w.Ceiling()), Since: h.Since.UTC(), Headline: h.Headline,
		Chain: []Link{}, Advice: []Advice{}, BlastRadius: BlastRadius{Entities: []Entity{}},
	}
	out.State, out.Now, out.Status = string(h.State), h.Now, "open"
	if out.Confidence >= finding.Supported {
		out.Status = "supported"
	}
	for _, l := range h.Chain {
		out.Chain = append(out.Chain, Link{
			From: b.entity(l.From), To: b.entity(l.To), Time: l.At.UTC(), Mechanism: string(l.Mechanism),
			LagMillis: l.Lag.Milliseconds(), Trust: string(l.Trust), Sentence: l.Sentence, Evidence: b.all(l.Evidence),
		})
	}
	out.Evidence = b.supports(h.For)
	out.Against = b.supports(h.Against)
	for _, a := range h.Advice {
		out.Advice = append(out.Advice, Advice(a))
	}
	for _, a := range h.Alternatives {
		out.Alternatives = append(out.Alternatives, Alternative(a))
	}
	if h.Survey != nil {
		s := Survey(*h.Survey)
		out.Survey = &s
	}
	for _, k := range h.Affected {
		out.BlastRadius.Entities = append(out.BlastRadius.Entities, b.entity(k))
	}
	return out
}

// ruledOut lists each excluded cause once; what the leader excludes comes
// first. A cause that is itself a supported hypothesis is not ruled out.
func (b *builder) ruledOut(in Input) []RuledOut {
	out := []RuledOut{}
	listed := map[finding.Cause]bool{}
	for _, h := range in.Hypotheses {
		listed[h.Cause] = true
	}
	add := func(rs []finding.Rival) {
		for _, r := range rs {
			if !listed[r.Cause] {
				listed[r.Cause] = true
				out = append(out, RuledOut{Cause: string(r.Cause), Why: r.Why, Evidence: b.all(r.Evidence)})
			}
		}
	}
	for _, h := range in.Hypotheses {
		add(h.RuledOut)
	}
	add(in.RuledOut)
	return out
}

// unseen lists what the leader misses, then the gaps, each once.
func (b *builder) unseen(in Input) []Unseen {
	out := []Unseen{}
	add := func(u Unseen) {
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	if len(in.Hypotheses) > 0 {
		for _, a := range in.Hypotheses[0].Absent {
			add(Unseen(a))
		}
	}
	for _, a := range in.Absent {
		add(Unseen(a))
	}
	if !b.probed() {
		add(Unseen{What: "the nodes", Why: "no probe was asked for"})
	}
	for _, g := range b.w.Gaps {
		what := g.Observer
		if list, ok := strings.CutPrefix(g.Need.Name, "list "); ok && g.Need.Type == observers.Verb {
			what = list
		}
		if g.Side == observers.Node {
			what += " on " + g.Source
		}
		add(Unseen{What: what, Why: g.Why})
	}
	return out
}

// probed tells whether a probe ran or was at least tried: then coverage and
// gaps tell of it.
func (b *builder) probed() bool {
	return len(b.w.Nodes) > 0 || slices.ContainsFunc(b.w.Gaps, func(g window.Gap) bool { return g.Side == observers.Node })
}

func (b *builder) coverage() Coverage {
	c := Coverage{Nodes: []Node{}, Events: uint64(len(b.w.Facts)), Lost: b.w.Lost()}
	for _, n := range b.w.Nodes {
		node := Node{Name: n.Name, Observers: []Observer{}, Resumed: n.Resumed}
		for _, l := range n.Losses {
			node.Losses = append(node.Losses, Loss{Events: l.Events, From: l.From.UTC(), To: l.To.UTC()})
		}
		if !n.Attached.IsZero() {
			at := n.Attached.UTC()
			node.From = &at
		}
		for _, o := range n.Observers {
			node.Observers = append(node.Observers, Observer{Name: o.Name, State: o.State, Lost: o.Lost, CPUMicros: o.CPU.Microseconds()})
		}
		slices.SortFunc(node.Observers, func(a, b Observer) int { return cmp.Compare(a.Name, b.Name) })
		c.Nodes = append(c.Nodes, node)
	}
	return c
}
