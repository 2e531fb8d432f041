//go:build live

package e2e

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
)

// cable is a way to the API server that can be cut.
type cable struct {
	ln    net.Listener
	to    string
	mu    sync.Mutex
	conns []net.Conn
	cuts  int
}

// newCable listens on the loopback address and passes connections on to the
// API server of a config, whose copy it returns changed.
func newCable(t *testing.T, config *rest.Config) (*cable, *rest.Config) {
	t.Helper()
	u, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{ln: ln, to: u.Host}
	t.Cleanup(func() { ln.Close(); c.cut() })
	go c.serve()
	copied := rest.CopyConfig(config)
	copied.Host = "https://" + ln.Addr().String()
	copied.ServerName = u.Hostname()
	return c, copied
}

func (c *cable) serve() {
	for {
		near, err := c.ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() {
				io.Copy(pair[0], pair[1])
				pair[0].Close()
				pair[1].Close()
			}()
		}
	}
}

// cut breaks every connection without a farewell.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	c.conns = nil
	c.cuts++
}

// TestStreamIsCut cuts the port-forwards of all probes again and again: the
// probes go on, every event arrives once, and the clocks stay aligned. The
// times of the reconnections are logged.
func TestStreamIsCut(t *testing.T) {
	c := client(t)
	lasts, every := 15*time.Second, 1500*time.Millisecond
	if full() {
		lasts, every = time.Minute, 5*time.Second
	}
	direct := restConfig(t, "")
	api, err := launch.NewClient(direct)
	if err != nil {
		t.Fatal(err)
	}
	line, cuttable := newCable(t, direct)
	p, err := session.NewPlan(t.Context(), session.Config{Client: api, Rest: cuttable, Nodes: allNodes(t, c)})
	if err != nil {
		t.Fatal(err)
	}
	needsPayload(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := p.Start(ctx)
	events, lost, hellos, began := map[string]uint64{}, uint64(0), map[string]int{}, time.Time{}
	for f := range s.Frames() {
		switch {
		case f.Hello != nil && !f.Hello.Resumed:
			if hellos[f.Source.Name]++; began.IsZero() {
				began = time.Now()
				go func() {
					for time.Since(began) < lasts {
						time.Sleep(every)
						line.cut()
					}
					time.Sleep(2 * time.Second)
					cancel()
				}()
			}
		case f.Event != nil:
			if events[f.Source.Name]++; f.Event.Seq != events[f.Source.Name] {
				t.Fatalf("event %d of %s has number %d", events[f.Source.Name], f.Source.Name, f.Event.Seq)
			}
		case f.Lost != nil:
			lost += f.Lost.Events
		case f.Gap != nil && f.Gap.Observer == session.GapObserver:
			t.Errorf("%s: %s", f.Source.Name, f.Gap.Why)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	noneOf(t, c, p.Run(), 5*time.Second)
	away := s.Resumptions()
	if lost > 0 || len(events) == 0 || len(away) < line.cuts-1 {
		t.Errorf("%d lost, events %v, %d resumptions after %d cuts", lost, events, len(away), line.cuts)
	}
	for node, n := range hellos {
		if n != 1 {
			t.Errorf("%s began %d times", node, n)
		}
	}
	for node, o := range s.Offsets() {
		if o.Offset.Abs() > o.Error+time.Second {
			t.Errorf("the clock of %s is off by %s +- %s", node, o.Offset, o.Error)
		}
	}
	slices.SortFunc(away, func(a, b session.Resumption) int { return int(a.Away - b.Away) })
	if len(away) > 0 {
		t.Logf("%d cuts, %d resumptions: median %s, worst %s; events %v", line.cuts, len(away),
			away[len(away)/2].Away.Round(time.Millisecond), away[len(away)-1].Away.Round(time.Millisecond), events)
	}
}
