package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/yairfalse/tapio/tui/help"
)

// keysOf splits what arrived in one read into single keys: a terminal over a
// slow line, or a held key, sends several runes at once ("jjj"). What was pasted
// is no key.
func keysOf(msg tea.KeyMsg) []string {
	switch {
	case msg.Paste:
		return nil
	case msg.Type != tea.KeyRunes || msg.Alt:
		return []string{named(msg.String())}
	}
	keys := make([]string, 0, len(msg.Runes))
	for _, r := range msg.Runes {
		keys = append(keys, named(string(r)))
	}
	return keys
}

func named(key string) string {
	if key == " " {
		return "space"
	}
	return key
}

// hints are the keys that matter in the current state.
func (m *model) hints() []help.Key {
	switch m.phase {
	case choosing:
		if m.picker.Typing() {
			return []help.Key{{Key: "enter", Does: "keep the filter"}, {Key: "esc", Does: "drop it"}}
		}
		return []help.Key{{Key: "j/k", Does: "step"}, {Key: "enter", Does: "explain"}, {Key: "/", Does: "filter"}, {Key: "q", Does: "quit"}}
	case asking:
		return []help.Key{{Key: "y", Does: "probe"}, {Key: "n", Does: "API only"}, {Key: "q", Does: "quit"}}
	case failed:
		keys := []help.Key{{Key: "q", Does: "quit"}}
		if m.choose {
			keys = append([]help.Key{{Key: "esc", Does: "choose another"}}, keys...)
		}
		return keys
	case ending:
		return []help.Key{{Key: "ctrl-c", Does: "leave without waiting"}}
	}
	keys := []help.Key{{Key: "j/k", Does: "step"}, {Key: "enter", Does: "evidence"}, {Key: "tab", Does: "pane"}, {Key: "space", Does: "hold"}, {Key: "y", Does: "copy"}}
	if s := m.snap.Story; s != nil && len(s.Hypotheses) > 1 {
		keys = append(keys, help.Key{Key: "[ ]", Does: "cause"})
	}
	return append(keys, help.Key{Key: "q", Does: "quit"})
}
