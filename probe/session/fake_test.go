package session

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

const testBuild = "v1.2.3"

// fakeProbe is a probe whose pod runs at once and whose program is a function.
type fakeProbe struct {
	name  string
	wait  func(ctx context.Context) error // nil: runs at once
	serve func(p *peer)                   // called for each connection

	met   atomic.Bool
	mu    sync.Mutex
	phase launch.Phase
	why   string
}

func (f *fakeProbe) WaitRunning(ctx context.Context) error {
	if f.wait != nil {
		return f.wait(ctx)
	}
	f.set(launch.Running, "")
	return nil
}

func (f *fakeProbe) State() (launch.PodState, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return launch.PodState{Phase: f.phase, Why: f.why}, nil
}

func (f *fakeProbe) set(phase launch.Phase, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.phase, f.why = phase, why
}

// Dial behaves as the real one: it tries again while the pod runs.
func (f *fakeProbe) Dial(ctx context.Context, greet func(io.ReadWriteCloser) error) error {
	for {
		f.mu.Lock()
		phase, why := f.phase, f.why
		f.mu.Unlock()
		if phase == launch.Absent {
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if phase != launch.Running {
			return &launch.Refused{Node: f.name, Reason: launch.Lost, What: "the probe on " + f.name + " ended", Why: why}
		}
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			p := newPeer(theirs)
			p.met = &f.met
			f.serve(p)
		}()
		err := greet(ours)
		if err == nil {
			return nil
		}
		ours.Close()
		if r, ok := errors.AsType[*launch.Refused](err); ok {
			return r
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return &launch.Refused{Node: f.name, Reason: launch.Lost, What: "no stream to the probe on " + f.name, Err: ctx.Err()}
		}
	}
}

// peer is the probe's end of a connection.
type peer struct {
	conn net.Conn
	w    *wire.Writer
	r    *wire.Reader
	seq  uint64
	skew time.Duration // of the node's clock
	anew bool          // whether it never resumes
	acks []uint64
	met  *atomic.Bool // whether an earlier connection said hello
}

func newPeer(conn net.Conn) *peer {
	w, _ := wire.NewWriter(conn)
	r, _ := wire.NewReader(conn)
	return &peer{conn: conn, w: w, r: r}
}

func (p *peer) send(frames ...wire.Frame) error {
	for _, f := range frames {
		if f.Event != nil || f.Gap != nil {
			p.seq++
			f.Seq = p.seq
		}
		if err := p.w.Write(f); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

// hello takes Start and answers it.
func (p *peer) hello() *wire.Start {
	f, err := p.r.Next()
	if err != nil || f.Start == nil {
		return nil
	}
	resumed := p.met != nil && p.met.Swap(true) && !p.anew
	if resumed {
		p.seq = f.Start.After
	}
	if p.send(wire.Frame{Hello: &wire.Hello{Protocol: wire.Protocol, Build: testBuild, Node: f.Start.Node, Resumed: resumed}}) != nil {
		return nil
	}
	return f.Start
}

// serve answers pings and beats every second until Stop, then says bye. It
// returns whether Stop came.
func (p *peer) serve() bool {
	frames := make(chan wire.Frame)
	go func() {
		defer close(frames)
		for {
			f, err := p.r.Next()
			if err != nil {
				return
			}
			frames <- f
		}
	}()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		select {
		case f, ok := <-frames:
			switch {
			case !ok:
				return false
			case f.Ping != nil:
				now := time.Now().Add(p.skew).UTC()
				if p.send(wire.Frame{Pong: &wire.Pong{Echo: f.Ping.Sent, Received: now, Sent: now}}) != nil {
					return false
				}
			case f.Ack != nil:
				p.acks = append(p.acks, f.Ack.Seq)
			case f.Stop != nil:
				p.send(wire.Frame{Beat: &wire.Beat{}}, wire.Frame{Bye: &wire.Bye{Reason: "stopped"}})
				for range frames {
				}
				return true
			}
		case <-beat.C:
			if p.send(wire.Frame{Beat: &wire.Beat{}}) != nil {
				return false
			}
		}
	}
}

// fakeFleet counts what the session does with its probes.
type fakeFleet struct {
	mu      sync.Mutex
	kept    time.Duration
	deleted int
	err     error
}

func (f *fakeFleet) KeepAlive(ctx context.Context) {
	began := time.Now()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = time.Since(began)
}

func (f *fakeFleet) Delete(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted++
	if ctx.Err() != nil {
		return errors.New("the removal was given a context that has ended")
	}
	return f.err
}

// begin starts a session over the given probes.
func begin(t *testing.T, ctx context.Context, fleet *fakeFleet, probes ...*fakeProbe) *Session {
	t.Helper()
	token, _ := newToken()
	p := &Plan{cfg: Config{Build: testBuild, Observers: []string{"memory"}}, token: token, run: "run1", times: newTimes()}
	return p.start(ctx, func(context.Context) (launchedFleet, []member) {
		var members []member
		for _, f := range probes {
			members = append(members, member{node: launch.Target{Node: f.name, PodUIDs: []string{"uid"}}, probe: f})
		}
		return fleet, members
	})
}

// launchedFleet names the interface where a variable hides it.
type launchedFleet = fleet

// collect reads frames until the channel is closed.
func collect(s *Session) []wire.Sourced {
	var out []wire.Sourced
	for f := range s.Frames() {
		out = append(out, f)
	}
	return out
}

// gaps returns the sentences of the gaps among frames.
func gaps(frames []wire.Sourced) []string {
	var out []string
	for _, f := range frames {
		if f.Gap != nil {
			out = append(out, f.Gap.Why)
		}
	}
	return out
}

func kill(at time.Time) wire.Frame {
	return wire.Frame{Event: &event.Event{Kind: "memory.oom_kill", At: at}}
}
