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
	conn   io.ReadWriteCloser
	w      *wire.Writer
	r      *wire.Reader
	mail   *mailbox
	broken chan error // holds the reader's or the writer's error
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
		mail: newMailbox(), broken: make(chan error, 2),
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

// read puts frames into the mailbox until the connection ends.
func (c *conversation) read() {
	defer c.r.Close()
	for {
		f, err := c.r.Next()
		if err != nil {
			c.broken <- err
			return
		}
		if !c.mail.put(f) {
			return
		}
	}
}

// ackEvery is how often a probe is told what it need not keep any longer.
const ackEvery = 200 * time.Millisecond

// speak sends pings when they are due or asked for and, as soon as there is
// something new to acknowledge, acks; when ctx ends, Stop. It goes on while the
// reader of the frames is slow, so that the probe knows that its client lives.
func (c *conversation) speak(ctx context.Context, done <-chan struct{}, ping func() wire.Ping, quick <-chan struct{}, taken func() uint64) {
	pings, acks := time.NewTicker(pingEvery), time.NewTicker(ackEvery)
	defer pings.Stop()
	defer acks.Stop()
	acked := taken()
	for {
		var f wire.Frame
		select {
		case <-pings.C:
			p := ping()
			f.Ping = &p
		case <-quick:
			p := ping()
			f.Ping = &p
		case <-acks.C:
			if taken() == acked {
				continue
			}
			acked = taken()
			f.Ack = &wire.Ack{Seq: acked}
		case <-ctx.Done():
			f.Stop = &wire.Stop{}
		case <-done:
			return
		}
		if err := c.send(f); err != nil {
			c.broken <- err
			return
		}
		if f.Stop != nil {
			return
		}
	}
}

// closeBound is how long close waits for the connection's own farewell.
const closeBound = 200 * time.Millisecond

// close ends the connection. On one that hangs, its farewell is not waited for.
func (c *conversation) close() {
	c.mail.close()
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
