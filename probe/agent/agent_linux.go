// Package agent is the probe's side of a run: it listens inside the probe's
// pod, lets the plugin in that knows the token, runs the observers it asks for
// and tells it what they see. It ends by itself when nobody talks to it.
package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/wire"
)

const (
	// DefaultSilence is how long the probe goes on without a word of a client.
	DefaultSilence = 15 * time.Second
	// DefaultPatience is how long it waits for its first client: the plugin
	// first learns that the pod runs, then forwards a port to it.
	DefaultPatience = 30 * time.Second

	startTimeout  = 10 * time.Second // for the first frame of a connection
	byeTimeout    = time.Second      // to get the last frames out
	closeTimeout  = 5 * time.Second  // for a session to end once it was told to
	maxHandshakes = 8                // connections that have not yet shown the token
)

// ErrSilent is matched by the error of a probe that ended itself because its
// client was silent.
var ErrSilent = errors.New("the client is silent")

// Machine is the node that a session observes. It is opened for each session.
type Machine struct {
	Node, BootID, Kernel, Arch string
	// Clock reads the wall clock and the time since boot at one moment.
	Clock func() (wall time.Time, boot time.Duration)
	// Observers are all that this probe has, in the order they are to be opened.
	Observers []Entry
}

// Entry is an observer that can be opened.
type Entry struct {
	Spec observers.Spec
	Open func() (observers.Observer, error)
}

// Config is what a probe is started with.
type Config struct {
	TokenHash [sha256.Size]byte // SHA-256 of the token that clients must show
	Build     string            // wire.Build(); clients must be of the same
	Silence   time.Duration     // see DefaultSilence
	Patience  time.Duration     // see DefaultPatience
	// Open opens the node of the start frame.
	Open func(wire.Start) (*Machine, error)
	// Cost reads the CPU time and the resident bytes of this process.
	Cost func() (cpu time.Duration, rss uint64)
}

// Serve runs the probe on a listener, which it closes. It serves one client at
// a time. A new connection of the same session goes on where the last one
// broke, which may hang unnoticed; one of another session, with the right
// token, takes over and the observers begin anew. It returns nil when a client
// says stop or ctx ends, and an error that matches ErrSilent when the time is
// up.
func Serve(ctx context.Context, ln net.Listener, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{cfg: cfg, ready: make(chan *client), heard: make(chan struct{}, 1)}
	failed := make(chan error, 1)
	s.wg.Go(func() { failed <- s.accept(ctx, ln) })
	defer s.wg.Wait()
	defer ln.Close()
	defer cancel()

	silence := time.NewTimer(cfg.Patience)
	defer silence.Stop()
	limit := cfg.Patience
	var cur *session
	for {
		var over <-chan struct{}
		if cur != nil {
			over = cur.over
		}
		select {
		case <-ctx.Done():
			cur.end("its pod is being stopped")
			return nil
		case err := <-failed:
			cur.end("the probe cannot accept connections any more")
			return err
		case c := <-s.ready:
			limit = cfg.Silence
			silence.Reset(limit)
			if !cur.resume(c) {
				cur.end("another client took over")
				cur = startSession(ctx, cfg, c, s.hear)
			}
		case <-s.heard:
			silence.Reset(limit)
		case <-silence.C:
			why := fmt.Errorf("%w: no word from it for %v", ErrSilent, limit)
			cur.end(why.Error())
			return why
		case <-over:
			if cur.stopped {
				return nil
			}
			cur = nil
		}
	}
}

// server is what the connections share.
type server struct {
	cfg   Config
	wg    sync.WaitGroup
	ready chan *client
	heard chan struct{}
}

// client is a connection that showed the token.
type client struct {
	conn  net.Conn
	r     *wire.Reader
	start wire.Start
}

// hear notes that the client lives. It never blocks.
func (s *server) hear() {
	select {
	case s.heard <- struct{}{}:
	default:
	}
}

// accept hands connections to handshakes until the listener is closed.
func (s *server) accept(ctx context.Context, ln net.Listener) error {
	slots := make(chan struct{}, maxHandshakes)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil //nolint:nilerr // it was closed because the run ends
			}
			return fmt.Errorf("accept a connection: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		s.wg.Go(func() {
			defer func() { <-slots }()
			s.handshake(ctx, conn)
		})
	}
}

// handshake waits for the start frame, checks it and hands the connection
// over, or refuses it with one bye.
func (s *server) handshake(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, err := s.greet(conn)
	if err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			sayBye(conn, refused.Error())
		}
		conn.Close()
		return
	}
	select {
	case s.ready <- c:
	case <-ctx.Done():
		conn.Close()
	}
}
