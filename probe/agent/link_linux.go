package agent

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

const (
	pongRoom = 16  // answers that wait to be written
	turnSize = 256 // lines that are written before anything else gets its turn
)

// link is one connection of a session. The goroutine of run owns the writing
// half of the connection; read owns the other.
type link struct {
	*session
	conn    net.Conn
	r       *wire.Reader
	resumed bool
	pongs   chan wire.Frame
	gone    chan error    // why nothing more can be read
	over    chan struct{} // closed when the connection is no longer used
	out     *output
}

// ended is closed when the connection is no longer used; that of no connection
// never is.
func (l *link) ended() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.over
}

// drop ends the connection without a word: its client has another one.
func (l *link) drop() {
	if l == nil {
		return
	}
	l.conn.Close()
	<-l.over
}

// run serves the connection until it breaks or the session has ended.
func (l *link) run() {
	unblock := context.AfterFunc(l.ctx, func() {
		if !errors.Is(context.Cause(l.ctx), errStopped) {
			_ = l.conn.SetWriteDeadline(time.Now().Add(byeTimeout))
		}
	})
	defer unblock()
	var reader sync.WaitGroup
	reader.Go(l.read)
	defer func() {
		l.conn.Close()
		reader.Wait()
	}()
	var err error
	if l.out, err = newOutput(l.conn, l.cfg.Silence); err != nil {
		return
	}
	if l.write() != nil || l.farewell() != nil {
		return
	}
	if closeWrite(l.conn) {
		_ = l.conn.SetReadDeadline(time.Now().Add(byeTimeout)) // the client closes once it has the bye
		reader.Wait()
	}
}

// read takes the client's frames until there are no more. After a stop it goes
// on reading, so that the client's end of the connection is seen.
func (l *link) read() {
	stopped := false
	for {
		f, err := l.r.Next()
		if err != nil {
			l.gone <- err
			return
		}
		received := time.Now()
		if stopped {
			continue
		}
		l.hear()
		switch {
		case f.Stop != nil:
			stopped = true
			l.cancel(errStopped)
		case f.Start != nil:
			l.gone <- &wire.FrameError{Err: errors.New("start was sent twice")}
			return
		case f.Ack != nil:
			l.spool.ack(f.Ack.Seq)
		case f.Ping != nil:
			select {
			case l.pongs <- wire.Frame{Pong: &wire.Pong{Echo: f.Ping.Sent, Received: received}}:
			default: // a pong that comes late measures nothing
			}
		}
	}
}

// write sends until the session ends. The error says that the client cannot be
// told anything any more on this connection.
func (l *link) write() error {
	if err := l.greet(); err != nil {
		return err
	}
	beats := time.NewTicker(beatEvery)
	defer beats.Stop()
	for {
		var err error
		select {
		case <-l.spool.wake:
			err = l.send()
		case f := <-l.pongs:
			err = l.out.send(f)
		case <-beats.C:
			err = l.out.send(l.beat())
		case <-l.out.due():
			err = l.out.flush()
		case <-l.ctx.Done():
			return nil
		case gone := <-l.gone:
			var bad *wire.FrameError
			switch {
			case l.ctx.Err() != nil: // stop was said before the connection went
				return nil
			case errors.As(gone, &bad):
				l.cancel(errors.New("the client sent a frame that is not valid: " + bad.Error()))
				return nil
			}
			err = gone
		}
		if err != nil {
			return err
		}
	}
}

// greet says hello.
func (l *link) greet() error {
	parts, err := l.hello(l.resumed)
	if err != nil {
		return err
	}
	for _, h := range parts {
		if err := l.out.send(wire.Frame{Hello: &h}); err != nil {
			return err
		}
	}
	return nil
}

// send writes lines of the spool, as many as have a turn.
func (l *link) send() error {
	for range turnSize {
		text, urgent, ok := l.spool.next(false)
		if !ok {
			return nil
		}
		err := l.out.line(text)
		if err == nil && urgent {
			err = l.out.flush()
		}
		if err != nil {
			return err
		}
	}
	l.spool.signal()
	return nil
}

// farewell sends what the observers still have to say, the last beat and the
// reason of the end.
func (l *link) farewell() error {
	for waiting := true; waiting; {
		select {
		case <-l.spool.wake:
		case <-l.idle:
			waiting = false
		}
		for {
			text, _, ok := l.spool.next(true)
			if !ok {
				break
			}
			if err := l.out.line(text); err != nil {
				return err
			}
		}
	}
	return l.out.close(l.beat(), wire.Frame{Bye: &wire.Bye{Reason: clip(context.Cause(l.ctx).Error())}})
}
