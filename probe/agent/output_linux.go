package agent

import (
	"net"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

// output writes frames. It is for the goroutine that owns the writing half of
// the connection.
type output struct {
	w       *wire.Writer
	timer   *time.Timer
	waiting bool // something was written and not flushed
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

// put writes a frame of the connection itself, which has no number.
func (o *output) put(f wire.Frame) error {
	if f.Pong != nil {
		f.Pong.Sent = time.Now()
	}
	return o.w.Write(f)
}

// send writes a frame and everything before it without delay.
func (o *output) send(f wire.Frame) error {
	if err := o.put(f); err != nil {
		return err
	}
	return o.flush()
}

// line writes a line of the spool, to be flushed when due.
func (o *output) line(text []byte) error {
	if err := o.w.WriteLine(text); err != nil {
		return err
	}
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
