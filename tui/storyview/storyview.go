// Package storyview is the story on the screen: the chain, step by step, then
// what else there is to know. Each block can be put under the cursor, and its
// evidence is shown beside it.
package storyview

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/plain"
	"github.com/yairfalse/tapio/tui/theme"
)

// Block is what the cursor can stand on: a link of the chain, or a section.
type Block struct {
	Link  *story.Link // nil for a section
	Label string      // of a section
	Parts []string    // of a section
	Cites []string    // ids of evidence
	index int         // of the link, and how many there are
	links int
}

// Model is the component. Which is the leading hypothesis is the index Shown.
type Model struct {
	Shown  int
	cursor int
}

// Hypothesis is the one that is shown, nil when the story has none.
func (m Model) Hypothesis(s *story.Story) *story.Hypothesis {
	if len(s.Hypotheses) == 0 {
		return nil
	}
	return &s.Hypotheses[min(m.Shown, len(s.Hypotheses)-1)]
}

// Turn shows the next (1) or the previous (-1) hypothesis.
func (m Model) Turn(s *story.Story, by int) Model {
	next := min(max(m.Shown+by, 0), max(len(s.Hypotheses)-1, 0))
	if next != m.Shown {
		m = Model{Shown: next}
	}
	return m
}

// Blocks lists the blocks of the story in their order.
func (m Model) Blocks(s *story.Story) []Block {
	var out []Block
	section := func(label string, parts []string, cites ...string) {
		if len(parts) > 0 {
			out = append(out, Block{Label: label, Parts: parts, Cites: cites})
		}
	}
	h := m.Hypothesis(s)
	if h != nil {
		for i := range h.Chain {
			out = append(out, Block{Link: &h.Chain[i], Cites: h.Chain[i].Evidence, index: i, links: len(h.Chain)})
		}
		section("AGAINST", claims(s, h.Against), h.Against...)
	}
	if s.Now != "" {
		section("NOW", []string{plain.StateWord(s.State) + ": " + s.Now})
	}
	if h == nil {
		section("CHECKED", plain.Checked(s))
		if s.Verdict != story.Healthy {
			section("KNOWN", claims(s, ids(s)), ids(s)...)
		}
	} else {
		section("SCOPE", []string{plain.Scope(*h)})
	}
	section("CHANGED", plain.Changed(s))
	var excluding []string
	for _, r := range s.RuledOut {
		excluding = append(excluding, r.Evidence...)
	}
	section("RULED OUT", plain.RuledOut(s), excluding...)
	section("NOT SEEN", plain.Unseen(s))
	return out
}

func ids(s *story.Story) []string {
	var out []string
	for _, e := range s.Evidence {
		out = append(out, e.ID)
	}
	return out
}

func claims(s *story.Story, ids []string) []string {
	var out []string
	for _, id := range ids {
		if e := plain.EvidenceOf(s, id); e != nil {
			out = append(out, e.Claim+" ["+id+" "+plain.TrustWord(e.Trust)+"]")
		}
	}
	return out
}

// Selected is the block under the cursor.
func (m Model) Selected(s *story.Story) (Block, bool) {
	blocks := m.Blocks(s)
	if len(blocks) == 0 {
		return Block{}, false
	}
	return blocks[min(m.cursor, len(blocks)-1)], true
}

// Key acts on one key.
func (m Model) Key(s *story.Story, key string) Model {
	m.cursor = theme.Step(key, m.cursor, len(m.Blocks(s))-1)
	switch key {
	case "]":
		m = m.Turn(s, 1)
	case "[":
		m = m.Turn(s, -1)
	}
	return m
}

// View draws the blocks around the cursor.
func (m Model) View(s *story.Story, t theme.Theme, width, height int) []theme.Line {
	var lines []theme.Line
	blocks := m.Blocks(s)
	column := nameColumn(blocks, width)
	from, to := 0, 0
	for i, b := range blocks {
		if b.Link == nil && i > 0 && blocks[i-1].Link != nil {
			lines = append(lines, theme.Line{})
		}
		role, mark := theme.Normal, " "
		if i == min(m.cursor, len(blocks)-1) {
			from, role, mark = len(lines), theme.Cursor, ">"
		}
		if b.Link != nil {
			lines = append(lines, linkLines(s, b, t, role, mark, column, width)...)
		} else {
			lines = append(lines, sectionLines(b, role, mark, width)...)
		}
		if mark == ">" {
			to = len(lines) - 1
		}
	}
	return theme.Window(lines, theme.Reveal(0, from, to, height), height)
}

// nameColumn is the width of the column of names: as wide as the widest name,
// at most a third of the screen.
func nameColumn(blocks []Block, width int) int {
	column := 0
	for _, b := range blocks {
		if b.Link != nil {
			column = max(column, ansi.StringWidth(escape.Text(b.Link.To.Name)))
		}
	}
	return min(column, max(width/3-8, 8))
}

func linkLines(s *story.Story, b Block, t theme.Theme, role theme.Role, mark string, column, width int) []theme.Line {
	glyph := t.Link(b.index, b.links)
	head := fmt.Sprintf("%s%s %s ", mark, words.Clock(b.Link.Time), glyph+strings.Repeat(" ", 3-ansi.StringWidth(glyph)))
	name := t.Fit(theme.Text(theme.Normal, b.Link.To.Name), column)
	name = ansi.Strip(name)
	indent := ansi.StringWidth(head) + column + 2
	cite := "[" + plain.Cite(s, *b.Link) + "]"
	var out []theme.Line
	for i, text := range plain.Wrap(escape.Text(b.Link.Sentence)+" "+escape.Text(cite), max(width-indent-1, 12)) {
		line := theme.Line{{Text: strings.Repeat(" ", indent)}, {Text: text, Role: role}}
		if i == 0 {
			line = theme.Line{{Text: head, Role: role}, {Text: name + "  ", Role: role}, {Text: text, Role: role}}
		}
		out = append(out, line)
	}
	return out
}

const labelWidth = 10

func sectionLines(b Block, role theme.Role, mark string, width int) []theme.Line {
	var out []theme.Line
	for i, part := range b.Parts {
		for j, text := range plain.Wrap(escape.Text(part), max(width-labelWidth-3, 12)) {
			label := ""
			if i == 0 && j == 0 {
				label = b.Label
			}
			lead := " "
			if label != "" {
				lead = mark
			}
			hang := ""
			if j > 0 {
				hang = "  "
			}
			labelRole := theme.Faint
			if role == theme.Cursor {
				labelRole = theme.Cursor
			}
			out = append(out, theme.Line{{Text: lead + fmt.Sprintf("%-*s ", labelWidth, label), Role: labelRole}, {Text: hang + text, Role: theme.Normal}})
		}
	}
	return out
}
