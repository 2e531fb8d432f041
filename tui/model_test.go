package tui

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/yairfalse/tapio/tui/picker"
	"github.com/yairfalse/tapio/tui/theme"
)

// fake is a backend whose runs are a function.
type fake struct {
	list  picker.List
	err   error
	watch func(context.Context, picker.Row, Screen) error
}

func (f *fake) Targets(context.Context) (picker.List, error) { return f.list, f.err }
func (f *fake) Watch(ctx context.Context, r picker.Row, s Screen) error {
	return f.watch(ctx, r, s)
}

func runes(s string) tea.KeyMsg { return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(s)} }

func TestBurstsAreSingleKeys(t *testing.T) {
	s := stories()["oom"]
	once, burst := still(s, 100, 30, theme.Theme{}), still(s, 100, 30, theme.Theme{})
	for range 3 {
		once.Update(runes("j"))
	}
	burst.Update(runes("jjj"))
	if burst.story != once.story || burst.story == still(s, 100, 30, theme.Theme{}).story {
		t.Errorf("three keys in one message: %+v, one by one: %+v", burst.story, once.story)
	}
	pasted := runes("jjj")
	pasted.Paste = true
	if keys := keysOf(pasted); keys != nil {
		t.Errorf("pasted text became keys: %v", keys)
	}
}

// One write of "jjj" through the whole program, from its input to its picture.
func TestBurstInOneWrite(t *testing.T) {
	s := stories()["oom"]
	shown := make(chan struct{})
	b := &fake{watch: func(ctx context.Context, _ picker.Row, screen Screen) error {
		screen.Show(Snapshot{Title: "t", Story: s})
		close(shown)
		<-ctx.Done()
		return nil
	}}
	var out bytes.Buffer
	m := newModel(t.Context(), Config{Backend: b}, &out)
	m.width, m.height = 100, 30
	in := strings.NewReader("jjj")
	<-shown
	m.Update(m.run.take())
	p := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(&out), tea.WithoutSignalHandler(), tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
		if _, ok := msg.(tea.KeyMsg); ok {
			m.Update(msg)
			return quitMsg{}
		}
		return msg
	}))
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if err := m.finish(); err != nil {
		t.Fatal(err)
	}
	want := still(s, 100, 30, theme.Theme{})
	want.Update(runes("j"))
	want.Update(runes("j"))
	want.Update(runes("j"))
	if m.story != want.story {
		t.Errorf("%+v, want %+v", m.story, want.story)
	}
}

func TestPauseHoldsThePicture(t *testing.T) {
	all := stories()
	m := still(all["oom"], 100, 30, theme.Theme{})
	m.run = &run{fresh: make(chan struct{}, 1), asks: make(chan question), done: make(chan struct{})}
	m.Update(runes(" "))
	before := m.View()
	m.Update(snapshotMsg{m.run, Snapshot{Title: "t", Elapsed: time.Hour, Story: all["healthy"]}})
	if m.View() != before {
		t.Error("the held picture moved")
	}
	m.Update(runes(" "))
	if m.snap.Story != all["healthy"] {
		t.Error("what came meanwhile is not shown")
	}
}

func TestCopy(t *testing.T) {
	m := still(stories()["oom"], 100, 30, theme.Theme{})
	_, cmd := m.Update(runes("y"))
	drain(m, cmd)
	want := m.commands()[0].Command
	got := m.out.(*bytes.Buffer).String()
	encoded := strings.TrimSuffix(strings.TrimPrefix(got, "\x1b]52;c;"), "\x07")
	if b, err := base64.StdEncoding.DecodeString(encoded); err != nil || string(b) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !strings.Contains(m.View(), "copied: ") {
		t.Error("the screen does not say so")
	}
	m = still(stories()["healthy"], 100, 30, theme.Theme{})
	_, cmd = m.Update(runes("y"))
	drain(m, cmd)
	if m.out.(*bytes.Buffer).Len() > 0 {
		t.Error("something was copied where there is no command")
	}
}

// drain carries out commands and what follows from them.
func drain(m *model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil, tea.QuitMsg:
	case tea.BatchMsg:
		for _, c := range msg {
			drain(m, c)
		}
	default:
		_, next := m.Update(msg)
		drain(m, next)
	}
}

func TestTooSmallIgnoresKeys(t *testing.T) {
	m := still(stories()["oom"], 39, 9, theme.Theme{})
	m.Update(runes("j?"))
	if m.help || m.story != still(nil, 0, 0, theme.Theme{}).story {
		t.Error("a key acted on a screen that cannot be drawn")
	}
}

