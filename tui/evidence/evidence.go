// Package evidence is the pane that shows on what a step of the story rests.
package evidence

import (
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/plain"
	"github.com/yairfalse/tapio/tui/storyview"
	"github.com/yairfalse/tapio/tui/theme"
)

// Model is the component: how far it is scrolled.
type Model struct{ top int }

// Key acts on one key; lines is how many there are, height how many are shown.
func (m Model) Key(key string, lines, height int) Model {
	bottom := max(lines-height, 0)
	switch key {
	case "j", "down":
		m.top++
	case "k", "up":
		m.top--
	case "g", "home":
		m.top = 0
	case "G", "end":
		m.top = bottom
	}
	m.top = min(max(m.top, 0), bottom)
	return m
}

// View draws the part that is scrolled to.
func (m Model) View(lines []theme.Line, height int) []theme.Line {
	return theme.Window(lines, min(m.top, max(len(lines)-height, 0)), height)
}

// Lines tells on what the block rests, all of it.
func Lines(s *story.Story, h *story.Hypothesis, b storyview.Block, width int) []theme.Line {
	p := &page{width: max(width, 10)}
	if b.Link == nil {
		p.add(theme.Strong, "", b.Label)
		for _, part := range b.Parts {
			p.add(theme.Normal, "  ", part)
		}
		p.cited(s, b.Cites)
		return p.lines
	}
	p.add(theme.Strong, "", plain.Cite(s, *b.Link))
	p.add(theme.Normal, "", b.Link.Sentence)
	p.gap()
	if from := plain.Name(b.Link.From); from != "" && b.Link.From != b.Link.To {
		p.add(theme.Normal, "  ", from+" "+b.Link.Mechanism+" "+plain.Name(b.Link.To))
	}
	switch {
	case b.Link.Trust == string(finding.Inferred):
		p.add(theme.Warn, "  ", "inferred: nothing proves this step directly")
	case b.Link.LagMillis != 0:
		p.add(theme.Normal, "  ", "begins "+words.Span(time.Duration(b.Link.LagMillis)*time.Millisecond)+" after its cause")
	}
	p.cited(s, b.Cites)
	if h != nil {
		p.gap()
		p.add(theme.Faint, "", "Against it")
		if len(h.Against) == 0 {
			p.add(theme.Normal, "  ", "nothing was found")
		}
		p.claims(s, h.Against)
	}
	return p.lines
}

type page struct {
	width int
	lines []theme.Line
}

func (p *page) gap() {
	if len(p.lines) > 0 {
		p.lines = append(p.lines, theme.Line{})
	}
}

func (p *page) add(role theme.Role, indent, text string) {
	for i, line := range plain.Wrap(escape.Text(text), max(p.width-len(indent)-2, 8)) {
		hang := ""
		if i > 0 && indent != "" {
			hang = "  "
		}
		p.lines = append(p.lines, theme.Text(role, indent+hang+line))
	}
}

func (p *page) cited(s *story.Story, ids []string) {
	if len(ids) == 0 {
		return
	}
	p.gap()
	p.add(theme.Faint, "", "Evidence")
	p.claims(s, ids)
}

func (p *page) claims(s *story.Story, ids []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		e := plain.EvidenceOf(s, id)
		if e == nil || seen[id] {
			continue
		}
		seen[id] = true
		p.add(theme.Normal, "  ", id+" "+e.Claim)
		how := plain.TrustWord(e.Trust)
		if e.Origin != "" {
			how += ", " + e.Origin
		}
		p.add(theme.Faint, "    ", how+"; observer "+e.Observer)
		when := words.At(e.Time, s.Window.To)
		if e.SpanMillis > 0 {
			when += ", over " + words.Span(time.Duration(e.SpanMillis)*time.Millisecond)
		}
		p.add(theme.Faint, "    ", when)
		p.add(theme.Faint, "    ", plain.Name(e.Entity))
	}
}
