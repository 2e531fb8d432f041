package tui

import (
	"context"
	"io"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/advice"
	"github.com/yairfalse/tapio/tui/evidence"
	"github.com/yairfalse/tapio/tui/picker"
	"github.com/yairfalse/tapio/tui/storyview"
	"github.com/yairfalse/tapio/tui/theme"
)

// phase is what the screen is for at the moment.
type phase int

const (
	choosing phase = iota
	asking
	watching // collecting, then the story, whatever its verdict
	failed   // the run could not begin or broke off without a story
	ending   // the probes are being taken away
)

// pane is what keys act on while watching.
type pane int

const (
	storyPane pane = iota
	evidencePane
	advicePane
	panes
)

// model is the root: it has the phases, the focus and the keys; what is in a
// pane is its component's.
type model struct {
	ctx     context.Context // of the runs; ends with the program only
	backend Backend
	theme   theme.Theme
	out     io.Writer
	choose  bool // there is a list of targets to go back to

	width, height int
	phase         phase
	focus         pane
	help          bool
	leaving       bool // quit when the run has ended
	run           *run
	ended         bool // of the run
	question      question
	err           error
	snap          Snapshot
	held          *Snapshot // what came while the picture was held
	paused        bool
	notice        string // answer to the last key: "copied: …"

	picker   picker.Model
	story    storyview.Model
	evidence evidence.Model
	advice   advice.Model
}

func newModel(ctx context.Context, c Config, out io.Writer) *model {
	m := &model{ctx: ctx, backend: c.Backend, theme: c.Theme, out: out, choose: c.Choose}
	if !c.Choose {
		m.start(picker.Row{})
	}
	return m
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd {
	if m.choose {
		return m.targets
	}
	return m.run.next(0)
}

func (m *model) targets() tea.Msg {
	list, err := m.backend.Targets(m.ctx)
	return targetsMsg{list, err}
}

func (m *model) start(target picker.Row) {
	m.run = startRun(m.ctx, m.backend, target)
	m.phase, m.focus, m.ended, m.err, m.snap, m.held, m.paused, m.notice = watching, storyPane, false, nil, Snapshot{}, nil, false, ""
	m.story, m.evidence, m.advice = storyview.Model{}, evidence.Model{}, advice.Model{}
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return m, m.keys(msg)
	case targetsMsg:
		m.listed(msg)
		return m, nil
	case snapshotMsg:
		if msg.run != m.run {
			return m, nil
		}
		if m.paused {
			m.held = &msg.s
		} else {
			m.snap = msg.s
		}
		return m, m.run.next(snapshotEvery)
	case askMsg:
		if msg.run == m.run && m.phase == watching {
			m.phase, m.question = asking, msg.q
		} else {
			msg.q.answer <- false
		}
		return m, msg.run.next(0)
	case endedMsg:
		if msg.run == m.run {
			return m, m.runEnded()
		}
	case quitMsg:
		return m, m.leave(true)
	}
	return m, nil
}

func (m *model) listed(msg targetsMsg) {
	switch {
	case msg.err == nil:
		m.picker = m.picker.Set(msg.list)
	case m.phase == choosing:
		m.phase, m.err = failed, msg.err
	}
}

// keys acts on each key of a message in turn.
func (m *model) keys(msg tea.KeyMsg) tea.Cmd {
	var cmds []tea.Cmd
	for _, k := range keysOf(msg) {
		if cmd := m.key(k); cmd != nil {
			cmds = append(cmds, cmd)
		}
	}
	return tea.Batch(cmds...)
}

func (m *model) key(key string) tea.Cmd {
	switch {
	case key == "ctrl+c" && m.phase == ending && m.leaving:
		return tea.Quit
	case key == "ctrl+c":
		return m.leave(true)
	case m.tooSmall() || m.phase == ending:
		return nil
	case m.phase == choosing && m.picker.Typing():
		m.picker = m.picker.Key(key)
		return nil
	case m.help:
		m.help = false
		if key != "q" {
			return nil
		}
	}
	switch key {
	case "q":
		return m.leave(true)
	case "?":
		m.help = true
		return nil
	}
	m.notice = ""
	switch m.phase {
	case choosing:
		return m.keyChoosing(key)
	case asking:
		m.keyAsking(key)
	case watching:
		return m.keyWatching(key)
	case failed:
		if key == "esc" && m.choose {
			m.phase, m.err = choosing, nil
			return m.targets
		}
	}
	return nil
}

func (m *model) keyChoosing(key string) tea.Cmd {
	if key == "enter" {
		if row, ok := m.picker.Chosen(); ok {
			m.start(row)
			return m.run.next(0)
		}
		return nil
	}
	m.picker = m.picker.Key(key)
	return nil
}

func (m *model) keyAsking(key string) {
	switch key {
	case "y", "Y", "n", "N", "esc":
		m.question.answer <- key == "y" || key == "Y"
		m.phase = watching
	}
}

func (m *model) keyWatching(key string) tea.Cmd {
	s := m.snap.Story
	if s == nil {
		if key == "esc" && m.choose {
			return m.leave(false)
		}
		return nil
	}
	switch key {
	case "esc":
		switch {
		case m.focus != storyPane:
			m.focus = storyPane
		case m.choose:
			return m.leave(false)
		}
	case "tab":
		m.focus = m.nextPane()
	case "enter":
		m.focus = evidencePane
	case "space":
		m.paused = !m.paused
		if !m.paused && m.held != nil {
			m.snap, m.held = *m.held, nil
		}
	case "y":
		return m.copyCommand()
	default:
		m.step(s, key)
	}
	return nil
}

func (m *model) nextPane() pane {
	next := (m.focus + 1) % panes
	if next == advicePane && len(m.commands()) == 0 {
		next = storyPane
	}
	return next
}

// step hands the key to the pane that has the focus.
func (m *model) step(s *story.Story, key string) {
	switch {
	case m.focus == evidencePane && key != "[" && key != "]":
		lines, height := m.evidenceLines()
		m.evidence = m.evidence.Key(key, len(lines), height)
	case m.focus == advicePane && key != "[" && key != "]":
		m.advice = m.advice.Key(m.commands(), key)
	default:
		m.story = m.story.Key(s, key)
		m.evidence = evidence.Model{}
	}
}

// commands are the advice of the cause that is shown.
func (m *model) commands() []story.Advice {
	if m.snap.Story == nil {
		return nil
	}
	if h := m.story.Hypothesis(m.snap.Story); h != nil {
		return h.Advice
	}
	return nil
}

func (m *model) copyCommand() tea.Cmd {
	a, ok := m.advice.Selected(m.commands())
	switch {
	case !ok:
		m.notice = "there is no command to copy"
		return nil
	case len(a.Command) > maxCopied:
		m.notice = "the command is too long for the clipboard"
		return nil
	}
	m.notice = "copied: " + a.Command
	return func() tea.Msg {
		// A terminal that takes no output has no screen to say so on either.
		_, _ = io.WriteString(m.out, copySequence(a.Command))
		return nil
	}
}