func TestQuestion(t *testing.T) {
	for key, want := range map[string]bool{"y": true, "n": false} {
		synctest.Test(t, func(t *testing.T) {
			answered := make(chan bool, 1)
			b := &fake{watch: func(ctx context.Context, _ picker.Row, s Screen) error {
				answered <- s.Ask(ctx, "probing n1")
				<-ctx.Done()
				return nil
			}}
			m := newModel(t.Context(), Config{Backend: b}, &bytes.Buffer{})
			m.width, m.height = 80, 24
			m.Update(m.run.next(0)())
			if m.phase != asking || !strings.Contains(m.View(), "probing n1") {
				t.Fatalf("no question:\n%s", m.View())
			}
			m.Update(runes("j")) // no answer
			m.Update(runes(key))
			if got := <-answered; got != want {
				t.Errorf("%s: %v", key, got)
			}
			if err := m.finish(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQuitWaitsForTheRun(t *testing.T) {
	for _, key := range []tea.KeyMsg{runes("q"), {Type: tea.KeyCtrlC}} {
		synctest.Test(t, func(t *testing.T) {
			removed := false
			b := &fake{watch: func(ctx context.Context, _ picker.Row, s Screen) error {
				s.Ask(ctx, "probing n1")
				<-ctx.Done()
				time.Sleep(3 * time.Second)
				removed = true
				return nil
			}}
			m := newModel(t.Context(), Config{Backend: b}, &bytes.Buffer{})
			m.width, m.height = 80, 24
			m.Update(m.run.next(0)())
			m.Update(key)
			if m.phase != ending || removed {
				t.Fatal("the run is not being ended")
			}
			msg := m.run.next(0)()
			if _, ok := msg.(endedMsg); !ok {
				t.Fatalf("%T", msg)
			}
			if _, cmd := m.Update(msg); cmd == nil || !removed {
				t.Error("the screen goes before the probes do")
			}
		})
	}
}

func TestBackToTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []picker.Row
		b := &fake{list: picker.List{Rows: []picker.Row{{Kind: "Pod", Name: "a"}, {Kind: "Pod", Name: "b"}}}}
		b.watch = func(ctx context.Context, r picker.Row, s Screen) error {
			asked = append(asked, r)
			if r.Name == "a" {
				return errors.New("pod a was not found")
			}
			s.Show(Snapshot{Title: "b", Story: stories()["healthy"]})
			<-ctx.Done()
			return nil
		}
		m := newModel(t.Context(), Config{Backend: b, Choose: true}, &bytes.Buffer{})
		m.width, m.height = 80, 24
		m.Update(m.targets())
		m.Update(tea.KeyMsg{Type: tea.KeyEnter})
		m.Update(m.run.next(0)())
		if m.phase != failed || !strings.Contains(m.View(), "pod a was not found") {
			t.Fatalf("phase %d:\n%s", m.phase, m.View())
		}
		m.Update(tea.KeyMsg{Type: tea.KeyEsc})
		m.Update(runes("j"))
		m.Update(tea.KeyMsg{Type: tea.KeyEnter})
		m.Update(m.run.next(0)())
		if m.snap.Story == nil || len(asked) != 2 || asked[1].Name != "b" {
			t.Fatalf("asked for %v", asked)
		}
		former := m.run
		m.Update(tea.KeyMsg{Type: tea.KeyEsc})
		m.Update(m.run.next(0)())
		if m.phase != choosing {
			t.Errorf("phase %d", m.phase)
		}
		m.Update(tea.KeyMsg{Type: tea.KeyEnter})
		m.Update(snapshotMsg{former, Snapshot{Title: "late"}})
		if m.snap.Title == "late" {
			t.Error("a former run still draws")
		}
		_ = m.finish()
	})
}

// Nothing waits on the terminal: of many snapshots the newest is drawn, at most
// one in a tenth of a second.
func TestNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fake{watch: func(ctx context.Context, _ picker.Row, s Screen) error {
			for i := range 1000 {
				s.Show(Snapshot{Planned: i + 1})
				time.Sleep(time.Millisecond)
			}
			return nil
		}}
		m := newModel(t.Context(), Config{Backend: b}, &bytes.Buffer{})
		cmd, pictures, last := m.Init(), 0, 0
		for {
			msg := cmd()
			if _, over := msg.(endedMsg); over {
				break
			}
			pictures++
			last = msg.(snapshotMsg).s.Planned
			_, cmd = m.Update(msg)
		}
		if last != 1000 || pictures > 12 {
			t.Errorf("%d pictures, the last of %d", pictures, last)
		}
	})
}
