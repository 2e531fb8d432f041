package launch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// apiServer serves one pod's portforward subresource as an API server does,
// by SPDY and by SPDY in a WebSocket.
type apiServer struct {
	t      *testing.T
	noWS   bool
	handle func(data httpstream.Stream, fail func(string))

	websockets, spdys atomic.Int32
	path              atomic.Value
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.path.Store(r.URL.Path)
	var mu sync.Mutex
	pair := map[string]httpstream.Stream{}
	accept := func(st httpstream.Stream, _ <-chan struct{}) error {
		mu.Lock()
		defer mu.Unlock()
		pair[st.Headers().Get(corev1.StreamType)] = st
		if len(pair) < 2 {
			return nil
		}
		if port := st.Headers().Get(corev1.PortHeader); port != "7677" {
			s.t.Errorf("port %q", port)
		}
		data, errs := pair[corev1.StreamTypeData], pair[corev1.StreamTypeError]
		go func() {
			s.handle(data, func(text string) { io.WriteString(errs, text) })
			errs.Close()
			data.Close()
		}()
		return nil
	}
	if websocket.IsWebSocketUpgrade(r) {
		s.websockets.Add(1)
		if s.noWS {
			http.Error(w, "no WebSocket here", http.StatusForbidden)
			return
		}
		up := websocket.Upgrader{Subprotocols: websocket.Subprotocols(r)}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			s.t.Error(err)
			return
		}
		conn, err := spdy.NewServerConnection(portforward.NewTunnelingConnection("server", ws), accept)
		if err != nil {
			s.t.Error(err)
			return
		}
		<-conn.CloseChan()
		return
	}
	s.spdys.Add(1)
	w.Header().Set(httpstream.HeaderProtocolVersion, portforward.PortForwardProtocolV1Name)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, accept)
	if conn == nil {
		return
	}
	<-conn.CloseChan()
}

// dialProbe is a probe whose pod is known to run and whose API server is s.
func dialProbe(t *testing.T, s *apiServer) *Probe {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	s.t = t
	r := &Run{
		plan: &Plan{Options: Options{Namespace: "kube-system"}}, rest: &rest.Config{Host: server.URL},
		pods: &pods{byJob: map[string]PodState{"job": {Phase: Running, Name: "job-x"}}, changed: make(chan struct{})},
	}
	return &Probe{Candidate: Candidate{Target: Target{Node: "node-a"}}, run: r, job: "job"}
}

// echo answers each byte by itself.
func echo(data httpstream.Stream, _ func(string)) {
	b := make([]byte, 1)
	for {
		if _, err := data.Read(b); err != nil {
			return
		}
		if _, err := data.Write(b); err != nil {
			return
		}
	}
}

// exchange is a greeting that sends a word and wants it back.
func exchange(conn io.ReadWriteCloser) error {
	if _, err := io.WriteString(conn, "tapio"); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != "tapio" {
		return errors.New("the echo is " + string(got))
	}
	return nil
}

func TestDialBothProtocols(t *testing.T) {
	for name, noWS := range map[string]bool{"WebSocket": false, "SPDY when WebSocket is refused": true} {
		t.Run(name, func(t *testing.T) {
			s := &apiServer{noWS: noWS, handle: echo}
			p := dialProbe(t, s)
			for range 2 {
				var conn io.ReadWriteCloser
				err := p.Dial(t.Context(), func(c io.ReadWriteCloser) error { conn = c; return exchange(c) })
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					t.Error("a closed stream can be read")
				}
			}
			if s.path.Load() != "/api/v1/namespaces/kube-system/pods/job-x/portforward" {
				t.Errorf("path %v", s.path.Load())
			}
			want := [2]int32{2, 0}
			if noWS {
				want = [2]int32{1, 2} // the second connection does not try again
			}
			if got := [2]int32{s.websockets.Load(), s.spdys.Load()}; got != want {
				t.Errorf("WebSocket and SPDY upgrades %v, want %v", got, want)
			}
		})
	}
}

