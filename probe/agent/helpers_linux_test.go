package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

const token, build = "0123456789abcdef", "v1.2.3"

// pipes is a listener whose connections are net.Pipe, so that a bubble of
// synctest holds both ends.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
	case <-p.closed:
		b.Close()
	}
	return a
}

// fake is an observer made of functions.
type fake struct {
	run   func(ctx context.Context, emit func(event.Event)) error
	stats func() observers.Stats
}

func (f *fake) Run(ctx context.Context, emit func(event.Event)) error {
	if f.run == nil {
		<-ctx.Done()
		return nil
	}
	return f.run(ctx, emit)
}

func (f *fake) Stats() observers.Stats {
	if f.stats == nil {
		return observers.Stats{}
	}
	return f.stats()
}

// gapped is a fake with gaps.
type gapped struct {
	fake
	gaps func() []*observers.Unsupported
}

func (g *gapped) Gaps() []*observers.Unsupported { return g.gaps() }

// entry is an observer by name.
func entry(name string, o observers.Observer) Entry {
	return Entry{Spec: observers.Spec{Name: name, Side: observers.Node}, Open: func() (observers.Observer, error) { return o, nil }}
}

// emitting emits events with the given kinds and waits.
func emitting(kinds ...event.Kind) observers.Observer {
	return &fake{run: func(ctx context.Context, emit func(event.Event)) error {
		for _, k := range kinds {
			emit(event.Event{Kind: k, At: time.Now()})
		}
		<-ctx.Done()
		return nil
	}}
}

// config serves the given observers.
func config(entries ...Entry) Config {
	return Config{
		TokenHash: sha256.Sum256([]byte(token)), Build: build, Silence: DefaultSilence, Patience: DefaultPatience,
		Cost: func() (time.Duration, uint64) { return 7 * time.Millisecond, 8 << 20 },
		Open: func(start wire.Start) (*Machine, error) {
			return &Machine{
				Node: start.Node, BootID: "boot", Kernel: "6.1.0", Arch: "amd64", Observers: entries,
				Clock: func() (time.Time, time.Duration) { return time.Now(), time.Hour },
			}, nil
		},
	}
}

// probe is a server under test.
type probe struct {
	*pipes
	cancel context.CancelFunc
	done   chan error
	lived  time.Duration // valid once done delivered
}

func serve(t *testing.T, cfg Config) *probe {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &probe{pipes: newPipes(), cancel: cancel, done: make(chan error, 1)}
	began := time.Now()
	go func() {
		err := Serve(ctx, p.pipes, cfg)
		p.lived = time.Since(began)
		p.done <- err
	}()
	t.Cleanup(cancel)
	return p
}

// peer is the plugin's end of a connection. Its frames are collected in the
// background unless it is told to pause.
type peer struct {
	t    *testing.T
	conn net.Conn
	w    *wire.Writer

	mu     sync.Mutex
	frames []wire.Frame
	err    error // why there are no more frames
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Helper()
	w, err := wire.NewWriter(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, w: w}
}

func (p *peer) collect() *peer {
	r, err := wire.NewReader(p.conn)
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for {
			f, err := r.Next()
			p.mu.Lock()
			if err != nil {
				p.err = err
				p.mu.Unlock()
				return
			}
			p.frames = append(p.frames, f)
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *peer) send(f wire.Frame) {
	p.t.Helper()
	if err := errors.Join(p.w.Write(f), p.w.Flush()); err != nil {
		p.t.Fatalf("send %+v: %v", f, err)
	}
}

// got returns what arrived so far.
func (p *peer) got() ([]wire.Frame, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]wire.Frame(nil), p.frames...), p.err
}

func goodStart() wire.Start {
	return wire.Start{Protocol: wire.Protocol, Build: build, Token: token, Node: "n1", Session: "s1"}
}

// join connects with a good start frame and waits until all is quiet.
func (p *probe) join(t *testing.T, start wire.Start) *peer {
	t.Helper()
	c := newPeer(t, p.dial()).collect()
	c.send(wire.Frame{Start: &start})
	synctest.Wait()
	return c
}

// ended waits for Serve.
func (p *probe) ended(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-p.done:
		return err
	default:
		t.Fatal("the probe still serves")
		return nil
	}
}

// checkSeq fails unless the numbers of lines and events count from 1, and all
// else has none.
func checkSeq(t *testing.T, frames []wire.Frame) {
	t.Helper()
	lines, events := uint64(0), uint64(0)
	for i, f := range frames {
		if f.Event == nil && f.Gap == nil && f.Lost == nil {
			if f.Seq != 0 {
				t.Fatalf("frame %d of the connection has number %d", i+1, f.Seq)
			}
			continue
		}
		if lines++; f.Lost != nil {
			lines, events = f.Seq, events+f.Lost.Events
		}
		if f.Seq != lines {
			t.Fatalf("frame %d has number %d, want %d", i+1, f.Seq, lines)
		}
		if f.Event != nil {
			if events++; f.Event.Seq != events {
				t.Fatalf("event %d has number %d", events, f.Event.Seq)
			}
		}
	}
}

// byeOf returns the reason of the last frame.
func byeOf(t *testing.T, frames []wire.Frame) string {
	t.Helper()
	if len(frames) == 0 || frames[len(frames)-1].Bye == nil {
		t.Fatalf("%d frames, the last is no bye", len(frames))
	}
	return frames[len(frames)-1].Bye.Reason
}

func gapsOf(frames []wire.Frame) (out []wire.Gap) {
	for _, f := range frames {
		if f.Gap != nil {
			out = append(out, *f.Gap)
		}
	}
	return out
}

func kindsOf(frames []wire.Frame) (out []event.Kind) {
	for _, f := range frames {
		if f.Event != nil {
			out = append(out, f.Event.Kind)
		}
	}
	return out
}

func beatsOf(frames []wire.Frame) (out []wire.Beat) {
	for _, f := range frames {
		if f.Beat != nil {
			out = append(out, *f.Beat)
		}
	}
	return out
}
