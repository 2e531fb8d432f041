package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/wire"
)

const (
	beatEvery  = time.Second
	flushAfter = 100 * time.Millisecond // an event waits at most this long
	restBound  = 2 * time.Second        // for observers to end once they were told to
)

// errStopped ends a session whose client said stop.
var errStopped = errors.New("the client asked to stop")

// session is one run of the observers for one client, over as many connections
// as it takes: while there is none the observers go on and the spool keeps what
// they say.
type session struct {
	cfg   Config
	start wire.Start
	hear  func()

	ctx    context.Context // ends with the session; its cause is what the client is told
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when the session has ended
	// stopped is whether the client said stop; valid once over is closed.
	stopped bool

	clients chan *client // that take over from the connection before
	spool   *spool
	idle    chan struct{} // closed when nothing more will be added to the spool
	link    atomic.Pointer[link]

	machine *Machine
	mu      sync.Mutex
	running map[string]observers.Observer
}

// startSession serves a client in the background, until end is called: ctx ends
// the server, which then tells its client why.
func startSession(ctx context.Context, cfg Config, c *client, hear func()) *session {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &session{
		cfg: cfg, start: c.start, hear: hear, ctx: ctx, cancel: cancel, over: make(chan struct{}),
		clients: make(chan *client), spool: newSpool(), idle: make(chan struct{}),
		running: map[string]observers.Observer{},
	}
	go func() {
		defer close(s.over)
		defer cancel(nil)
		s.run(c)
		s.stopped = errors.Is(context.Cause(ctx), errStopped)
	}()
	return s
}

// resume hands a new connection of the session's client over; false means that
// the session has ended or is another one.
func (s *session) resume(c *client) bool {
	if s == nil || s.start.Session != c.start.Session || c.start.Session == "" {
		return false
	}
	select {
	case s.clients <- c:
		return true
	case <-s.over:
		return false
	}
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
		if l := s.link.Load(); l != nil {
			l.conn.Close()
		}
	}
}

// run is the whole session.
func (s *session) run(first *client) {
	var err error
	s.machine, err = guard(func() (*Machine, error) { return s.cfg.Open(s.start) })
	if err != nil {
		sayBye(first.conn, "the node cannot be observed: "+err.Error())
		first.conn.Close()
		return
	}
	go s.watch()
	cur := s.connect(first, false)
	ending := s.ctx.Done()
	for {
		select {
		case c := <-s.clients:
			cur.drop()
			cur = s.connect(c, true)
		case <-cur.ended():
			if s.ctx.Err() != nil {
				<-s.idle
				return
			}
			cur = nil
		case <-ending:
			ending = nil
			if cur == nil {
				<-s.idle
				return
			}
		}
	}
}

// connect serves a connection in the background. Nil means that it cannot be
// served.
func (s *session) connect(c *client, again bool) *link {
	if again {
		if err := s.spool.rewind(c.start.After); err != nil {
			sayBye(c.conn, err.Error())
			c.conn.Close()
			return nil
		}
	}
	l := &link{
		session: s, conn: c.conn, r: c.r, resumed: again,
		pongs: make(chan wire.Frame, pongRoom), gone: make(chan error, 1), over: make(chan struct{}),
	}
	s.link.Store(l)
	go func() {
		defer close(l.over)
		l.run()
	}()
	return l
}

// watch runs the observers until the session ends. One that does not end then
// is left behind.
func (s *session) watch() {
	defer close(s.idle)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.observe(s.ctx)
	}()
	select {
	case <-done:
		<-s.ctx.Done()
	case <-s.ctx.Done():
		select {
		case <-done:
		case <-time.After(restBound):
		}
	}
}

// hello returns what begins a connection.
func (s *session) hello(resumed bool) ([]wire.Hello, error) {
	m := s.machine
	hello := wire.Hello{
		Protocol: wire.Protocol, Build: s.cfg.Build, Node: m.Node, BootID: m.BootID, Kernel: m.Kernel, Arch: m.Arch,
		Specs: []observers.Spec{}, Clock: s.clock(), Resumed: resumed,
	}
	if resumed {
		return []wire.Hello{hello}, nil
	}
	for _, e := range s.wanted() {
		hello.Specs = append(hello.Specs, e.Spec)
	}
	parts, err := hello.Split()
	if err != nil {
		return nil, fmt.Errorf("say hello: %w", err)
	}
	return parts, nil
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
	b.Dropped = s.spool.lost()
	b.CPU, b.RSS = s.cfg.Cost()
	return wire.Frame{Beat: b}
}
