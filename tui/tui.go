// Package tui is the live screen: it shows a run as it goes, asks before
// anything is created, and never runs a command. It knows stories, not
// Kubernetes; what does the work stands behind Backend.
package tui

import (
	"context"
	"errors"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/picker"
	"github.com/yairfalse/tapio/tui/theme"
)

// Backend does the work that the screen shows. Its errors are one sentence.
type Backend interface {
	// Targets lists what can be explained, the worst first.
	Targets(ctx context.Context) (picker.List, error)
	// Watch explains the target until ctx ends or there is nothing more to see,
	// and returns once everything that it created is gone. A zero Row is the
	// target that was named at the start.
	Watch(ctx context.Context, target picker.Row, s Screen) error
}

// Screen is where a run shows itself.
type Screen interface {
	// Show takes the newest state of the run. It never waits; what was not drawn
	// yet is replaced.
	Show(Snapshot)
	// Ask waits for yes or no; false also when ctx ends.
	Ask(ctx context.Context, plan string) bool
}

// Snapshot is a run at one moment. The story is not changed afterwards.
type Snapshot struct {
	Title   string        // context and target
	Elapsed time.Duration // since the run began
	Ended   bool          // nothing new will come
	Rate    float64       // facts a second, of late
	Lost    uint64        // events
	Nodes   int           // with a probe that sees
	Planned int           // nodes that were to get a probe
	Note    string        // what is not as it should be with the run itself
	Story   *story.Story  // nil until the API has answered
}

// Config is what Run needs.
type Config struct {
	In      io.Reader
	Out     io.Writer // the terminal
	Backend Backend
	Theme   theme.Theme
	Choose  bool // begin with the list of targets
}

// Run shows the screen until the user quits or ctx ends, and returns when
// nothing is left of any run. The error is the screen's or that of the last
// run's clean-up.
func Run(ctx context.Context, c Config) error {
	out := newTerminal(c.Out)
	m := newModel(context.WithoutCancel(ctx), c, out)
	p := tea.NewProgram(m, tea.WithInput(c.In), tea.WithOutput(out), tea.WithAltScreen(), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond))
	stop := context.AfterFunc(ctx, func() { p.Send(quitMsg{}) })
	defer stop()
	last, err := p.Run()
	if final, ok := last.(*model); ok {
		m = final
	}
	if left := m.finish(); left != nil && err == nil {
		err = left
	}
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
