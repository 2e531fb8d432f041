package agent

import (
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
					synctest.Wait()
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
