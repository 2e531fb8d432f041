package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

const (
	beatEvery  = time.Second
	flushAfter = 100 * time.Millisecond // an event waits at most this long
	queueSize  = 8192                   // events between observers and writer
	noteSize   = 64
)

// session is one client from its start frame to its end. The goroutine of run
// owns the writing half of the connection; read owns the other.
type session struct {
	cfg    Config
	client *client
	hear   func()
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when the session has ended
	// stopped is whether the client said stop; valid once over is closed.
	stopped bool

	queue   chan event.Event
	notes   chan wire.Frame // gaps and pongs
	stop    chan struct{}   // closed when the client says stop
	gone    chan error      // why nothing more can be read
	dropped atomic.Uint64
	out     *output

	machine *Machine
	mu      sync.Mutex
	running map[string]observers.Observer
}

// startSession serves a client in the background, until end is called: ctx ends
// the server, which then tells its client why.
func startSession(ctx context.Context, cfg Config, c *client, hear func()) *session {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &session{
		cfg: cfg, client: c, hear: hear, cancel: cancel, over: make(chan struct{}),
		queue: make(chan event.Event, queueSize), notes: make(chan wire.Frame, noteSize),
		stop: make(chan struct{}), gone: make(chan error, 1),
		running: map[string]observers.Observer{},
	}
	go func() {
		defer close(s.over)
		defer cancel(nil)
		s.run(ctx)
		select {
		case <-s.stop:
			s.stopped = true
		default:
		}
	}()
	return s
}

// end tells the client a reason, ends the session and waits for it, but not
// for longer than closeTimeout. A nil session has ended.
func (s *session) end(reason string) {
	if s == nil {
		return
	}
	s.cancel(errors.New(reason))
	select {
	case <-s.over:
	case <-time.After(closeTimeout):
		s.client.conn.Close()
	}
}

// run is the whole session.
func (s *session) run(ctx context.Context) {
	conn := s.client.conn
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(byeTimeout)) })
	defer unblock()
	var reader sync.WaitGroup
	reader.Go(s.read)
	defer func() {
		if closeWrite(conn) {
			_ = conn.SetReadDeadline(time.Now().Add(byeTimeout)) // the client closes once it has the bye
			reader.Wait()
		}
		conn.Close()
		reader.Wait()
	}()

	out, err := newOutput(conn, s.cfg.Silence)
	if err != nil {
		return
	}
	s.out = out
	s.machine, err = guard(func() (*Machine, error) { return s.cfg.Open(s.client.start) })
	if err != nil {
		_ = out.close(wire.Frame{Bye: &wire.Bye{Reason: clip("the node cannot be observed: " + err.Error())}})
		return
	}

	watch, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		s.observe(watch)
	}()
	reason, err := s.write(ctx)
	stopWatch()
	if err != nil {
		conn.Close() // nobody is there: what follows is not to wait for the client
	}
	if err := s.rest(idle); err != nil {
		return
	}
	_ = out.close(s.beat(), wire.Frame{Bye: &wire.Bye{Reason: clip(reason)}})
}

// read takes the client's frames until there are no more. After a stop it goes
// on reading, so that the client's end of the connection is seen.
func (s *session) read() {
	stopped := false
	for {
		f, err := s.client.r.Next()
		if err != nil {
			s.gone <- err
			return
		}
		received := time.Now()
		if stopped {
			continue
		}
		s.hear()
		switch {
		case f.Stop != nil:
			stopped = true
			close(s.stop)
		case f.Start != nil:
			s.gone <- &wire.FrameError{Err: errors.New("start was sent twice")}
			return
		case f.Ping != nil:
			select {
			case s.notes <- wire.Frame{Pong: &wire.Pong{Echo: f.Ping.Sent, Received: received}}:
			default: // a pong that comes late measures nothing
			}
		}
	}
}

// write sends until the session is to end, and returns what to tell the client.
// An error says that the client cannot be told anything any more.
func (s *session) write(ctx context.Context) (reason string, err error) {
	if err := s.sayHello(); err != nil {
		return "", err
	}
	beats := time.NewTicker(beatEvery)
	defer beats.Stop()
	for {
		select {
		case ev := <-s.queue:
			err = s.sendEvent(ev)
		case f := <-s.notes:
			err = s.out.send(f)
		case <-beats.C:
			err = s.out.send(s.beat())
		case <-s.out.due():
			err = s.out.flush()
		case <-s.stop:
			return "the client asked to stop", nil
		case <-ctx.Done():
			return context.Cause(ctx).Error(), nil
		case gone := <-s.gone:
			select {
			case <-s.stop: // said before the connection went
				return "the client asked to stop", nil
			default:
			}
			var bad *wire.FrameError
			if errors.As(gone, &bad) {
				return "the client sent a frame that is not valid: " + bad.Error(), nil
			}
			return "", gone
		}
		if err != nil {
			return "", err
		}
	}
}

// rest waits for the observers, which were told to end, and sends the events
// that are still on their way. An observer that does not end is left behind.
// The error is that of the first event that could not be sent.
func (s *session) rest(idle <-chan struct{}) error {
	const patience = 2 * time.Second
	late := time.After(patience)
	var failed error
	send := func(ev event.Event) {
		if failed == nil {
			failed = s.sendEvent(ev)
		}
	}
	for waiting := true; waiting; {
		select {
		case ev := <-s.queue:
			send(ev)
		case <-s.notes: // the client is told the end, not what ends with it
		case <-late:
			waiting = false
		case <-idle:
			waiting = false
		}
	}
	for range len(s.queue) {
		send(<-s.queue)
	}
	return failed
}

// sayHello sends the specs of the observers that will run.
func (s *session) sayHello() error {
	m := s.machine
	hello := wire.Hello{
		Protocol: wire.Protocol, Build: s.cfg.Build, Node: m.Node, BootID: m.BootID, Kernel: m.Kernel, Arch: m.Arch,
		Specs: []observers.Spec{}, Clock: s.clock(),
	}
	for _, e := range s.wanted() {
		hello.Specs = append(hello.Specs, e.Spec)
	}
	parts, err := hello.Split()
	if err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	for _, h := range parts {
		if err := s.out.send(wire.Frame{Hello: &h}); err != nil {
			return err
		}
	}
	return nil
}

// sendEvent numbers and sends an event. One that has no encoding is a loss of
// its own, not the end of the stream.
func (s *session) sendEvent(ev event.Event) error {
	err := s.out.sendEvent(ev)
	var bad *wire.FrameError
	if errors.As(err, &bad) {
		s.dropped.Add(1)
		return nil
	}
	return err
}

func (s *session) clock() wire.Clock {
	wall, boot := s.machine.Clock()
	return wire.Clock{Wall: wall, Boot: boot}
}

// beat reads what all observers did so far.
func (s *session) beat() wire.Frame {
	b := &wire.Beat{Clock: s.clock(), Observers: map[string]observers.Stats{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, o := range s.running {
		if st, err := guard(func() (observers.Stats, error) { return o.Stats(), nil }); err == nil {
			b.Observers[name] = st
		}
	}
	b.Dropped = s.dropped.Load()
	b.CPU, b.RSS = s.cfg.Cost()
	return wire.Frame{Beat: b}
}
