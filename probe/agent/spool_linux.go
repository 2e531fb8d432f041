package agent

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// Bounds of what a session keeps for its client.
const (
	spoolSize  = 4 << 20       // bytes of lines that the client has not acknowledged
	flightSize = spoolSize / 2 // bytes of those that were sent on a connection
	lineCost   = 96            // bytes that a line takes beside its text
)

// spool keeps what a session has to say until its client has it: lines in the
// order of their numbers. The ones that were sent and not acknowledged are in
// flight; a broken connection sends them again. When there is no more room, the
// oldest that were never sent make it, and one lost line tells of them exactly.
// It is safe for concurrent use and never blocks.
type spool struct {
	mu      sync.Mutex
	seq     uint64 // of the newest line
	events  uint64 // numbered so far
	bytes   int
	acked   uint64
	flight  queue
	resend  int // lines of flight that this connection has been sent
	hole    *wire.Lost
	holeEnd uint64 // number of the last line that fell into the hole
	backlog queue
	facts   int           // events in the backlog
	refused uint64        // events without an encoding
	scratch []byte        // for encoding
	wake    chan struct{} // something can be sent
}

// line is a frame ready to be sent, and what is to be said if it is not.
type line struct {
	seq      uint64
	text     []byte
	at       time.Time // of an event
	observer string    // of an event, else ""
}

func (l *line) cost() int { return len(l.text) + lineCost }

func newSpool() *spool { return &spool{wake: make(chan struct{}, 1)} }

// addEvent numbers an event and keeps it. One that has no encoding is counted.
func (s *spool) addEvent(ev event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ev.Seq = s.events + 1
	text, err := wire.AppendFrame(s.scratch[:0], wire.Frame{Seq: s.seq + 1, Event: &ev})
	s.scratch = text
	if err != nil {
		s.refused++
		return
	}
	s.events++
	s.facts++
	s.add(line{text: bytes.Clone(text), at: ev.At, observer: ev.Kind.Observer()})
}

// addGap numbers a gap and keeps it; gaps are never dropped.
func (s *spool) addGap(g wire.Gap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := wire.AppendFrame(nil, wire.Frame{Seq: s.seq + 1, Gap: &g})
	if err != nil {
		s.refused++
		return
	}
	s.add(line{text: text})
}

// add takes a line whose text has the next number. The lock is held.
func (s *spool) add(l line) {
	s.seq++
	l.seq = s.seq
	s.backlog.push(l)
	s.bytes += l.cost()
	for s.bytes > spoolSize && s.facts > 0 {
		s.drop()
	}
	s.signal()
}

// drop takes the oldest line that was never sent out of the spool. A gap gets a
// new number instead. The lock is held.
func (s *spool) drop() {
	l := s.backlog.pop()
	s.bytes -= l.cost()
	if s.hole == nil {
		s.hole = &wire.Lost{}
	}
	s.holeEnd = l.seq
	if l.observer == "" {
		f, err := wire.DecodeFrame(l.text)
		if err != nil || f.Gap == nil {
			return // unreachable: it was encoded here
		}
		f.Seq = s.seq + 1
		if text, err := wire.AppendFrame(nil, f); err == nil {
			s.seq++
			s.backlog.push(line{seq: s.seq, text: text})
			s.bytes += len(text) + lineCost
		}
		return
	}
	s.facts--
	h := s.hole
	if h.Events == 0 || l.at.Before(h.From) {
		h.From = l.at
	}
	if h.Events == 0 || l.at.After(h.To) {
		h.To = l.at
	}
	h.Events++
	if h.Observers == nil {
		h.Observers = map[string]uint64{}
	}
	if _, known := h.Observers[l.observer]; known || len(h.Observers) < wire.MaxSpecs {
		h.Observers[l.observer]++
	}
}

// signal says that there may be something to send.
func (s *spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next returns the next line for this connection. Without all it returns
// nothing while too much is in flight. urgent is whether the line should not
// wait for others.
func (s *spool) next(all bool) (text []byte, urgent, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resend < s.flight.len() {
		l := s.flight.at(s.resend)
		s.resend++
		return l.text, l.observer == "", true
	}
	if !all && s.flight.cost >= flightSize {
		return nil, false, false
	}
	l, ok := s.take()
	if !ok {
		return nil, false, false
	}
	s.flight.push(l)
	s.resend++
	return l.text, l.observer == "", true
}

// take removes the first line that was never sent. The lock is held.
func (s *spool) take() (line, bool) {
	if s.hole != nil {
		text, err := wire.AppendFrame(nil, wire.Frame{Seq: s.holeEnd, Lost: s.hole})
		s.hole = nil
		if err == nil {
			l := line{seq: s.holeEnd, text: text}
			s.bytes += l.cost()
			return l, true
		}
	}
	if s.backlog.len() == 0 {
		return line{}, false
	}
	l := s.backlog.pop()
	if l.observer != "" {
		s.facts--
	}
	return l, true
}

// ack forgets the lines up to a number, which the client has.
func (s *spool) ack(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(seq)
	s.signal()
}

// forget drops from flight what the client has. The lock is held.
func (s *spool) forget(seq uint64) {
	for s.flight.len() > 0 && s.flight.at(0).seq <= seq {
		l := s.flight.pop()
		s.bytes -= l.cost()
		s.acked = l.seq
		s.resend = max(s.resend-1, 0)
	}
}

// errNoResume is the answer to a client that asks for what is not there.
var errNoResume = errors.New("the stream cannot go on where the client asks for it")

// rewind prepares for a new connection of a client that has everything up to a
// number: what else was in flight is sent again.
func (s *spool) rewind(after uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.acked
	if n := s.flight.len(); n > 0 {
		last = s.flight.at(n - 1).seq
	}
	if after < s.acked || after > last {
		return fmt.Errorf("%w: after line %d, sent were %d, of which %d were acknowledged", errNoResume, after, last, s.acked)
	}
	s.forget(after)
	s.resend = 0
	s.signal()
	return nil
}

// lost counts the events that no lost line tells of.
func (s *spool) lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// queue is a first-in first-out list of lines with the sum of their costs.
type queue struct {
	lines []line
	head  int
	cost  int
}

func (q *queue) len() int { return len(q.lines) - q.head }

func (q *queue) at(i int) *line { return &q.lines[q.head+i] }

func (q *queue) push(l line) {
	q.lines = append(q.lines, l)
	q.cost += l.cost()
}

// pop removes the first line; there is one.
func (q *queue) pop() line {
	l := q.lines[q.head]
	q.lines[q.head] = line{}
	q.head++
	q.cost -= l.cost()
	if q.head > 64 && q.head > len(q.lines)/2 {
		n := copy(q.lines, q.lines[q.head:])
		clear(q.lines[n:])
		q.lines, q.head = q.lines[:n], 0
	}
	return l
}
