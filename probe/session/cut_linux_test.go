package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/agent"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

// number is the field that tells the events of a source apart.
var number = event.Field[int64]{Name: "number"}

// source is an observer that emits events at a rate, each as large as facts of
// the kernel are.
type source struct {
	rate    int // events a second
	emitted atomic.Int64
	opened  atomic.Int64
}

func (s *source) Run(ctx context.Context, emit func(event.Event)) error {
	const step = 10 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for range s.rate / int(time.Second/step) {
				emit(event.Event{
					Kind: "source.call", At: now, Count: 1,
					Refs: []event.Ref{
						{Role: event.Subject, Key: event.CgroupKey("0b7e6c1e-53a4-4e0b-9a57-3c1f1f4d1c11", "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1")},
						{Role: event.Host, Key: event.NodeKey("worker-1")},
					},
					Attrs: event.Attrs{"number": event.ValueOf(s.emitted.Add(1))},
				})
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *source) Stats() observers.Stats { return observers.Stats{Events: uint64(s.emitted.Load())} }

// serveAgent runs the real probe with one source on a listener.
func serveAgent(ctx context.Context, ln net.Listener, token string, s *source) <-chan error {
	done := make(chan error, 1)
	cfg := agent.Config{
		TokenHash: sha256.Sum256([]byte(token)), Build: testBuild, Silence: agent.DefaultSilence, Patience: agent.DefaultPatience,
		Cost: func() (time.Duration, uint64) { return 0, 0 },
		Open: func(start wire.Start) (*agent.Machine, error) {
			return &agent.Machine{
				Node: start.Node, BootID: "boot", Kernel: "6.1.0", Arch: "amd64",
				Clock: func() (time.Time, time.Duration) { return time.Now(), time.Hour },
				Observers: []agent.Entry{{Spec: observers.Spec{Name: "source", Side: observers.Node}, Open: func() (observers.Observer, error) {
					s.opened.Add(1)
					return s, nil
				}}},
			}, nil
		},
	}
	go func() { done <- agent.Serve(ctx, ln, cfg) }()
	return done
}

// wireProbe is a probe that is reached by a dialler that can be cut.
type wireProbe struct {
	dial func() (net.Conn, error)
	away time.Duration // how long each reconnection takes

	mu   sync.Mutex
	conn net.Conn
	n    int
}

func (p *wireProbe) WaitRunning(context.Context) error { return nil }

func (p *wireProbe) State() (launch.PodState, <-chan struct{}) {
	return launch.PodState{Phase: launch.Running}, nil
}

// Dial behaves as the real one: it tries again while the pod runs.
func (p *wireProbe) Dial(ctx context.Context, greet func(io.ReadWriteCloser) error) error {
	if p.n++; p.n > 1 && !sleep(ctx, p.away) {
		return ctx.Err()
	}
	for {
		conn, err := p.dial()
		if err == nil {
			p.mu.Lock()
			p.conn = conn
			p.mu.Unlock()
			if err = greet(conn); err == nil {
				return nil
			}
			conn.Close()
		}
		if r, ok := errors.AsType[*launch.Refused](err); ok {
			return r
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// cut breaks the connection as a dying API server does: without a farewell.
func (p *wireProbe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

// ledger is what arrived at the client.
type ledger struct {
	events, lost uint64
	losses       []wire.Lost
	gaps         []string
	resumed      int
	wrong        string
}

// read checks that events arrive once, in order, and that losses account for
// every one that is missing.
func (l *ledger) read(frames <-chan wire.Sourced) {
	for f := range frames {
		switch {
		case f.Event != nil:
			l.events++
			if no := number.Or(*f.Event, 0); uint64(no) != l.events+l.lost && l.wrong == "" {
				l.wrong = "events do not arrive once and in order"
			}
		case f.Lost != nil:
			l.lost += f.Lost.Events
			l.losses = append(l.losses, *f.Lost)
		case f.Gap != nil:
			l.gaps = append(l.gaps, f.Gap.Why)
		case f.Hello != nil && f.Hello.Resumed:
			l.resumed++
		}
	}
}

// run drives a session over p, cuts it for a time, leaves it in peace for
// another, and returns what arrived.
func (p *wireProbe) run(t *testing.T, token string, every, cutting, calm time.Duration) (*ledger, *Session) {
	t.Helper()
	plan := &Plan{cfg: Config{Build: testBuild}, token: token, run: "run1", times: newTimes()}
	s := plan.start(t.Context(), func(context.Context) (fleet, []member) {
		return &fakeFleet{}, []member{{node: launch.Target{Node: "a"}, probe: p}}
	})
	done := make(chan *ledger)
	go func() {
		var l ledger
		l.read(s.Frames())
		done <- &l
	}()
	cuts := time.NewTicker(every)
	for range int(cutting / every) {
		<-cuts.C
		p.cut()
	}
	cuts.Stop()
	<-time.After(calm)
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return <-done, s
}

// A stream that is cut every five seconds for a minute, at 5,000 events a
// second: while the spool holds nothing is lost, and past it exactly what is
// told.
func TestCutStream(t *testing.T) {
	for name, tt := range map[string]struct {
		away  time.Duration // from each cut to the new connection
		lasts time.Duration
		loses bool
	}{
		"back at once":              {0, 15 * time.Second, false},
		"back after a second":       {time.Second, time.Minute, false},
		"back later than it holds":  {4 * time.Second, 20 * time.Second, true},
		"back after a long silence": {12 * time.Second, 20 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ln := newPipes()
				src := &source{rate: 5000}
				served := serveAgent(ctx, ln, "token", src)
				p := &wireProbe{dial: ln.dial, away: tt.away}
				l, s := p.run(t, "token", 5*time.Second, tt.lasts, tt.away+2*time.Second)
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
				if l.wrong != "" || l.events+l.lost != uint64(src.emitted.Load()) {
					t.Errorf("%d emitted, %d arrived, %d lost; %s", src.emitted.Load(), l.events, l.lost, l.wrong)
				}
				if (l.lost > 0) != tt.loses || len(l.gaps) > 0 || src.opened.Load() != 1 {
					t.Errorf("%d lost, gaps %v, the observer was opened %d times", l.lost, l.gaps, src.opened.Load())
				}
				if l.resumed == 0 || l.resumed != len(s.Resumptions()) {
					t.Errorf("resumed %d times by the probe, %d by the session", l.resumed, len(s.Resumptions()))
				}
				for _, x := range l.losses {
					if span := x.To.Sub(x.From); span < 0 || span > tt.away || x.Observers["source"] != x.Events {
						t.Errorf("loss %+v over %v", x, span)
					}
				}
				t.Logf("%d events, %d lost in %d losses, %d resumptions", src.emitted.Load(), l.lost, len(l.losses), l.resumed)
			})
		})
	}
}

// The same over TCP, where what was sent and not yet read dies with the
// connection.
func TestCutTCP(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	src := &source{rate: 5000}
	served := serveAgent(ctx, ln, "token", src)
	p := &wireProbe{dial: func() (net.Conn, error) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			err = conn.(*net.TCPConn).SetLinger(0) // a cut is a reset
		}
		return conn, err
	}}
	l, _ := p.run(t, "token", 100*time.Millisecond, time.Second, 500*time.Millisecond)
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if l.wrong != "" || l.events != uint64(src.emitted.Load()) || l.lost > 0 || l.resumed < 3 || len(l.gaps) > 0 {
		t.Errorf("%d emitted, %d arrived, %d lost, %d resumptions, gaps %v; %s", src.emitted.Load(), l.events, l.lost, l.resumed, l.gaps, l.wrong)
	}
}

// A reader of the session that stalls for a while loses what does not fit, is
// told so, and keeps its probe.
func TestStalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ln := newPipes()
		src := &source{rate: 5000}
		served := serveAgent(ctx, ln, "token", src)
		p := &wireProbe{dial: ln.dial}
		plan := &Plan{cfg: Config{Build: testBuild}, token: "token", run: "run1", times: newTimes()}
		s := plan.start(t.Context(), func(context.Context) (fleet, []member) {
			return &fakeFleet{}, []member{{node: launch.Target{Node: "a"}, probe: p}}
		})
		time.Sleep(40 * time.Second) // nobody reads, for longer than a silent client is borne
		var l ledger
		go func() {
			time.Sleep(5 * time.Second)
			s.Close(context.Background())
		}()
		l.read(s.Frames())
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if l.wrong != "" || l.events+l.lost != uint64(src.emitted.Load()) || l.lost == 0 || len(l.gaps) > 0 {
			t.Errorf("%d emitted, %d arrived, %d lost, gaps %v; %s", src.emitted.Load(), l.events, l.lost, l.gaps, l.wrong)
		}
	})
}

// pipes is a listener whose connections stay inside a bubble of synctest.
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

func (p *pipes) dial() (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return a, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
