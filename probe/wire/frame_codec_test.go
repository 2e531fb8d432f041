package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The golden file is the format as tapes hold it: it may gain lines and
// fields, and what is there must stay.
func TestGolden(t *testing.T) {
	var got []byte
	var err error
	for _, f := range allFrames() {
		if got, err = AppendFrame(got, f); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "frames.jsonl")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("encoded frames differ from %s (-want +got):\n%s", golden, d)
	}
	var back []Frame
	for line := range bytes.Lines(want) {
		f, err := DecodeFrame(line)
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, f)
	}
	if d := cmp.Diff(allFrames(), back, equalVals); d != "" {
		t.Errorf("decoded frames differ (-want +got):\n%s", d)
	}
}

func TestAppendFrameRefuses(t *testing.T) {
	attrs := func(n int) event.Attrs {
		a := event.Attrs{}
		for i := range n {
			a[fmt.Sprint("f", i)] = event.ValueOf(int64(i))
		}
		return a
	}
	tests := []struct {
		name  string
		frame Frame
		part  string
	}{
		{"no body", Frame{Seq: 1}, "one body"},
		{"two bodies", Frame{Bye: &Bye{}, Stop: &Stop{}}, "one body"},
		{"large string", Frame{Event: &event.Event{Kind: event.Kind(strings.Repeat("k", MaxFrame))}}, "64 KiB"},
		{"many fields", Frame{Event: &event.Event{Attrs: attrs(MaxAttrs + 1)}}, "129 fields"},
		{"many entities", Frame{Event: &event.Event{Refs: make([]event.Ref, MaxRefs+1)}}, "1025 entities"},
		{"many observers", Frame{Hello: &Hello{Specs: make([]observers.Spec, MaxSpecs+1)}}, "129 observers"},
		{"many names", Frame{Start: &Start{Observers: make([]string, MaxNames+1)}}, "1025 observers"},
		{"many pods", Frame{Start: &Start{Scope: Scope{PodUIDs: make([]string, MaxNames+1)}}}, "1025 pods"},
		{"not a number", Frame{Event: &event.Event{Attrs: event.Attrs{"x": event.ValueOf(math.NaN())}}}, "field x"},
		{"no value", Frame{Event: &event.Event{Attrs: event.Attrs{"x": {}}}}, "field x"},
		{"year 10000", Frame{Event: &event.Event{At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}, "time of the event"},
		{"year 10000 in a ping", Frame{Ping: &Ping{Sent: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}, "year"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := []byte("kept")
			got, err := AppendFrame(before, tt.frame)
			var bad *FrameError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.part) {
				t.Errorf("error %v, want a FrameError that says %q", err, tt.part)
			}
			if string(got) != "kept" {
				t.Errorf("the slice became %q", got)
			}
		})
	}
}

func TestLargestFrame(t *testing.T) {
	f := Frame{Bye: &Bye{}}
	empty, err := AppendFrame(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	f.Bye.Reason = strings.Repeat("x", MaxFrame-len(empty))
	line, err := AppendFrame(nil, f)
	if err != nil || len(line) != MaxFrame {
		t.Fatalf("%d bytes, %v; want %d", len(line), err, MaxFrame)
	}
	got, err := decode(t, bytes.NewReader(encode(t, f, f)))
	if len(got) != 2 || !cmp.Equal(f, got[1]) {
		t.Errorf("%d frames read, %v; want two", len(got), err)
	}
}

func TestUnknownIsPassedOver(t *testing.T) {
	tests := []struct {
		line string
		want Frame
	}{
		{`{}`, Frame{}},
		{`{"seq":9,"weather":{"wind":[1,2,{"a":null}]}}`, Frame{Seq: 9}},
		{`{"seq":9,"bye":{"reason":"x","mood":"fine"},"weather":1}` + "\n", Frame{Seq: 9, Bye: &Bye{Reason: "x"}}},
	}
	for _, tt := range tests {
		got, err := DecodeFrame([]byte(tt.line))
		if err != nil || !cmp.Equal(tt.want, got) {
			t.Errorf("%s: %+v, %v; want %+v", tt.line, got, err, tt.want)
		}
	}
}

func TestHelloSplit(t *testing.T) {
	specs := func(n, size int) []observers.Spec {
		out := make([]observers.Spec, n)
		for i := range out {
			out[i] = observers.Spec{Name: fmt.Sprint("o", i), Doc: strings.Repeat("d", size)}
		}
		return out
	}
	tests := []struct {
		name  string
		specs []observers.Spec
		parts int
		fails bool
	}{
		{name: "none", parts: 1},
		{name: "fits", specs: specs(20, 1000), parts: 1},
		{name: "two", specs: specs(40, 3000), parts: 2},
		{name: "odd", specs: specs(7, 40000), parts: 7},
		{name: "more than a hello may hold", specs: specs(MaxSpecs+1, 1), parts: 2},
		{name: "one is too large", specs: specs(2, MaxFrame), fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts, err := Hello{Build: "v1", Specs: tt.specs}.Split()
			if (err != nil) != tt.fails || len(parts) != tt.parts {
				t.Fatalf("%d parts, %v; want %d", len(parts), err, tt.parts)
			}
			var got []observers.Spec
			for _, p := range parts {
				if _, err := AppendFrame(nil, Frame{Seq: 1, Hello: &p}); err != nil || p.Build != "v1" {
					t.Errorf("part of build %q: %v", p.Build, err)
				}
				got = append(got, p.Specs...)
			}
			if !tt.fails && !cmp.Equal(tt.specs, got) {
				t.Errorf("%d specs came back, want %d in order", len(got), len(tt.specs))
			}
		})
	}
}

