//go:build live

package e2e

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

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
	away  bool // whether connections are refused
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
		c.mu.Lock()
		away := c.away
		c.mu.Unlock()
		far, err := net.Dial("tcp", c.to)
		if err == nil && away {
			far.Close()
			err = net.ErrClosed
		}
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

// set takes the API server away, as it is while it restarts, or brings it back.
func (c *cable) set(away bool) {
	c.mu.Lock()
	c.away = away
	c.mu.Unlock()
	if away {
		c.cut()
	}
}

// kubeconfig writes the config down for a plugin.
func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	c := api.NewConfig()
	c.Clusters["cut"] = &api.Cluster{Server: config.Host, TLSServerName: config.ServerName, CertificateAuthorityData: config.CAData}
	c.AuthInfos["cut"] = &api.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["cut"] = &api.Context{Cluster: "cut", AuthInfo: "cut"}
	c.CurrentContext = "cut"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAPIServerGoesAway takes the API server away from a running plugin, every
// connection of it: for a while, which costs nothing, or for good, which ends
// the run with a sentence.
func TestAPIServerGoesAway(t *testing.T) {
	c := client(t)
	for name, tt := range map[string]struct {
		away    time.Duration // 0: for good
		within  time.Duration // from then to the end of the run
		says    string
		neither string
	}{
		"restart":  {away: 6 * time.Second, within: 25 * time.Second, says: "Nothing is wrong with pod web now", neither: "probe on"},
		"for good": {within: 40 * time.Second, says: "the API server does not answer", neither: "none seen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.away == 0 && !full() {
				t.Skip("waits for a probe's lease: run make test-full")
			}
			ns, probes := namespace(t, c, nil), namespace(t, c, nil)
			apply(t, ns, pod("web", "64Mi", "pause"))
			status(t, c, ns, "web", "web runs", isRunning)
			line, config := newCable(t, restConfig(t, ""))
			r, _ := explaining(t, c, ns, probes, "--kubeconfig="+kubeconfig(t, config), "--duration=20s", "-v")
			went := time.Now()
			line.set(true)
			if tt.away > 0 {
				time.Sleep(tt.away)
				line.set(false)
			}
			got := r.wait(t)
			if took := time.Since(went); took > tt.within {
				t.Errorf("the run ended %s later", took)
			}
			all := strings.Join(strings.Fields(got.stdout+got.stderr), " ")
			if !strings.Contains(all, tt.says) || strings.Contains(got.stdout, tt.neither) || strings.Contains(got.stdout, "lost,") && !strings.Contains(got.stdout, "0 lost") {
				t.Errorf("%s%s", got.stderr, got.stdout)
			}
			t.Logf("\n%s%s", got.stderr, got.stdout)
			eventually(t, "no Job is left", func() bool {
				jobs, err := c.BatchV1().Jobs(probes).List(t.Context(), metav1.ListOptions{})
				return err == nil && len(jobs.Items) == 0
			})
		})
	}
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
	fast, err := launch.NewClient(direct)
	if err != nil {
		t.Fatal(err)
	}
	line, cuttable := newCable(t, direct)
	p, err := session.NewPlan(t.Context(), session.Config{Client: fast, Rest: cuttable, Nodes: allNodes(t, c)})
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
