package session

import (
	"sync"

	"github.com/yairfalse/tapio/probe/wire"
)

// Bounds of a mailbox. A probe has at most 2 MiB of lines on the way that were
// not acknowledged, so its lines never fill it.
const (
	maxMail   = 32_768 // frames; past it the connection waits
	maxIdle   = 256    // frames that wait while beats and pongs are still taken
	mailStart = 64
)

// mailbox holds what came over a connection until it is taken, so that a slow
// taker never makes the connection look dead to the probe. It is for one
// goroutine on either side.
type mailbox struct {
	wake chan struct{} // something is there

	mu    sync.Mutex
	room  *sync.Cond
	mail  []wire.Frame
	ended bool
}

func newMailbox() *mailbox {
	m := &mailbox{wake: make(chan struct{}, 1), mail: make([]wire.Frame, 0, mailStart)}
	m.room = sync.NewCond(&m.mu)
	return m
}

// put adds a frame; false means that the mailbox was closed. Beats and pongs
// that nobody has time for are left out: newer ones follow.
func (m *mailbox) put(f wire.Frame) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if (f.Beat != nil || f.Pong != nil) && len(m.mail) >= maxIdle {
		return !m.ended
	}
	for len(m.mail) >= maxMail && !m.ended {
		m.room.Wait()
	}
	if m.ended {
		return false
	}
	m.mail = append(m.mail, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take removes the frames that are there.
func (m *mailbox) take() []wire.Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.mail
	m.mail = make([]wire.Frame, 0, mailStart)
	m.room.Signal()
	return out
}

// close lets nothing more in.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	m.room.Signal()
}
