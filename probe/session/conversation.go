package session

import (
	"context"
	"io"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

// conversation is one connection to a probe. A connection can hang in either
// direction, so each has its own goroutine and nobody waits for one without
// another way out.
type conversation struct {
	conn     io.ReadWriteCloser
	w        *wire.Writer
	r        *wire.Reader
	incoming chan wire.Frame
	broken   chan error // holds the reader's or the writer's error
	closed   chan struct{}
}

func newConversation(conn io.ReadWriteCloser) (*conversation, error) {
	w, err := wire.NewWriter(conn)
	if err != nil {
		return nil, err
	}
	r, err := wire.NewReader(conn)
	if err != nil {
		return nil, err
	}
	return &conversation{
		conn: conn, w: w, r: r,
		incoming: make(chan wire.Frame), broken: make(chan error, 2), closed: make(chan struct{}),
	}, nil
}

// send writes frames and flushes them. It is for one goroutine at a time.
func (c *conversation) send(frames ...wire.Frame) error {
	for _, f := range frames {
		if err := c.w.Write(f); err != nil {
			return err
		}
	}
	return c.w.Flush()
}

// read passes frames on until the connection ends.
func (c *conversation) read() {
	defer c.r.Close()
	for {
		f, err := c.r.Next()
		if err != nil {
			c.broken <- err
			return
		}
		select {
		case c.incoming <- f:
		case <-c.closed:
			return
		}
	}
}

// speak sends pings, and Stop when ctx ends, until done is closed.
func (c *conversation) speak(ctx context.Context, done <-chan struct{}, pings <-chan wire.Ping) {
	for {
		select {
		case p := <-pings:
			if err := c.send(wire.Frame{Ping: &p}); err != nil {
				c.broken <- err
				return
			}
		case <-ctx.Done():
			if err := c.send(wire.Frame{Stop: &wire.Stop{}}); err != nil {
				c.broken <- err
			}
			return
		case <-done:
			return
		}
	}
}

// closeBound is how long close waits for the connection's own farewell.
const closeBound = 200 * time.Millisecond

// close ends the connection. On one that hangs, its farewell is not waited for.
func (c *conversation) close() {
	close(c.closed)
	done := make(chan struct{})
	go func() {
		c.conn.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeBound):
	}
}