func TestBuildFrom(t *testing.T) {
	info := func(v string) *debug.BuildInfo { return &debug.BuildInfo{Main: debug.Module{Version: v}} }
	tests := []struct {
		stamp string
		info  *debug.BuildInfo
		want  string
	}{
		{"v1.2.3", info("v0.0.0-x"), "v1.2.3"},
		{"", info("v0.0.0-2026-abc+dirty"), "v0.0.0-2026-abc+dirty"},
		{"", info("(devel)"), Unstamped},
		{"", info(""), Unstamped},
		{"", nil, Unstamped},
	}
	for _, tt := range tests {
		if got := buildFrom(tt.stamp, tt.info); got != tt.want {
			t.Errorf("buildFrom(%q, %v) = %q, want %q", tt.stamp, tt.info, got, tt.want)
		}
	}
	if Build() == "" {
		t.Error("this program has no build")
	}
}

// The hand-made encoder of events and encoding/json agree byte for byte, and
// what is written is read back.
func FuzzEventRoundTrip(f *testing.F) {
	f.Add(uint64(1), "memory.oom_kill", int64(1e18), int64(5), uint32(1), "subject", "id/x", "name", "text", int64(-1), 0.5, true)
	f.Add(uint64(0), "", int64(0), int64(0), uint32(0), "\x00<&>\u2028", "\xff\"\\\n", "", "é", int64(math.MaxInt64), 1e300, false)
	f.Add(uint64(2), "\xfe", int64(0), int64(-64), uint32(1), "0", "0", "0", "0", int64(-1), 0.5, true)
	f.Add(uint64(math.MaxUint64), "k", int64(-1e18), int64(-1), uint32(math.MaxUint32), "\x7f", "", "a", "", int64(0), math.Inf(1), false)
	f.Fuzz(func(t *testing.T, seq uint64, kind string, at, span int64, count uint32, role, id, name, text string, n int64, fl float64, b bool) {
		ev := event.Event{Seq: seq, Kind: event.Kind(kind), At: time.Unix(0, at).UTC(), Span: time.Duration(span), Count: count,
			Refs:  []event.Ref{{Role: event.Role(role), Key: event.Key{Type: event.EntityType(role), ID: id}}, {}},
			Attrs: event.Attrs{name: event.ValueOf(text), "i": event.ValueOf(n), "f": event.ValueOf(fl), "b": event.ValueOf(b)}}
		if len(kind)%3 == 0 {
			ev.Refs, ev.Attrs = nil, nil
		}
		frame := Frame{Seq: seq, Event: &ev}
		line, err := AppendFrame(nil, frame)
		want, wantErr := json.Marshal(frame)
		if errors.Is(err, ErrTooLarge) && len(want) >= MaxFrame {
			return
		}
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("error %v, encoding/json says %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if want = append(want, '\n'); !bytes.Equal(line, want) {
			t.Fatalf("encoded\n%q, encoding/json writes\n%q", line, want)
		}
		back, err := DecodeFrame(line)
		if err != nil {
			t.Fatalf("%q does not decode: %v", line, err)
		}
		again, err := AppendFrame(nil, back)
		if err != nil {
			t.Fatalf("%q decodes but does not encode: %v", line, err)
		}
		// Bytes that are not UTF-8 are U+FFFD from here on.
		if third, err := DecodeFrame(again); err != nil || !cmp.Equal(back, third, equalVals) {
			t.Fatalf("%q became %q: %v", line, again, err)
		}
	})
}

func FuzzDecodeFrame(f *testing.F) {
	for _, fr := range allFrames() {
		line, err := AppendFrame(nil, fr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		fr, err := DecodeFrame(line)
		if err != nil {
			var bad *FrameError
			if !errors.As(err, &bad) {
				t.Fatalf("error %T, want a FrameError", err)
			}
			return
		}
		if fr.bodies() == 0 {
			return
		}
		if _, err := AppendFrame(nil, fr); err != nil && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%q decodes but does not encode: %v", line, err)
		}
	})
}
