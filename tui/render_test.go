package tui

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/picker"
	"github.com/yairfalse/tapio/tui/theme"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// still is a model that no run feeds.
func still(s *story.Story, w, h int, t theme.Theme) *model {
	m := &model{theme: t, out: &bytes.Buffer{}, phase: watching, width: w, height: h}
	m.snap = Snapshot{Title: "prod-eu shop/deployment/redis", Elapsed: 42 * time.Second, Rate: 12, Nodes: 1, Planned: 1, Story: s}
	return m
}

func mustFit(t *testing.T, m *model) {
	t.Helper()
	rows := strings.Split(m.View(), "\n")
	if len(rows) > m.height {
		t.Errorf("%d rows on a screen of %d", len(rows), m.height)
	}
	for _, r := range rows {
		if w := ansi.StringWidth(r); w > m.width {
			t.Errorf("%d columns on a screen of %d: %q", w, m.width, r)
		}
		if !m.theme.Color && strings.ContainsAny(r, "\x1b\a\r\u202e") {
			t.Errorf("control characters reach the terminal: %q", r)
		}
	}
}

func TestRender(t *testing.T) {
	for name, s := range stories() {
		for _, size := range [][2]int{{100, 30}, {80, 24}, {60, 15}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m := still(s, size[0], size[1], theme.Theme{})
				mustFit(t, m)
				golden(t, m.View())
			})
		}
	}
	s := stories()["oom"]
	t.Run("ascii", func(t *testing.T) {
		m := still(s, 80, 24, theme.Theme{ASCII: true})
		golden(t, m.View())
		for _, r := range m.View() {
			if r > 0x7e {
				t.Errorf("%q is not ASCII", r)
			}
		}
	})
	t.Run("color", func(t *testing.T) {
		with, without := still(s, 100, 30, theme.Theme{Color: true}), still(s, 100, 30, theme.Theme{})
		mustFit(t, with)
		golden(t, with.View())
		if trimmed(ansi.Strip(with.View())) != trimmed(without.View()) {
			t.Error("colour changes the words")
		}
	})
}

func trimmed(s string) string {
	rows := strings.Split(s, "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.Join(rows, "\n")
}

func TestRenderStates(t *testing.T) {
	s := stories()["oom"]
	for name, set := range map[string]func(*model){
		"collecting": func(m *model) { m.snap.Story = nil },
		"asking": func(m *model) {
			m.phase, m.question = asking, question{plan: "probing node-a, node-b in kube-system, privileged"}
		},
		"refused": func(m *model) {
			m.snap.Note, m.snap.Nodes = "no probe: no right to create jobs in kube-system", 0
		},
		"gone":     func(m *model) { m.snap.Note = "the pod is gone: what follows is what was seen of it" },
		"ended":    func(m *model) { m.snap.Ended = true },
		"held":     func(m *model) { m.paused = true },
		"failed":   func(m *model) { m.phase, m.err = failed, errors.New("pod \x1b[31mx was not found in shop") },
		"ending":   func(m *model) { m.phase = ending },
		"evidence": func(m *model) { m.key("j"); m.key("enter") },
		"commands": func(m *model) { m.key("tab"); m.key("tab"); m.key("j") },
		"help":     func(m *model) { m.help = true },
		"choosing": func(m *model) {
			m.phase = choosing
			m.picker = m.picker.Set(picker.List{Note: "daemonsets cannot be listed", Rows: []picker.Row{
				{Kind: "Deployment", Namespace: "shop", Name: "redis", State: "0/1 ready", Trouble: true},
				{Kind: "Pod", Namespace: "shop", Name: "evil\x1b[2J", State: "running"},
				{Kind: "Namespace", Name: "shop", State: "everything in it"},
			}})
		},
		"too-small": func(m *model) { m.width, m.height = 39, 9 },
	} {
		t.Run(name, func(t *testing.T) {
			m := still(s, 80, 24, theme.Theme{})
			set(m)
			mustFit(t, m)
			golden(t, m.View())
		})
	}
}

// No size and no story makes the screen overflow or panic, whatever is pressed.
func FuzzScreen(f *testing.F) {
	f.Add(uint8(80), uint8(24), "jj\tjk]y/", "name")
	f.Add(uint8(100), uint8(30), "\t\tG ", "\x1b[2J\u202e世界")
	f.Fuzz(func(t *testing.T, w, h uint8, keys, name string) {
		for _, s := range stories() {
			s.Headline += name
			for i := range s.Evidence {
				s.Evidence[i].Claim = name
			}
			m := still(s, int(w), int(h), theme.Theme{})
			m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(strings.ReplaceAll(keys, "q", ""))})
			if m.width > 0 && m.height > 0 {
				mustFit(t, m)
			}
		}
	})
}

func golden(t *testing.T, got string) {
	t.Helper()
	got = strings.ReplaceAll(trimmed(got), "\x1b", "ESC") + "\n"
	path := filepath.Join("testdata", strings.ReplaceAll(t.Name(), "/", "-")+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
