package agent

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

func TestRefusals(t *testing.T) {
	start := func(change func(*wire.Start)) wire.Frame {
		s := goodStart()
		change(&s)
		return wire.Frame{Start: &s}
	}
	tests := []struct {
		name  string
		frame wire.Frame
		want  string
	}{
		{"token", start(func(s *wire.Start) { s.Token = "other" }), "the token is not the one of this run"},
		{"no token", start(func(s *wire.Start) { s.Token = "" }), "the token is not the one of this run"},
		{"token before build", start(func(s *wire.Start) { s.Token, s.Build = "other", "v9" }), "the token is not the one of this run"},
		{"protocol", start(func(s *wire.Start) { s.Protocol = 99 }), "this probe speaks protocol 2 and kubectl-tapio 99: use a probe and a kubectl-tapio of the same build"},
		{"build", start(func(s *wire.Start) { s.Build = "v9" }), "this probe is build v1.2.3 and kubectl-tapio is build v9: use a probe and a kubectl-tapio of the same build"},
		{"not a start", wire.Frame{Ping: &wire.Ping{}}, "the first frame is not a start: use kubectl-tapio of build v1.2.3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, config(entry("memory", emitting())))
				c := newPeer(t, p.dial()).collect()
				c.send(tt.frame)
				synctest.Wait()
				frames, err := c.got()
				if len(frames) != 1 || err != io.EOF || byeOf(t, frames) != tt.want {
					t.Errorf("frames %+v, %v; want the bye %q and the end", frames, err, tt.want)
				}
				if frames, _ := p.join(t, goodStart()).got(); len(frames) == 0 || frames[0].Hello == nil {
					t.Error("the next client is not served")
				}
			})
		})
	}
}

func TestNotTheProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config())
		conn := p.dial()
		go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if b, err := io.ReadAll(conn); len(b) != 0 || err != nil {
			t.Errorf("got %q, %v; want the end and nothing else", b, err)
		}
	})
}

func TestHandshakeTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config())
		began := time.Now()
		if b, err := io.ReadAll(p.dial()); len(b) != 0 || err != nil {
			t.Errorf("got %q, %v; want the end and nothing else", b, err)
		}
		if waited := time.Since(began); waited != startTimeout {
			t.Errorf("closed after %v, want %v", waited, startTimeout)
		}
	})
}

func TestTooManyHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config())
		for range maxHandshakes {
			conn := p.dial()
			defer conn.Close()
		}
		synctest.Wait()
		began := time.Now()
		if _, err := p.dial().Read(make([]byte, 1)); err != io.EOF || time.Since(began) != 0 {
			t.Errorf("one connection too many ended with %v after %v, want io.EOF at once", err, time.Since(began))
		}
		time.Sleep(startTimeout)
		synctest.Wait()
		if frames, _ := p.join(t, goodStart()).got(); len(frames) == 0 {
			t.Error("nobody is served after the others timed out")
		}
	})
}

func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting())))
		old := p.join(t, goodStart())
		other := goodStart()
		other.Session = "s2"
		fresh := p.join(t, other)
		frames, _ := old.got()
		if got := byeOf(t, frames); got != "another client took over" {
			t.Errorf("bye %q", got)
		}
		if frames, err := fresh.got(); len(frames) != 1 || err != nil {
			t.Errorf("the new client has %+v, %v", frames, err)
		}
		fresh.send(wire.Frame{Stop: &wire.Stop{}})
		if err := p.ended(t); err != nil {
			t.Error(err)
		}
	})
}

// A client whose connection hangs, so that nothing can be written to it, does
// not keep a new one out.
func TestTakeOverFromHangingConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting())))
		hanging := newPeer(t, p.dial())
		s := goodStart()
		hanging.send(wire.Frame{Start: &s})
		s.Session = "s2"
		fresh := p.join(t, s)
		time.Sleep(byeTimeout)
		synctest.Wait()
		if frames, err := fresh.got(); len(frames) == 0 || frames[0].Hello == nil || err != nil {
			t.Errorf("the new client has %+v, %v", frames, err)
		}
	})
}

func TestClientBreaksTheRules(t *testing.T) {
	tests := []struct {
		name string
		send func(*peer)
		want string
	}{
		{"second start", func(c *peer) { s := goodStart(); c.send(wire.Frame{Start: &s}) },
			"the client sent a frame that is not valid: wire: start was sent twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, config(entry("memory", emitting())))
				c := p.join(t, goodStart())
				tt.send(c)
				synctest.Wait()
				frames, _ := c.got()
				if got := byeOf(t, frames); got != tt.want {
					t.Errorf("bye %q, want %q", got, tt.want)
				}
				if len(p.done) > 0 {
					t.Error("the probe ended")
				}
			})
		})
	}
}

// Over TCP a refused client reads its bye although it had more to say.
func TestLoopback(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, config(entry("memory", emitting("memory.a")))) }()
	defer cancel()
	talk := func(start wire.Start, last wire.Frame) []wire.Frame {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := newPeer(t, conn)
		for _, f := range []wire.Frame{{Start: &start}, {Ping: &wire.Ping{}}, last} {
			c.send(f)
		}
		r, err := wire.NewReader(conn)
		if err != nil {
			t.Fatal(err)
		}
		var frames []wire.Frame
		for {
			f, err := r.Next()
			if err == io.EOF {
				return frames
			}
			if err != nil {
				t.Fatalf("after %d frames: %v", len(frames), err)
			}
			frames = append(frames, f)
		}
	}
	bad := goodStart()
	bad.Token = "other"
	if got := byeOf(t, talk(bad, wire.Frame{Ping: &wire.Ping{}})); got != "the token is not the one of this run" {
		t.Errorf("bye %q", got)
	}
	frames := talk(goodStart(), wire.Frame{Stop: &wire.Stop{}})
	checkSeq(t, frames)
	if got := byeOf(t, frames); got != "the client asked to stop" {
		t.Errorf("bye %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
