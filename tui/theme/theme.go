// Package theme is how the screen looks: the few roles a text can have, the
// glyphs, and lines that are measured, cut and escaped in one place. A component
// makes Lines; nothing reaches the terminal but through Theme.Render.
package theme

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/tui/escape"
)

// Theme is what the terminal can show.
type Theme struct {
	Color bool // the 16 colours every terminal has; meaning never depends on them
	ASCII bool // no box and block glyphs
}

// Role is what a text is for.
type Role int

// The roles.
const (
	Normal Role = iota
	Strong      // headline
	Faint       // labels and hints
	Good
	Bad
	Warn
	Cursor // the line that keys act on
)

// sgr are the parameters of Select Graphic Rendition (ECMA-48, 8.3.117).
var sgr = map[Role]string{Strong: "1", Faint: "2", Good: "32", Bad: "31", Warn: "33", Cursor: "1;36"}

// Span is a piece of a line. Text may come from anywhere.
type Span struct {
	Text string
	Role Role
}

// Line is one row of the screen.
type Line []Span

// Text makes a line of one piece.
func Text(role Role, text string) Line { return Line{{Text: text, Role: role}} }

// Width is how many columns the line takes.
func (l Line) Width() int {
	n := 0
	for _, s := range l {
		n += ansi.StringWidth(escape.Text(s.Text))
	}
	return n
}

// Render escapes the line and cuts it to width columns.
func (t Theme) Render(l Line, width int) string {
	var b strings.Builder
	left := width
	for _, s := range l {
		text := escape.Text(s.Text)
		w := ansi.StringWidth(text)
		cut := w > left
		if cut {
			text = ansi.Truncate(text, left, t.Ellipsis())
			w = ansi.StringWidth(text)
		}
		if code := sgr[s.Role]; t.Color && code != "" && text != "" {
			text = "\x1b[" + code + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
		left -= w
		if cut || left <= 0 {
			break
		}
	}
	return b.String()
}

// Fit is Render, filled with spaces to exactly width columns.
func (t Theme) Fit(l Line, width int) string {
	out := t.Render(l, width)
	return out + strings.Repeat(" ", max(width-ansi.StringWidth(out), 0))
}

// Glyphs.

func (t Theme) pick(box, plain string) string {
	if t.ASCII {
		return plain
	}
	return box
}

// Ellipsis ends a line that was cut.
func (t Theme) Ellipsis() string { return t.pick("…", "~") }

// Horizontal is the rule between rows.
func (t Theme) Horizontal() string { return t.pick("─", "-") }

// Vertical is the rule between columns.
func (t Theme) Vertical() string { return t.pick("│", "|") }

// Link stands before a step of a chain: the first, one between, the last.
func (t Theme) Link(i, n int) string {
	switch {
	case i == 0:
		return t.pick("●", "*")
	case i == n-1:
		return t.pick("└▶", "'->")
	}
	return t.pick("├▶", "+->")
}

// Bar draws a share of 0..1 in width columns.
func (t Theme) Bar(share float64, width int) string {
	full := min(max(int(share*float64(width)+0.5), 0), width)
	return strings.Repeat(t.pick("█", "#"), full) + strings.Repeat(t.pick("░", "."), width-full)
}

// Rule is a horizontal rule.
func (t Theme) Rule(width int) Line {
	return Text(Faint, strings.Repeat(t.Horizontal(), max(width, 0)))
}