func TestDialRetriesUntilTheProbeListens(t *testing.T) {
	var calls atomic.Int32
	s := &apiServer{}
	s.handle = func(data httpstream.Stream, fail func(string)) {
		if calls.Add(1) < 4 {
			fail("dial tcp4 127.0.0.1:7677: connect: connection refused")
			return
		}
		echo(data, fail)
	}
	p := dialProbe(t, s)
	var conn io.ReadWriteCloser
	if err := p.Dial(t.Context(), func(c io.ReadWriteCloser) error { conn = c; return exchange(c) }); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if calls.Load() != 4 {
		t.Errorf("%d connections, want 4", calls.Load())
	}
}

func TestDialGivesUp(t *testing.T) {
	refusing := func(data httpstream.Stream, fail func(string)) {
		fail("failed to connect to localhost:7677: connect: connection refused\n\x1b[31m")
	}
	t.Run("with the kubelet's reason when the time is over", func(t *testing.T) {
		p := dialProbe(t, &apiServer{handle: refusing})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := p.Dial(ctx, exchange)
		if r := AsRefused(err); r == nil || r.Reason != Lost || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when the pod ended", func(t *testing.T) {
		p := dialProbe(t, &apiServer{handle: refusing})
		p.run.pods.byJob["job"] = PodState{Phase: Ended, Why: "OOMKilled, exit code 137"}
		err := p.Dial(t.Context(), exchange)
		if r := AsRefused(err); r == nil || r.Reason != Lost || !strings.Contains(err.Error(), "OOMKilled") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when the probe refuses", func(t *testing.T) {
		p := dialProbe(t, &apiServer{handle: echo})
		want := &Refused{Reason: Rejected, What: "wrong token"}
		if err := p.Dial(t.Context(), func(io.ReadWriteCloser) error { return want }); err != want {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when nothing answers", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // accepts in the kernel, never answers
		p := dialProbe(t, &apiServer{handle: echo})
		p.run.rest = &rest.Config{Host: "http://" + l.Addr().String()}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := p.Dial(ctx, exchange); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStreamErrorEndsABlockedRead(t *testing.T) {
	s, arrived := &apiServer{}, make(chan struct{})
	s.handle = func(data httpstream.Stream, fail func(string)) {
		io.WriteString(data, "x")
		<-arrived
		fail("the container is gone")
		io.Copy(io.Discard, data) // keeps the data stream open
	}
	p := dialProbe(t, s)
	err := p.Dial(t.Context(), func(c io.ReadWriteCloser) error {
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Errorf("the first byte: %v", err)
		}
		close(arrived)
		_, err := c.Read(b)
		return &Refused{Reason: Lost, What: "read", Why: err.Error()}
	})
	if !strings.Contains(err.Error(), "the container is gone") {
		t.Errorf("got %v", err)
	}
}

func TestDialBeginsBeforeThePodIsKnownToRun(t *testing.T) {
	for name, first := range map[string]PodState{
		"no pod yet":       {},
		"status is behind": {Phase: Starting, Name: "job-x"},
		"image refused":    {Phase: NoImage, Name: "job-y"},
	} {
		t.Run(name, func(t *testing.T) {
			p := dialProbe(t, &apiServer{handle: echo})
			p.run.pods.byJob["job"] = first
			if first.Phase != Starting {
				go p.run.pods.set(&corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Name: "job-x", OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "job"}}},
				}, false)
			}
			var conn io.ReadWriteCloser
			if err := p.Dial(t.Context(), func(c io.ReadWriteCloser) error { conn = c; return exchange(c) }); err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	}
}

func TestDialOutlivesTheReplacementOfItsJob(t *testing.T) {
	p := dialProbe(t, &apiServer{handle: echo})
	p.run.pods.byJob["job"] = PodState{Phase: Absent, Name: "job-old"} // the old pod was deleted
	p.between = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Dial(ctx, exchange); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("between two Jobs: %v", err)
	}
	p.between = false
	if err := p.Dial(t.Context(), exchange); AsRefused(err) == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after a deletion by someone else: %v", err)
	}
}
