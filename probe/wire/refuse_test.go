package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func TestReaderRefuses(t *testing.T) {
	bye := `{"bye":{"reason":"x"}}` + "\n"
	tests := []struct {
		name  string
		input []byte
		is    error  // errors.Is, or nil
		part  string // of the message
		good  int    // frames before the error
	}{
		{name: "not zstd", input: []byte("GET / HTTP/1.1\r\n\r\n"), part: "frame 1"},
		{name: "line without end", input: compressed(t, bye+strings.Repeat(" ", MaxFrame+1)), is: ErrTooLarge, part: "frame 2", good: 1},
		{name: "unfinished line", input: compressed(t, bye+`{"bye":`), is: io.ErrUnexpectedEOF, good: 1},
		{name: "not JSON", input: compressed(t, bye+"{]\n"), part: "frame 2: the line is not a frame", good: 1},
		{name: "array", input: compressed(t, "[]\n"), part: "not a JSON object"},
		{name: "null", input: compressed(t, "null\n"), part: "not a JSON object"},
		{name: "empty line", input: compressed(t, "\n"), part: "empty"},
		{name: "two bodies", input: compressed(t, `{"bye":{},"ping":{}}`+"\n"), part: "one body"},
		{name: "wrong type", input: compressed(t, `{"seq":"a"}`+"\n"), part: "not a frame"},
		{name: "many entities", input: compressed(t, `{"event":{"refs":[{}`+strings.Repeat(",{}", MaxRefs)+"]}}\n"), part: "1025 entities"},
		{name: "deep nesting", input: compressed(t, `{"x":`+strings.Repeat("[", 30000)+"\n"), part: "not a frame"},
		{name: "large window", input: largeWindow(t), part: "frame 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(t, bytes.NewReader(tt.input))
			if err == nil || err == io.EOF {
				t.Fatalf("error %v", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v does not match %v", err, tt.is)
			}
			if !strings.Contains(err.Error(), tt.part) {
				t.Errorf("error %q does not say %q", err, tt.part)
			}
			if len(got) != tt.good {
				t.Errorf("%d frames before the error, want %d", len(got), tt.good)
			}
		})
	}
}

// largeWindow is a stream that asks the reader for an 8 MiB window.
func largeWindow(t *testing.T) []byte {
	var buf bytes.Buffer
	zw, err := zstd.NewWriter(&buf, zstd.WithWindowSize(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(`{"bye":{}}` + "\n")
	for range 100 {
		if _, err := zw.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(zw.Flush(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A small input that unpacks to a lot ends at the first oversized line and
// costs no memory.
func TestReaderBoundedMemory(t *testing.T) {
	var buf bytes.Buffer
	zw, err := zstd.NewWriter(&buf, zstd.WithWindowSize(MaxWindow))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 256 {
		if _, err := zw.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := decode(t, bytes.NewReader(buf.Bytes())); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	if allocated > 2<<20 {
		t.Errorf("%d bytes allocated to refuse %d bytes, want at most 2 MiB", allocated, buf.Len())
	}
}

func TestReaderPassesOnReadErrors(t *testing.T) {
	broken := errors.New("connection reset")
	_, err := decode(t, io.MultiReader(bytes.NewReader(encode(t, allFrames()...)[:10]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestReaderClosed(t *testing.T) {
	r, err := NewReader(bytes.NewReader(encode(t, allFrames()...)))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Next(); err == nil {
		t.Error("Next on a closed reader gave a frame")
	}
}

func TestWriterAfterFrameError(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	good := Frame{Seq: 1, Bye: &Bye{Reason: "good"}}
	var bad *FrameError
	if err := w.Write(Frame{Bye: &Bye{Reason: strings.Repeat("x", MaxFrame)}}); !errors.As(err, &bad) || !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want a FrameError that matches ErrTooLarge", err)
	}
	if err := errors.Join(w.Write(good), w.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := decode(t, &buf)
	if err != io.EOF || len(got) != 1 || !cmp.Equal(good, got[0]) {
		t.Errorf("read %v, %v; want the one good frame and io.EOF", got, err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriterReportsWriteErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	w, err := NewWriter(failingWriter{broken})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(Frame{Ping: &Ping{}}); err != nil {
		t.Fatalf("a buffered write failed: %v", err)
	}
	err = w.Flush()
	var bad *FrameError
	if !errors.Is(err, broken) || errors.As(err, &bad) {
		t.Errorf("error %v, want %v and no FrameError", err, broken)
	}
}
