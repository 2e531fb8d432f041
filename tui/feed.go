package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/yairfalse/tapio/tui/picker"
)

// A picture is drawn at most this often, whatever the run has to show.
const (
	snapshotEvery   = 100 * time.Millisecond
	framesPerSecond = 20
)

// run is one call of Backend.Watch and the way from it to the screen. Only the
// newest snapshot waits; the run waits for nobody, except for an answer.
type run struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when Watch returned and everything is gone
	err    error         // set before done is closed
	fresh  chan struct{} // holds one token while a snapshot is undrawn
	asks   chan question

	mu     sync.Mutex
	newest Snapshot
}

// question is a plan that waits for yes or no.
type question struct {
	plan   string
	answer chan bool // takes one answer without waiting
}

func startRun(ctx context.Context, b Backend, target picker.Row) *run {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{cancel: cancel, done: make(chan struct{}), fresh: make(chan struct{}, 1), asks: make(chan question)}
	go func() {
		defer close(r.done)
		defer cancel()
		r.err = b.Watch(ctx, target, r)
	}()
	return r
}

// Show implements Screen.
func (r *run) Show(s Snapshot) {
	r.mu.Lock()
	r.newest = s
	r.mu.Unlock()
	select {
	case r.fresh <- struct{}{}:
	default:
	}
}

// Ask implements Screen.
func (r *run) Ask(ctx context.Context, plan string) bool {
	q := question{plan: plan, answer: make(chan bool, 1)}
	select {
	case r.asks <- q:
	case <-ctx.Done():
		return false
	}
	select {
	case yes := <-q.answer:
		return yes
	case <-ctx.Done():
		return false
	}
}

// Messages to the model. Those of a run name it, so that what a former run
// still says is passed over.
type (
	snapshotMsg struct {
		run *run
		s   Snapshot
	}
	askMsg struct {
		run *run
		q   question
	}
	endedMsg   struct{ run *run }
	targetsMsg struct {
		list picker.List
		err  error
	}
	quitMsg struct{}
)

// next waits for what the run has to say. Snapshots are spaced, the rest is not.
func (r *run) next(after time.Duration) tea.Cmd {
	return func() tea.Msg {
		pause := time.NewTimer(after)
		defer pause.Stop()
		fresh := r.fresh
		if after > 0 {
			fresh = nil
		}
		for {
			select {
			case <-pause.C:
				fresh = r.fresh
			case <-fresh:
				return r.take()
			case q := <-r.asks:
				return askMsg{r, q}
			case <-r.done:
				select {
				case <-r.fresh: // the last picture comes before the end
					return r.take()
				default:
					return endedMsg{r}
				}
			}
		}
	}
}

func (r *run) take() tea.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	return snapshotMsg{r, r.newest}
}
