// Package help lists the keys, all of them on the help screen and those that
// matter now in the footer.
package help

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/tui/theme"
)

// Key is a key and what it does.
type Key struct{ Key, Does string }

// all is every key, in the order of the help screen.
var all = []Key{
	{"j k, arrows", "step through the list"},
	{"g G", "first, last"},
	{"enter", "choose a target; open the evidence of a step"},
	{"esc", "back one level"},
	{"tab", "next pane: story, evidence, commands"},
	{"[ ]", "previous, next cause"},
	{"space", "hold the picture, and let it go on"},
	{"y", "copy the command (it is never run from here)"},
	{"/", "filter the list of targets"},
	{"?", "these keys"},
	{"q, ctrl-c", "take the probes away and quit"},
}

// View is the help screen.
func View() []theme.Line {
	out := []theme.Line{theme.Text(theme.Strong, " Keys"), {}}
	for _, k := range all {
		out = append(out, theme.Line{{Text: fmt.Sprintf("  %-12s ", k.Key), Role: theme.Cursor}, {Text: k.Does}})
	}
	return append(out,
		theme.Line{},
		theme.Text(theme.Faint, "  seen: a probe measured it    API: Kubernetes reported it"),
		theme.Text(theme.Faint, "  inferred: no direct proof    !: the command changes the cluster"))
}

// Footer is the line of hints: as many as fit, and the way to help always.
func Footer(keys []Key, width int) theme.Line {
	tail := []theme.Span{{Text: " ? ", Role: theme.Cursor}, {Text: "help", Role: theme.Faint}}
	left := width - theme.Line(tail).Width()
	var out theme.Line
	for _, k := range keys {
		w := ansi.StringWidth(k.Key) + ansi.StringWidth(k.Does) + 3
		if w > left {
			break
		}
		left -= w
		out = append(out, theme.Span{Text: " " + k.Key + " ", Role: theme.Cursor}, theme.Span{Text: k.Does + " ", Role: theme.Faint})
	}
	return append(out, tail...)
}
