package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/probe/wire"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	api    = wire.Source{Name: "api", Side: observers.Cluster}
	worker = wire.Source{Name: "node/worker-1", Side: observers.Node}
	equal  = cmp.Options{cmp.AllowUnexported(event.Value{}), cmpopts.EquateEmpty()}
)

func header(pods int) Header {
	h := Header{Tape: Version, Build: "v1", From: noon.Add(-time.Hour), Target: Target{Key: event.WorkloadKey("Deployment", "shop", "cart"), Kind: "Deployment", Namespace: "shop", Name: "cart"}}
	for i := range pods {
		h.Target.Pods = append(h.Target.Pods, event.PodKey(fmt.Sprintf("uid-%04d", i)))
	}
	return h
}

// podFact says whether a pod is ready, so many seconds after noon.
func podFact(uid string, seconds int, ready bool) Line {
	e := &event.Event{Kind: lifecycle.Pod, At: noon.Add(time.Duration(seconds) * time.Second), Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(uid)}}}
	lifecycle.Ready.Set(e, ready)
	return Line{At: e.At, Source: api, Frame: &wire.Frame{Seq: uint64(seconds + 1), Event: e}}
}

func lines() []Line {
	return []Line{
		{At: noon, Source: api, Frame: &wire.Frame{Seq: 1, Hello: &wire.Hello{Protocol: wire.Protocol, Specs: []observers.Spec{lifecycle.Spec}, Clock: wire.Clock{Wall: noon}}}},
		podFact("uid-0001", 1, true),
		{At: noon.Add(2 * time.Second), Source: worker, Align: &Align{Ahead: 3 * time.Second}},
		{At: noon.Add(3 * time.Second), Source: worker, Frame: &wire.Frame{Seq: 1, Gap: &wire.Gap{Observer: "memory", Why: "no hook"}}},
		{At: noon.Add(4 * time.Second), Source: worker, Frame: &wire.Frame{Seq: 2, Beat: &wire.Beat{Observers: map[string]observers.Stats{"memory": {Events: 1}}}}},
		{At: noon.Add(5 * time.Second), Source: worker, Frame: &wire.Frame{Seq: 3, Bye: &wire.Bye{Reason: "done"}}},
		{At: noon.Add(6 * time.Second)},
	}
}

