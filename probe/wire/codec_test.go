package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

var (
	noon      = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	equalVals = cmp.AllowUnexported(event.Value{})
)

// killEvent is an event as large as OOM kills are.
func killEvent() *event.Event {
	ev := &event.Event{
		Seq: 7, Kind: "memory.oom_kill", At: noon, Count: 1,
		Refs: []event.Ref{
			{Role: event.Subject, Key: event.CgroupKey("0b7e6c1e-53a4-4e0b-9a57-3c1f1f4d1c11", strings.Repeat("a1", 32))},
			{Role: event.Owner, Key: event.PodKey("0b7e6c1e-53a4-4e0b-9a57-3c1f1f4d1c11")},
			{Role: event.Host, Key: event.NodeKey("worker-1")},
		},
		Attrs: event.Attrs{
			"victim_pid": event.ValueOf[int64](4242), "victim_comm": event.ValueOf("worker"),
			"victim_anon": event.ValueOf[int64](64 << 20), "ratio": event.ValueOf(0.5),
			"origin": event.ValueOf("tracepoint"), "group": event.ValueOf(true),
			"constraint": event.ValueOf("container"), "limiter_limit": event.ValueOf[int64](64 << 20),
		},
	}
	return ev
}

// allFrames has one frame of each kind.
func allFrames() []Frame {
	return []Frame{
		{Start: &Start{Protocol: Protocol, Build: "v1", Token: "t", Node: "n", Observers: []string{"memory"}, Scope: Scope{PodUIDs: []string{"u"}}, Session: "5eed", After: 3}},
		{Ping: &Ping{Sent: noon}},
		{Stop: &Stop{}},
		{Seq: 1, Hello: &Hello{Protocol: Protocol, Build: "v1", Node: "n", BootID: "b", Kernel: "6.1.0", Arch: "amd64",
			Specs: []observers.Spec{{Name: "memory", Side: observers.Node}}, Clock: Clock{Wall: noon, Boot: time.Hour}}},
		{Seq: 2, Gap: &Gap{Observer: "memory", Need: observers.Need{Type: observers.Hook, Name: "x"}, Why: "no <such> hook\nhere"}},
		{Seq: 3, Event: killEvent()},
		{Seq: 4, Beat: &Beat{Clock: Clock{Wall: noon}, Observers: map[string]observers.Stats{"memory": {Events: 1}}, Dropped: 2, CPU: 3, RSS: 4}},
		{Seq: 5, Pong: &Pong{Echo: noon, Received: noon, Sent: noon}},
		{Seq: 6, Bye: &Bye{Reason: "done"}},
		{Ack: &Ack{Seq: 6}},
		{Hello: &Hello{Protocol: Protocol, Build: "v1", Node: "n", Specs: []observers.Spec{}, Resumed: true}},
		{Seq: 90, Lost: &Lost{Events: 84, From: noon, To: noon.Add(time.Second), Observers: map[string]uint64{"memory": 84}}},
	}
}

func encode(t testing.TB, frames ...Frame) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// compressed is a regular stream with the given content.
func compressed(t testing.TB, content string, opts ...zstd.EOption) []byte {
	t.Helper()
	zw, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return zw.EncodeAll([]byte(content), nil)
}

func decode(t testing.TB, r io.Reader) ([]Frame, error) {
	t.Helper()
	rd, err := NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	var out []Frame
	for {
		f, err := rd.Next()
		if err != nil {
			if _, again := rd.Next(); again != err {
				t.Errorf("Next after %v returned %v", err, again)
			}
			return out, err
		}
		out = append(out, f)
	}
}

func TestRoundTrip(t *testing.T) {
	want := allFrames()
	raw := encode(t, want...)
	for name, r := range map[string]io.Reader{
		"whole":       bytes.NewReader(raw),
		"byte a time": iotest.OneByteReader(bytes.NewReader(raw)),
		"data+EOF":    iotest.DataErrReader(bytes.NewReader(raw)),
	} {
		got, err := decode(t, r)
		if err != io.EOF {
			t.Errorf("%s: error %v, want io.EOF", name, err)
		}
		if d := cmp.Diff(want, got, equalVals); d != "" {
			t.Errorf("%s: frames differ (-want +got):\n%s", name, d)
		}
	}
}

func TestEmptyStream(t *testing.T) {
	if got, err := decode(t, bytes.NewReader(encode(t))); err != io.EOF || len(got) != 0 {
		t.Errorf("a stream without frames: %v frames, error %v; want none and io.EOF", got, err)
	}
	if _, err := decode(t, strings.NewReader("")); err != io.ErrUnexpectedEOF {
		t.Errorf("no bytes at all: error %v, want io.ErrUnexpectedEOF", err)
	}
}

// A stream cut anywhere gives its whole lines and io.ErrUnexpectedEOF.
func TestTruncated(t *testing.T) {
	want := allFrames()
	var buf bytes.Buffer
	w, err := NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range want { // a block each, so that cuts fall on block borders, too
		if err := errors.Join(w.Write(f), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := buf.Bytes()
	for cut := range len(raw) {
		got, err := decode(t, bytes.NewReader(raw[:cut]))
		if err != io.ErrUnexpectedEOF {
			t.Fatalf("cut at %d of %d: error %v, want io.ErrUnexpectedEOF", cut, len(raw), err)
		}
		if d := cmp.Diff(want[:len(got)], got, equalVals, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("cut at %d: frames differ (-want +got):\n%s", cut, d)
		}
	}
}

func TestFlushDelivers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	w, err := NewWriter(a)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(b)
	if err != nil {
		t.Fatal(err)
	}
	want := allFrames()
	sent := make(chan error, 1)
	step := make(chan struct{})
	go func() {
		for _, f := range want {
			if err := errors.Join(w.Write(f), w.Flush(), w.Flush()); err != nil {
				sent <- err
				return
			}
			<-step // the next frame only after this one was read
		}
		sent <- nil
	}()
	for i := range want {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[i], got, equalVals); d != "" {
			t.Errorf("frame %d differs (-want +got):\n%s", i, d)
		}
		step <- struct{}{}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(encode(f, allFrames()...))
	f.Add(encode(f))
	f.Add(compressed(f, "{}\n[]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		frames, err := decode(t, bytes.NewReader(raw))
		if err == nil {
			t.Fatal("the end of a stream has no error")
		}
		for _, f := range frames {
			if n := f.bodies(); n > 1 {
				t.Fatalf("a frame with %d bodies", n)
			}
		}
	})
}

func BenchmarkWriteEvents(b *testing.B) {
	w, err := NewWriter(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	f := Frame{Event: killEvent()}
	b.ReportAllocs()
	for b.Loop() {
		f.Seq++
		if err := w.Write(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadEvents(b *testing.B) {
	var frames []Frame
	for i := range 1000 {
		frames = append(frames, Frame{Seq: uint64(i + 1), Event: killEvent()})
	}
	raw := encode(b, frames...)
	b.ReportMetric(float64(len(raw))/float64(len(frames)), "bytes/event")
	b.ReportAllocs()
	for b.Loop() {
		if got, err := decode(b, bytes.NewReader(raw)); err != io.EOF || len(got) != len(frames) {
			b.Fatal(len(got), err)
		}
	}
}
