// Package tape keeps a run: what arrived from every source, when, and what the
// engine needs beside it to tell the same story again. FORMAT.md describes the
// format for readers in other languages.
package tape

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/yairfalse/tapio/probe/wire"
)

// ErrFull is returned by a writer whose tape has reached MaxBytes or MaxLines.
// What was written stays a whole tape.
var ErrFull = fmt.Errorf("the tape is full: it holds at most %d MiB in %d lines", MaxBytes>>20, MaxLines)

// Writer writes a tape. It is safe for concurrent use.
type Writer struct {
	mu      sync.Mutex
	zw      *zstd.Encoder
	buf     []byte
	bytes   int
	lines   int
	sources map[string]bool
	dirty   bool
}

// NewWriter starts a tape on w with its header, which is flushed at once.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	zw, err := zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(wire.MaxWindow))
	if err != nil {
		return nil, fmt.Errorf("tape: start: %w", err)
	}
	t := &Writer{zw: zw, sources: map[string]bool{}}
	h.Tape, h.From = Version, h.From.Round(0).UTC()
	pods := h.Target.Pods
	h.Target.Pods = nil
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("tape: header: %w", err)
	}
	if err := t.put(append(b, '\n')); err != nil {
		return nil, err
	}
	for some := range slices.Chunk(pods, MaxPods) {
		if b, err = appendLine(nil, Line{At: h.From, Pods: some}); err == nil {
			err = t.put(b)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, t.Flush()
}

// Write adds a line and returns it as a reader of the tape will see it. It
// reaches the file with the next Flush at the latest. A *LineError concerns
// this line alone; ErrFull and any other error end the tape. Frames of the
// plugin, which hold the token of the run, are not written; neither is text
// that a program under observation wrote (see Clean).
func (t *Writer) Write(l Line) (Line, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.Frame != nil {
		if !fromProbe(*l.Frame) {
			l.Frame = nil
			return l, nil
		}
		f := Clean(*l.Frame)
		l.Frame = &f
	}
	b, err := appendLine(t.buf[:0], l)
	if err != nil {
		return Line{}, err
	}
	t.buf = b
	if l.Source.Name != "" && !t.sources[l.Source.Name] {
		if len(t.sources) == MaxSources {
			return Line{}, ErrFull
		}
		t.sources[l.Source.Name] = true
	}
	back, err := decodeLine(b)
	if err != nil {
		return Line{}, err
	}
	return back, t.put(b)
}

func (t *Writer) put(b []byte) error {
	if len(b) > MaxLine {
		return &LineError{errLineTooLarge}
	}
	if t.lines == MaxLines || t.bytes+len(b) > MaxBytes {
		return ErrFull
	}
	if _, err := t.zw.Write(b); err != nil {
		return fmt.Errorf("tape: write: %w", err)
	}
	t.lines, t.bytes, t.dirty = t.lines+1, t.bytes+len(b), true
	return nil
}

// Flush hands everything written so far to the underlying writer.
func (t *Writer) Flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty {
		return nil
	}
	t.dirty = false
	if err := t.zw.Flush(); err != nil {
		return fmt.Errorf("tape: write: %w", err)
	}
	return nil
}

// Close ends the tape. It does not close the underlying writer.
func (t *Writer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.zw.Close(); err != nil && !errors.Is(err, zstd.ErrEncoderClosed) {
		return fmt.Errorf("tape: end: %w", err)
	}
	return nil
}
