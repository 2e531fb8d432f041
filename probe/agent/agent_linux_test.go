package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a", "memory.b"))))
		c := p.join(t, goodStart())
		sent := time.Now()
		c.send(wire.Frame{Ping: &wire.Ping{Sent: sent}})
		time.Sleep(2500 * time.Millisecond)
		c.send(wire.Frame{Stop: &wire.Stop{}})
		if err := p.ended(t); err != nil {
			t.Errorf("Serve returned %v after a stop", err)
		}
		frames, err := c.got()
		if err != io.EOF {
			t.Errorf("the stream ended with %v, want io.EOF", err)
		}
		checkSeq(t, frames)
		h := frames[0].Hello
		if h == nil {
			t.Fatal("the first frame is no hello")
		}
		want := wire.Hello{Protocol: wire.Protocol, Build: build, Node: "n1", BootID: "boot", Kernel: "6.1.0", Arch: "amd64",
			Specs: h.Specs, Clock: wire.Clock{Wall: sent, Boot: time.Hour}}
		if d := cmp.Diff(want, *h); d != "" || len(h.Specs) != 1 || h.Specs[0].Name != "memory" {
			t.Errorf("hello differs, specs %v (-want +got):\n%s", h.Specs, d)
		}
		if d := cmp.Diff([]event.Kind{"memory.a", "memory.b"}, kindsOf(frames)); d != "" {
			t.Errorf("events differ (-want +got):\n%s", d)
		}
		beats := beatsOf(frames)
		if len(beats) != 3 { // after 1 s, 2 s, and at the end
			t.Fatalf("%d beats, want 3", len(beats))
		}
		for _, b := range beats {
			if _, ok := b.Observers["memory"]; !ok || b.CPU != 7*time.Millisecond || b.RSS != 8<<20 || b.Dropped != 0 {
				t.Errorf("beat %+v", b)
			}
		}
		pongs := 0
		for _, f := range frames {
			if f.Pong != nil {
				pongs++
				if !f.Pong.Echo.Equal(sent) || !f.Pong.Received.Equal(sent) || !f.Pong.Sent.Equal(sent) {
					t.Errorf("pong %+v, want all at %v", f.Pong, sent)
				}
			}
		}
		if pongs != 1 {
			t.Errorf("%d pongs, want 1", pongs)
		}
		if got := byeOf(t, frames); got != "the client asked to stop" {
			t.Errorf("bye %q", got)
		}
	})
}

// Events wait for the flush, and not for longer.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		c := p.join(t, goodStart())
		if frames, _ := c.got(); len(kindsOf(frames)) != 0 {
			t.Error("an event arrived at once; a flush for each event is not affordable")
		}
		time.Sleep(flushAfter)
		synctest.Wait()
		if frames, _ := c.got(); len(kindsOf(frames)) != 1 {
			t.Errorf("after %v there are %d events, want 1", flushAfter, len(kindsOf(frames)))
		}
	})
}

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
		{"protocol", start(func(s *wire.Start) { s.Protocol = 99 }), "this probe speaks protocol 1 and kubectl-tapio 99: use a probe and a kubectl-tapio of the same build"},
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

func TestDeadMan(t *testing.T) {
	tests := []struct {
		name  string
		drive func(*testing.T, *probe) *peer
		after time.Duration
	}{
		{"no client", func(*testing.T, *probe) *peer { return nil }, DefaultPatience},
		{"silent client", func(t *testing.T, p *probe) *peer { return p.join(t, goodStart()) }, DefaultSilence},
		{"client without token", func(t *testing.T, p *probe) *peer {
			for range 40 { // more than patience
				conn := p.dial()
				time.Sleep(time.Second)
				conn.Close()
			}
			return nil
		}, DefaultPatience},
		{"pings keep it alive", func(t *testing.T, p *probe) *peer {
			c := p.join(t, goodStart())
			for range 60 {
				time.Sleep(10 * time.Second)
				c.send(wire.Frame{Ping: &wire.Ping{}})
			}
			return c
		}, 600*time.Second + DefaultSilence},
		{"connection lost", func(t *testing.T, p *probe) *peer {
			c := p.join(t, goodStart())
			time.Sleep(5 * time.Second)
			c.send(wire.Frame{Ping: &wire.Ping{}})
			synctest.Wait()
			c.conn.Close()
			return nil
		}, 5*time.Second + DefaultSilence},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, config(entry("memory", emitting())))
				c := tt.drive(t, p)
				err := <-p.done
				if !errors.Is(err, ErrSilent) || p.lived != tt.after {
					t.Errorf("ended with %v after %v, want ErrSilent after %v", err, p.lived, tt.after)
				}
				if c != nil {
					frames, _ := c.got()
					if got := byeOf(t, frames); got != "the client is silent: no word from it for 15s" {
						t.Errorf("bye %q", got)
					}
				}
			})
		})
	}
}

func TestToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		c := p.join(t, goodStart())
		p.cancel()
		if err := p.ended(t); err != nil {
			t.Errorf("Serve returned %v", err)
		}
		frames, err := c.got()
		if got := byeOf(t, frames); !strings.Contains(got, "its pod is being stopped") || err != io.EOF {
			t.Errorf("bye %q, %v", got, err)
		}
		if len(kindsOf(frames)) != 1 || len(beatsOf(frames)) != 1 {
			t.Errorf("frames %+v, want the queued event and a last beat", frames)
		}
	})
}

func TestNewStreamAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting("memory.a"))))
		for range 3 {
			c := p.join(t, goodStart())
			time.Sleep(flushAfter)
			synctest.Wait()
			frames, _ := c.got()
			checkSeq(t, frames)
			if len(frames) != 2 || frames[0].Hello == nil || frames[1].Event == nil {
				t.Errorf("frames %+v, want a hello and an event", frames)
			}
			c.conn.Close()
			synctest.Wait()
			time.Sleep(DefaultSilence - time.Second)
		}
	})
}

func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting())))
		old := p.join(t, goodStart())
		fresh := p.join(t, goodStart())
		frames, _ := old.got()
		if got := byeOf(t, frames); got != "another connection of the client took over" {
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
		fresh := p.join(t, s)
		time.Sleep(byeTimeout)
		synctest.Wait()
		if frames, err := fresh.got(); len(frames) == 0 || frames[0].Hello == nil || err != nil {
			t.Errorf("the new client has %+v, %v", frames, err)
		}
	})
}

func TestStopJustBeforeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, config(entry("memory", emitting())))
		c := p.join(t, goodStart())
		c.send(wire.Frame{Stop: &wire.Stop{}})
		c.conn.Close()
		if err := p.ended(t); err != nil {
			t.Errorf("Serve returned %v, want nil after a stop", err)
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

func TestListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("too many open files")
		err := Serve(t.Context(), failingListener{newPipes(), broken}, config())
		if !errors.Is(err, broken) {
			t.Errorf("Serve returned %v, want %v", err, broken)
		}
	})
}

type failingListener struct {
	*pipes
	err error
}

func (l failingListener) Accept() (net.Conn, error) { return nil, l.err }

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
