package agent

import (
	"net"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// output numbers frames and writes them. It is for the goroutine that owns the
// writing half of the connection.
type output struct {
	w           *wire.Writer
	seq, events uint64
	timer       *time.Timer
	waiting     bool // something was written and not flushed
}

// newOutput writes to conn; a client that takes nothing for the time of stall
// is gone.
func newOutput(conn net.Conn, stall time.Duration) (*output, error) {
	w, err := wire.NewWriter(&stalling{conn, stall})
	if err != nil {
		return nil, err
	}
	return &output{w: w}, nil
}

// stalling gives each write its own deadline.
type stalling struct {
	net.Conn
	limit time.Duration
}

func (s *stalling) Write(p []byte) (int, error) {
	stuck := time.AfterFunc(s.limit, func() { _ = s.Conn.SetWriteDeadline(time.Now()) })
	defer stuck.Stop()
	return s.Conn.Write(p)
}

// put writes a frame with the next number. A frame that cannot be encoded takes
// none.
func (o *output) put(f wire.Frame) error {
	f.Seq = o.seq + 1
	if f.Pong != nil {
		f.Pong.Sent = time.Now()
	}
	if err := o.w.Write(f); err != nil {
		return err
	}
	o.seq++
	return nil
}

// send writes a frame and everything before it without delay.
func (o *output) send(f wire.Frame) error {
	if err := o.put(f); err != nil {
		return err
	}
	return o.flush()
}

// sendEvent numbers and writes an event, to be flushed when due.
func (o *output) sendEvent(ev event.Event) error {
	ev.Seq = o.events + 1
	if err := o.put(wire.Frame{Event: &ev}); err != nil {
		return err
	}
	o.events++
	if !o.waiting {
		o.waiting = true
		if o.timer == nil {
			o.timer = time.NewTimer(flushAfter)
		} else {
			o.timer.Reset(flushAfter)
		}
	}
	return nil
}

// due delivers when it is time to flush.
func (o *output) due() <-chan time.Time {
	if o.timer == nil {
		return nil
	}
	return o.timer.C
}

func (o *output) flush() error {
	o.waiting = false
	if o.timer != nil {
		o.timer.Stop()
	}
	return o.w.Flush()
}

// close writes the last frames and ends the stream.
func (o *output) close(last ...wire.Frame) error {
	for _, f := range last {
		if err := o.put(f); err != nil {
			return err
		}
	}
	return o.w.Close()
}
