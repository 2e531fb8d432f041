package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/evidence"
	"github.com/yairfalse/tapio/tui/help"
	"github.com/yairfalse/tapio/tui/plain"
	"github.com/yairfalse/tapio/tui/theme"
)

// Sizes at which the layout changes.
const (
	leastWidth, leastHeight = 40, 10
	twoColumns              = 96 // from here on the evidence has its own column
	twoColumnsHeight        = 20
)

func (m *model) tooSmall() bool { return m.width < leastWidth || m.height < leastHeight }

func (m *model) wide() bool { return m.width >= twoColumns && m.height >= twoColumnsHeight }

// View implements tea.Model. It draws every row of the screen, each cut to its
// width and escaped by the theme.
func (m *model) View() string {
	if m.width <= 0 || m.height <= 0 {
		return "" // the size is not known yet
	}
	if m.tooSmall() {
		return m.theme.Render(theme.Text(theme.Normal, "make the window larger"), m.width)
	}
	rows := []theme.Line{m.header(), m.theme.Rule(m.width)}
	footer := []theme.Line{m.theme.Rule(m.width), m.footer()}
	space := m.height - len(rows) - len(footer)
	var out []string
	for _, l := range rows {
		out = append(out, m.theme.Render(l, m.width))
	}
	body := m.body(space)
	for len(body) < space {
		body = append(body, "")
	}
	out = append(out, body[:space]...)
	for _, l := range footer {
		out = append(out, m.theme.Render(l, m.width))
	}
	return strings.Join(out, "\n")
}

func (m *model) body(height int) []string {
	switch {
	case m.help:
		return m.render(help.View())
	case m.phase == choosing:
		return m.render(m.picker.View(m.theme, m.width, height))
	case m.phase == failed:
		return m.render(m.paragraph(theme.Bad, m.err.Error()))
	case m.phase == ending:
		return m.render(m.paragraph(theme.Normal, "taking the probes away"))
	case m.phase == asking:
		return m.render(m.asked())
	case m.snap.Story == nil:
		return m.render(m.paragraph(theme.Normal, "reading what the API knows"))
	}
	return m.storyBody(height)
}

func (m *model) render(lines []theme.Line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = m.theme.Render(l, m.width)
	}
	return out
}

func (m *model) paragraph(role theme.Role, text string) []theme.Line {
	out := []theme.Line{{}}
	for _, line := range plain.Wrap(escape.Text(text), m.width-4) {
		out = append(out, theme.Text(role, "  "+line))
	}
	return out
}

func (m *model) asked() []theme.Line {
	out := []theme.Line{}
	if m.snap.Story != nil {
		out = append(out, theme.Text(theme.Faint, " From the API so far"))
		out = append(out, m.headline(m.snap.Story)...)
		out = append(out, theme.Line{})
	}
	out = append(out, theme.Text(theme.Strong, " Look into the nodes?"))
	out = append(out, m.paragraph(theme.Normal, m.question.plan+".")...)
	out = append(out, m.paragraph(theme.Normal, "The probes are short-lived privileged pods. They are taken away when you quit, and go by themselves if this program dies.")...)
	return append(out, theme.Line{}, theme.Line{{Text: "  y", Role: theme.Cursor}, {Text: " yes   "}, {Text: "n", Role: theme.Cursor}, {Text: " no, tell the story from the API alone"}})
}

// header names the target and how the run does.
func (m *model) header() theme.Line {
	out := theme.Line{{Text: " tapio  ", Role: theme.Strong}}
	if m.phase == choosing || m.snap.Title == "" {
		return out
	}
	s := m.snap
	state, role := "LIVE", theme.Good
	switch {
	case m.paused:
		state, role = "HELD", theme.Warn
	case s.Ended || m.ended:
		state, role = "ENDED", theme.Faint
	}
	stats := theme.Line{{Text: "   "}, {Text: state, Role: role}, {Text: " " + clock(s.Elapsed)}}
	stats = append(stats, theme.Span{Text: fmt.Sprintf("   nodes %d/%d", s.Nodes, s.Planned)})
	if m.width >= 72 {
		stats = append(stats, theme.Span{Text: fmt.Sprintf("   ev/s %.0f", s.Rate)})
	}
	lost := theme.Span{Text: fmt.Sprintf("   lost %d ", s.Lost)}
	if s.Lost > 0 {
		lost.Role = theme.Bad
	}
	stats = append(stats, lost)
	room := max(m.width-out.Width()-stats.Width(), 0)
	title := m.theme.Fit(theme.Text(theme.Normal, s.Title), room)
	return append(append(out, theme.Span{Text: title}), stats...)
}

// clock renders an elapsed time: "00:42", "1:02:03".
func clock(d time.Duration) string {
	n := int(d.Seconds())
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%02d:%02d", n/60, n%60)
}

func (m *model) footer() theme.Line {
	if m.notice != "" {
		return theme.Text(theme.Warn, " "+m.notice)
	}
	return help.Footer(m.hints(), m.width)
}