func encode(t testing.TB, h Header, flush bool, ls ...Line) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ls {
		back, err := w.Write(l)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, back, equal); d != "" {
			t.Errorf("a written line reads differently (-written +read):\n%s", d)
		}
		if flush {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// compressed is a zstd stream with that content.
func compressed(t testing.TB, content string, opts ...zstd.EOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw, err := zstd.NewWriter(&buf, append([]zstd.EOption{zstd.WithWindowSize(wire.MaxWindow)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zw.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, pods := range []int{0, 1, MaxPods, 2*MaxPods + 1} {
		want := &Tape{Header: header(pods), Lines: lines()}
		got, err := Read(bytes.NewReader(encode(t, want.Header, false, want.Lines...)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, equal); d != "" {
			t.Errorf("%d pods: the tape differs (-want +got):\n%s", pods, d)
		}
	}
}

// A tape cut anywhere is valid up to its last whole line.
func TestCut(t *testing.T) {
	want := lines()
	raw := encode(t, header(1), true, want...)
	most := 0
	for cut := range len(raw) {
		got, err := Read(bytes.NewReader(raw[:cut]))
		if err != nil {
			if !errors.Is(err, ErrNotTape) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		if !got.Cut {
			t.Fatalf("cut at %d of %d goes unnoticed", cut, len(raw))
		}
		if d := cmp.Diff(want[:len(got.Lines)], got.Lines, equal); d != "" {
			t.Fatalf("cut at %d: lines differ (-want +got):\n%s", cut, d)
		}
		most = max(most, len(got.Lines))
	}
	if most != len(want) {
		t.Errorf("flushed lines are lost: %d of %d", most, len(want))
	}
}

func TestReadRefuses(t *testing.T) {
	head := `{"tape":1,"build":"v1"}` + "\n"
	for name, tt := range map[string]struct {
		raw  []byte
		part string
	}{
		"nothing":        {nil, "not a tape"},
		"text":           {[]byte("apiVersion: v1\n"), "not a tape"},
		"other JSON":     {compressed(t, `{"seq":1}`+"\n"), "not a tape"},
		"newer version":  {compressed(t, `{"tape":2,"build":"v9"}`+"\n"), "version 2"},
		"no object":      {compressed(t, head+"[]\n"), "line 2: the line is not a JSON object"},
		"bad frame":      {compressed(t, head+`{"at":"2026-03-01T12:00:00Z","frame":[]}`+"\n"), "line 2"},
		"two bodies":     {compressed(t, head+`{"frame":{"bye":{"reason":""},"gap":{"why":""}}}`+"\n"), "one body"},
		"bad side":       {compressed(t, head+`{"source":{"name":"x","side":"moon"}}`+"\n"), `no side "moon"`},
		"long line":      {compressed(t, head+strings.Repeat("x", MaxLine+1)), "KiB"},
		"many pods":      {compressed(t, head+`{"pods":[{}`+strings.Repeat(",{}", MaxPods)+"]}\n"), "1001 pods"},
		"many lines":     {compressed(t, head+strings.Repeat("{}\n", MaxLines)), "full"},
		"large window":   {compressed(t, head+strings.Repeat("{}\n", 1<<20), zstd.WithWindowSize(8<<20)), "window"},
		"trailing bytes": {append(compressed(t, head), "junk and more junk"...), "line 2"},
	} {
		if got, err := Read(bytes.NewReader(tt.raw)); err == nil || !strings.Contains(err.Error(), tt.part) {
			t.Errorf("%s: error %v, want %q; %+v", name, err, tt.part, got)
		}
	}
	var many strings.Builder
	many.WriteString(head)
	for i := range MaxSources + 1 {
		fmt.Fprintf(&many, `{"source":{"name":"node/%d","side":"node"}}`+"\n", i)
	}
	if _, err := Read(bytes.NewReader(compressed(t, many.String()))); err == nil || !strings.Contains(err.Error(), "1024 sources") {
		t.Errorf("many sources: %v", err)
	}
}

// Later versions add fields and frames; earlier readers pass over them.
func TestReadIgnoresTheUnknown(t *testing.T) {
	raw := compressed(t, `{"tape":1,"build":"v2","mood":"good"}`+"\n"+`{"at":"2026-03-01T12:00:00Z","source":{"name":"api","side":"cluster"},"frame":{"seq":1,"song":{}},"colour":3}`+"\n")
	got, err := Read(bytes.NewReader(raw))
	if err != nil || len(got.Lines) != 1 || got.Lines[0].Frame != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// What only the plugin says holds the token and is never on a tape.
func TestTokenIsNotWritten(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, header(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []wire.Frame{{Start: &wire.Start{Token: "s3cret"}}, {Ping: &wire.Ping{}}, {Stop: &wire.Stop{}}} {
		if l, err := w.Write(Line{At: noon, Source: worker, Frame: &f}); err != nil || l.Frame != nil {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(&buf); err != nil || len(got.Lines) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

type brokenDisk struct{ room int }

func (d *brokenDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestDiskFull(t *testing.T) {
	w, err := NewWriter(&brokenDisk{room: 300}, header(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err = w.Write(podFact("uid-0001", 1, true)); err == nil {
			err = w.Flush()
		}
		if err != nil {
			break
		}
	}
	if !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v, want that of the disk", err)
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		kind                  event.Kind
		reason, message, want string
	}{
		{lifecycle.Ended, "Error", "panic: password=hunter2", ""},
		{lifecycle.Ended, "StartError", "container init was OOM-killed", "container init was OOM-killed"},
		{lifecycle.Container, "OOMKilled", "last log line", ""},
		{lifecycle.Container, "CrashLoopBackOff", "back-off 10s", "back-off 10s"},
		{lifecycle.Report, "Unhealthy", "Liveness probe failed: token=abc", "Liveness probe failed"},
		{lifecycle.Report, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{lifecycle.Report, "Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503 hunter2", "Startup probe failed"},
		{lifecycle.Report, "FailedPreStopHook", "said hunter2", ""},
		{lifecycle.Report, "BackOff", "Back-off restarting", "Back-off restarting"},
		{lifecycle.Pod, "", "containers not ready", "containers not ready"},
	} {
		e := &event.Event{Kind: tt.kind}
		lifecycle.Reason.Set(e, tt.reason)
		lifecycle.Message.Set(e, tt.message)
		got := Clean(wire.Frame{Event: e})
		if m := lifecycle.Message.Or(*got.Event, ""); m != tt.want {
			t.Errorf("%s %s: %q became %q, want %q", tt.kind, tt.reason, tt.message, m, tt.want)
		}
		if m := lifecycle.Message.Or(*e, ""); m != tt.message {
			t.Errorf("the original changed to %q", m)
		}
	}
}
