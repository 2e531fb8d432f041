// Package picker is the list of targets to choose from.
package picker

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/theme"
)

// Row is one target.
type Row struct {
	Kind, Namespace, Name string
	State                 string // a few words: "2/3 ready", "CrashLoopBackOff, 4 restarts"
	Trouble               bool   // something about it is not as it should be
}

// List is what there is to choose from.
type List struct {
	Rows []Row
	Note string // what is missing from the list and why; empty when nothing is
}

// Model is the component. The zero Model waits for its list.
type Model struct {
	list   *List
	cursor int
	filter string
	typing bool
}

// Set gives the model its list and keeps the cursor on the row it was on.
func (m Model) Set(l List) Model {
	at, ok := m.Chosen()
	m.list = &l
	if i := slices.IndexFunc(m.rows(), func(r Row) bool {
		return ok && r.Kind == at.Kind && r.Namespace == at.Namespace && r.Name == at.Name
	}); i >= 0 {
		m.cursor = i
	}
	m.cursor = min(m.cursor, max(len(m.rows())-1, 0))
	return m
}

// Chosen is the row under the cursor.
func (m Model) Chosen() (Row, bool) {
	rows := m.rows()
	if m.cursor >= len(rows) {
		return Row{}, false
	}
	return rows[m.cursor], true
}

// Typing tells whether keys go into the filter.
func (m Model) Typing() bool { return m.typing }

// maxFilter bounds what can be typed.
const maxFilter = 100

// Key acts on one key.
func (m Model) Key(key string) Model {
	if m.typing {
		return m.typed(key)
	}
	m.cursor = theme.Step(key, m.cursor, len(m.rows())-1)
	if key == "/" {
		m.typing = true
	}
	return m
}

func (m Model) typed(key string) Model {
	switch key {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	case "up", "down":
		m.typing = false
		return m.Key(key)
	default:
		if r := []rune(key); len(r) == 1 && unicode.IsPrint(r[0]) && len(m.filter) < maxFilter {
			m.filter += key
		}
	}
	m.cursor = 0
	return m
}

// rows are those that the filter lets through.
func (m Model) rows() []Row {
	if m.list == nil {
		return nil
	}
	if m.filter == "" {
		return m.list.Rows
	}
	var out []Row
	want := strings.ToLower(m.filter)
	for _, r := range m.list.Rows {
		if strings.Contains(strings.ToLower(r.Kind+"/"+r.Name+" "+r.Namespace+" "+r.State), want) {
			out = append(out, r)
		}
	}
	return out
}

// View draws the list.
func (m Model) View(t theme.Theme, width, height int) []theme.Line {
	if m.list == nil {
		return []theme.Line{theme.Text(theme.Faint, " reading what there is to choose from")}
	}
	rows := m.rows()
	head := fmt.Sprintf(" Explain which? %d of %d", len(rows), len(m.list.Rows))
	if m.typing || m.filter != "" {
		head += "   / " + m.filter
	}
	if m.typing {
		head += "_"
	}
	out := []theme.Line{theme.Text(theme.Strong, head)}
	if m.list.Note != "" {
		out = append(out, theme.Text(theme.Warn, " "+m.list.Note))
	}
	if len(rows) == 0 {
		return append(out, theme.Text(theme.Faint, " nothing here; choose another namespace with -n, or all with -A"))
	}
	space := max(height-len(out), 1)
	top := min(max(m.cursor-space/2, 0), max(len(rows)-space, 0))
	shown := rows[top:min(top+space, len(rows))]
	name := 0
	for _, r := range shown {
		name = max(name, ansi.StringWidth(escape.Text(title(r))))
	}
	name = min(name, max(width-24, 20))
	for i, r := range shown {
		mark, role := "  ", theme.Normal
		if top+i == m.cursor {
			mark, role = "> ", theme.Cursor
		}
		state := theme.Faint
		if r.Trouble {
			state = theme.Bad
		}
		out = append(out, theme.Line{{Text: mark, Role: role}, {Text: t.Fit(theme.Text(theme.Normal, title(r)), name), Role: role}, {Text: "  "}, {Text: r.State, Role: state}})
	}
	return out
}

func title(r Row) string {
	s := strings.ToLower(r.Kind) + "/" + r.Name
	if r.Namespace != "" && r.Kind != "Namespace" {
		s = r.Namespace + "/" + s
	}
	return s
}