func (m *model) headline(s *story.Story) []theme.Line {
	var out []theme.Line
	text := s.Headline
	if h := m.story.Hypothesis(s); h != nil && m.story.Shown > 0 {
		text = h.Headline
	}
	for i, line := range plain.Wrap(escape.Text(text), m.width-2) {
		if i == 3 {
			break
		}
		out = append(out, theme.Text(theme.Strong, " "+line))
	}
	return out
}

// verdict is the headline and how sure it is.
func (m *model) verdict(s *story.Story) []theme.Line {
	out := m.headline(s)
	h := m.story.Hypothesis(s)
	var sure theme.Line
	switch {
	case h != nil && (s.Verdict == story.Explained || m.story.Shown > 0):
		sure = theme.Line{{Text: " SURE ", Role: theme.Faint}}
		if m.width >= 80 {
			sure = append(sure, theme.Span{Text: m.theme.Bar(h.Confidence, 20) + " "})
		}
		sure = append(sure, theme.Span{Text: plain.Sure(s, *h), Role: sureRole(h.Confidence)})
		if n := len(s.Hypotheses); n > 1 {
			sure = append(sure, theme.Span{Text: fmt.Sprintf("   cause %d of %d", m.story.Shown+1, n)})
		}
	case s.Verdict == story.Healthy:
		sure = theme.Line{{Text: " HEALTHY ", Role: theme.Good}, {Text: "nothing wrong was seen"}}
	default:
		sure = theme.Line{{Text: " INCONCLUSIVE ", Role: theme.Warn}, {Text: plain.NotProven}}
	}
	out = append(out, sure)
	if m.snap.Note != "" {
		for i, line := range plain.Wrap(escape.Text(m.snap.Note), m.width-2) {
			if i < 2 {
				out = append(out, theme.Text(theme.Warn, " "+line))
			}
		}
	}
	return append(out, m.theme.Rule(m.width))
}

func sureRole(confidence float64) theme.Role {
	if confidence >= finding.Supported {
		return theme.Good
	}
	return theme.Warn
}

// storyBody is verdict, chain with evidence, and commands, from top to bottom.
func (m *model) storyBody(height int) []string {
	s := m.snap.Story
	top := m.render(m.verdict(s))
	foot := m.adviceRows(height - len(top))
	middle := height - len(top) - len(foot)
	out := top
	switch {
	case m.wide():
		out = append(out, m.columns(s, middle)...)
	case m.focus == evidencePane:
		lines, _ := m.evidenceLines()
		for _, l := range m.evidence.View(lines, middle) {
			out = append(out, m.theme.Render(append(theme.Text(theme.Normal, " "), l...), m.width))
		}
		out = pad(out, len(top)+middle)
	default:
		out = append(out, pad(m.render(m.story.View(s, m.theme, m.width, middle)), middle)...)
	}
	return append(out, foot...)
}

// adviceRows are the commands: at most a third of what is there, more when they
// have the focus.
func (m *model) adviceRows(height int) []string {
	commands := m.commands()
	if len(commands) == 0 || height < 6 {
		return nil
	}
	most := max(height/3, 2)
	if m.focus == advicePane {
		most = max(height/2, 2)
	}
	lines := m.advice.View(commands, m.focus == advicePane, m.width, most)
	return m.render(append([]theme.Line{m.theme.Rule(m.width)}, lines...))
}

// evidenceWidth is that of the right column.
func (m *model) evidenceWidth() int {
	if m.wide() {
		return m.width * 2 / 5
	}
	return m.width
}

// evidenceLines are the whole text of the evidence pane and how many rows of it
// are shown.
func (m *model) evidenceLines() ([]theme.Line, int) {
	s := m.snap.Story
	b, ok := m.story.Selected(s)
	if !ok {
		return nil, 0
	}
	space := m.height - 4
	top := len(m.verdict(s))
	return evidence.Lines(s, m.story.Hypothesis(s), b, m.evidenceWidth()-3), max(space-top-len(m.adviceRows(space-top)), 0)
}

func (m *model) columns(s *story.Story, height int) []string {
	right := m.evidenceWidth()
	left := m.width - right
	steps := m.story.View(s, m.theme, left-1, height)
	lines, _ := m.evidenceLines()
	shown := m.evidence.View(lines, height)
	out := make([]string, height)
	rule := theme.Text(theme.Faint, m.theme.Vertical()+" ")
	if m.focus == evidencePane {
		rule = theme.Text(theme.Cursor, m.theme.Vertical()+" ")
	}
	for i := range out {
		var l, r theme.Line
		if i < len(steps) {
			l = steps[i]
		}
		if i < len(shown) {
			r = shown[i]
		}
		out[i] = strings.TrimRight(m.theme.Fit(l, left)+m.theme.Render(rule, 2)+m.theme.Render(r, right-3), " ")
	}
	return out
}

func pad(rows []string, height int) []string {
	for len(rows) < height {
		rows = append(rows, "")
	}
	return rows
}
