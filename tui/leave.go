package tui

import (
	"errors"

	tea "github.com/charmbracelet/bubbletea"
)

// runEnded goes where the user wanted to go, or keeps what there is to see.
func (m *model) runEnded() tea.Cmd {
	m.ended = true
	switch {
	case m.phase == ending && m.leaving:
		return tea.Quit
	case m.phase == ending:
		m.phase = choosing
		if m.run.err != nil {
			m.notice = m.run.err.Error()
		}
		return m.targets
	case m.run.err != nil && m.snap.Story == nil:
		m.phase, m.err = failed, m.run.err
	case m.run.err != nil:
		m.notice = m.run.err.Error()
	}
	if m.phase == asking {
		m.phase = watching
	}
	return nil
}

// leave ends the run and then quits, or goes back to the list.
func (m *model) leave(quit bool) tea.Cmd {
	m.leaving = m.leaving || quit
	if m.run == nil || m.ended {
		if m.leaving {
			return tea.Quit
		}
		m.phase, m.notice = choosing, ""
		return m.targets
	}
	m.phase, m.help = ending, false
	m.run.cancel()
	return nil
}

// finish ends whatever still runs and waits for it.
func (m *model) finish() error {
	if m.run == nil {
		return nil
	}
	m.run.cancel()
	select {
	case <-m.run.done:
	default:
		if m.phase == ending {
			return errors.New("the probes were not waited for: they go by themselves within a minute, or with: kubectl tapio cleanup")
		}
		<-m.run.done
	}
	if m.err != nil {
		return nil //nolint:nilerr // it was on the screen
	}
	return m.run.err
}
