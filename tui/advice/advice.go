// Package advice is the list of commands to copy. Nothing here runs them.
package advice

import (
	"fmt"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/plain"
	"github.com/yairfalse/tapio/tui/theme"
)

// Model is the component: which command is under the cursor.
type Model struct{ cursor int }

// Selected is the command under the cursor.
func (m Model) Selected(list []story.Advice) (story.Advice, bool) {
	if len(list) == 0 {
		return story.Advice{}, false
	}
	return list[min(m.cursor, len(list)-1)], true
}

// Key acts on one key.
func (m Model) Key(list []story.Advice, key string) Model {
	m.cursor = theme.Step(key, m.cursor, len(list)-1)
	return m
}

// View draws the commands in at most height rows: each on one line, the one
// under the cursor whole and with what it does while there is room.
func (m Model) View(list []story.Advice, focused bool, width, height int) []theme.Line {
	var out []theme.Line
	cursor := min(m.cursor, max(len(list)-1, 0))
	from, to := 0, 0
	for i, a := range list {
		head := "DO"
		if i > 0 {
			head = ""
		}
		mark := " "
		if a.ChangesCluster {
			mark = "!"
		}
		lead, role := " ", theme.Normal
		if i == cursor {
			from = len(out)
			if focused {
				lead, role = ">", theme.Cursor
			}
		}
		prefix := fmt.Sprintf("%s%-3s%d%s ", lead, head, i+1, mark)
		for j, text := range plain.Wrap(escape.Text(a.Command), max(width-len(prefix)-1, 12)) {
			if j > 0 {
				prefix = fmt.Sprintf("%*s", len(prefix), "")
			}
			out = append(out, theme.Line{{Text: prefix, Role: role}, {Text: text, Role: role}})
		}
		note := a.Expect
		if a.Undo != "" {
			note += "; undo: " + a.Undo
		}
		if i == cursor && note != "" {
			for _, text := range plain.Wrap(escape.Text(note), max(width-8, 12)) {
				out = append(out, theme.Text(theme.Faint, "       "+text))
			}
		}
		if i == cursor {
			to = len(out) - 1
		}
	}
	return theme.Window(out, theme.Reveal(0, from, to, height), height)
}
