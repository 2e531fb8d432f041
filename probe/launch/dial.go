package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Backoff between attempts to reach a probe that does not listen yet.
const (
	startingRetry = 100 * time.Millisecond // while the pod is not known to run
	firstRetry    = 20 * time.Millisecond  // once it is
	lastRetry     = 500 * time.Millisecond
)

// faultWait is how long the end of the data stream waits for its reason.
const faultWait = 50 * time.Millisecond

// maxStreamError bounds what is read of a port-forward's error stream.
const maxStreamError = 4 << 10

// dialer opens port-forward connections and remembers which of the two
// protocols the way to the API server lets through.
type dialer struct {
	spdyOnly atomic.Bool
}

// Dial opens a stream to the probe's port through its pod's portforward
// subresource, without a listening port on this machine. It tries again until
// the probe listens, the pod has ended, or ctx ends, and begins before the pod
// is known to run: a pod's status is up to a second behind its container.
//
// greet must begin the conversation on the stream and fail if the probe is not
// there: a port-forward to a closed port opens like any other and then breaks.
func (p *Probe) Dial(ctx context.Context, greet func(io.ReadWriteCloser) error) error {
	var (
		last    error
		wait    = startingRetry
		running bool
	)
	for {
		st, changed := p.State()
		var again <-chan time.Time
		switch {
		case st.Phase == Ended, st.Phase == Absent && st.Name != "":
			return st.lost(p.Node, last)
		case st.Phase == Running && !running:
			running, wait = true, firstRetry
			fallthrough
		case st.Phase == Running, st.Phase == Starting:
			last = p.try(ctx, st.Name, greet)
			if last == nil {
				return nil
			}
			if r, ok := errors.AsType[*Refused](last); ok {
				return r
			}
			again = time.After(wait)
			wait = min(wait+wait/3+time.Millisecond, lastRetry)
		}
		select {
		case <-again:
		case <-changed:
		case <-ctx.Done():
			return p.noStream(ctx.Err(), last)
		}
	}
}

// noStream is the refusal of a probe that could not be reached in time.
func (p *Probe) noStream(over, last error) *Refused {
	r := &Refused{
		Node: p.Node, Reason: Lost, Err: errors.Join(over, last), Ask: AskAgain,
		What: fmt.Sprintf("no stream to the probe on %s", p.Node),
	}
	if last != nil {
		r.Why = innermost(last)
		if unreachable(last) {
			r.What = fmt.Sprintf("the API server does not answer, and with it the probe on %s is out of reach", p.Node)
		}
	}
	return r
}

// lost is the refusal of a probe that ran and is gone.
func (st PodState) lost(node string, err error) *Refused {
	r := st.denied(node)
	if r == nil {
		r = &Refused{What: fmt.Sprintf("the probe on %s ended", node), Why: st.Why, Ask: AskAgain}
	}
	r.Node, r.Reason, r.Err = node, Lost, err
	return r
}

// try opens one connection and begins the conversation on it.
func (p *Probe) try(ctx context.Context, pod string, greet func(io.ReadWriteCloser) error) error {
	conn, err := p.open(ctx, pod)
	if err != nil {
		return err
	}
	if err := greet(conn); err != nil {
		conn.Close()
		return err
	}
	return nil
}

// portForwardURL is the address of the pod's portforward subresource.
func portForwardURL(config *rest.Config, namespace, pod string) (*url.URL, error) {
	c := rest.CopyConfig(config)
	c.APIPath, c.GroupVersion = "/api", &corev1.SchemeGroupVersion
	c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("this kubeconfig cannot open a stream: %w", err)
	}
	return client.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL(), nil
}

// open makes one port-forward connection with one pair of streams.
func (p *Probe) open(ctx context.Context, pod string) (io.ReadWriteCloser, error) {
	type result struct {
		conn io.ReadWriteCloser
		err  error
	}
	done := make(chan result, 1)
	// The dialers take no context: an attempt that outlives it closes what it
	// opened.
	go func() {
		conn, err := p.conns.open(p.run.rest, p.run.plan.Namespace, pod)
		if err == nil && ctx.Err() != nil {
			conn.Close()
			err = ctx.Err()
		}
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open dials WebSocket first (KEP-4006) and SPDY when the upgrade fails, as
// when a proxy or an older API server is in the way.
func (d *dialer) open(config *rest.Config, namespace, pod string) (io.ReadWriteCloser, error) {
	target, err := portForwardURL(config, namespace, pod)
	if err != nil {
		return nil, err
	}
	if !d.spdyOnly.Load() {
		ws, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, config)
		if err != nil {
			return nil, fmt.Errorf("this kubeconfig cannot open a stream: %w", err)
		}
		conn, _, err := ws.Dial(portforward.PortForwardProtocolV1Name)
		if err == nil {
			return newStream(conn)
		}
		if !httpstream.IsUpgradeFailure(err) && !httpstream.IsHTTPSProxyError(err) {
			return nil, err
		}
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, fmt.Errorf("this kubeconfig cannot open a stream: %w", err)
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	conn, _, err := old.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	d.spdyOnly.Store(true)
	return newStream(conn)
}

// stream is one forwarded connection: the data stream and what the error
// stream says about it.
type stream struct {
	conn  httpstream.Connection
	data  httpstream.Stream
	fault chan error // holds the error stream's text once it has ended
	once  sync.Once
}

// newStream opens the pair of streams that the kubelet expects for a
// connection to Port.
func newStream(conn httpstream.Connection) (io.ReadWriteCloser, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(Port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	errs, err := conn.CreateStream(headers)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the error stream of a port-forward: %w", err)
	}
	errs.Close() // this side has nothing to say on it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the data stream of a port-forward: %w", err)
	}
	s := &stream{conn: conn, data: data, fault: make(chan error, 1)}
	go func() {
		// Whatever comes is the reason why the connection is of no use. It may
		// come without an end: nobody promises to close this stream.
		text := make([]byte, maxStreamError)
		n, err := errs.Read(text)
		switch {
		case n > 0:
			s.fault <- errors.New(clean(string(text[:n])))
			s.Close() // a blocked Read must end
		case errors.Is(err, io.EOF):
			s.fault <- nil
		default:
			s.fault <- err
		}
	}()
	return s, nil
}

// Read reads what the probe sent. At the end it prefers the reason that the
// kubelet gave over a bare end of file.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.data.Read(b)
	if err != nil && n == 0 {
		select {
		case fault := <-s.fault:
			s.fault <- fault
			if fault != nil {
				return 0, fault
			}
		case <-time.After(faultWait):
		}
	}
	return n, err
}

func (s *stream) Write(b []byte) (int, error) { return s.data.Write(b) }

// Close ends both directions and the connection. It may be called while a Read
// is blocked, which then ends.
func (s *stream) Close() error {
	var err error
	s.once.Do(func() {
		_ = s.data.Reset()
		err = s.conn.Close()
	})
	return err
}
