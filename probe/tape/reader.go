package tape

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/yairfalse/tapio/probe/wire"
)

// ErrNotTape is matched by the error about a file that does not begin as a
// tape does.
var ErrNotTape = errors.New("this is not a tape")

// Reader reads a tape. It is for one goroutine and holds less than 2 MiB,
// whatever the tape says.
type Reader struct {
	header  Header
	zr      *zstd.Decoder
	br      *bufio.Reader
	bytes   int
	lines   int
	sources map[string]bool
	err     error
}

// NewReader reads the header of a tape from r.
func NewReader(r io.Reader) (*Reader, error) {
	zr, err := zstd.NewReader(struct{ io.Reader }{r},
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(wire.MaxWindow),
		zstd.WithDecoderMaxMemory(2*MaxBytes)) // of what a frame declares; only the window is allocated
	if err != nil {
		return nil, fmt.Errorf("tape: open: %w", err)
	}
	t := &Reader{zr: zr, br: bufio.NewReaderSize(zr, MaxLine), sources: map[string]bool{}}
	if err := t.readHeader(); err != nil {
		t.zr.Close()
		return nil, err
	}
	return t, nil
}

func (t *Reader) readHeader() error {
	b, err := t.line()
	var bad *LineError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends before its first line", ErrNotTape)
	case errors.As(err, &bad):
		return fmt.Errorf("%w: %w", ErrNotTape, bad.Err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotTape, err)
	}
	if len(b) == 0 || b[0] != '{' || json.Unmarshal(b, &t.header) != nil || t.header.Tape == 0 {
		return fmt.Errorf("%w: its first line is not the header of one", ErrNotTape)
	}
	if t.header.Tape != Version {
		return fmt.Errorf("the tape has version %d, this build reads version %d: use the build that recorded it (%.40q)", t.header.Tape, Version, t.header.Build)
	}
	if len(t.header.Target.Pods) > MaxPods {
		return fmt.Errorf("%w: its header lists more than %d pods", ErrNotTape, MaxPods)
	}
	return nil
}

// Header returns the first line.
func (t *Reader) Header() Header { return t.header }

// Next returns the next line. The error is io.EOF after the regular end,
// io.ErrUnexpectedEOF when the tape breaks off (what was read is valid), and a
// *LineError when the rest cannot be read. After an error every further call
// returns the same one.
func (t *Reader) Next() (Line, error) {
	if t.err != nil {
		return Line{}, t.err
	}
	l, err := t.next()
	if err != nil {
		t.err = err
		t.zr.Close()
	}
	return l, err
}

func (t *Reader) next() (Line, error) {
	b, err := t.line()
	if err != nil {
		return Line{}, err
	}
	l, err := decodeLine(b)
	if err != nil {
		var bad *LineError
		if errors.As(err, &bad) {
			err = &LineError{fmt.Errorf("line %d: %w", t.lines, bad.Err)}
		}
		return Line{}, err
	}
	if l.Source.Name != "" && !t.sources[l.Source.Name] {
		if len(t.sources) == MaxSources {
			return Line{}, &LineError{fmt.Errorf("line %d: there are more than %d sources", t.lines, MaxSources)}
		}
		t.sources[l.Source.Name] = true
	}
	return l, nil
}

// line returns the bytes of the next line, which hold until the next call.
func (t *Reader) line() ([]byte, error) {
	b, err := t.br.ReadSlice('\n')
	t.bytes += len(b)
	t.lines++
	switch {
	case err == nil && (t.bytes > MaxBytes || t.lines > MaxLines):
		return nil, &LineError{ErrFull}
	case err == nil:
		return bytes.TrimSuffix(b, []byte("\n")), nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &LineError{fmt.Errorf("line %d: %w", t.lines, errLineTooLarge)}
	case errors.Is(err, io.EOF) && len(b) == 0:
		return nil, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, io.ErrUnexpectedEOF
	default:
		return nil, &LineError{fmt.Errorf("line %d: %w", t.lines, err)}
	}
}

// Close frees the decoder. It does not close the underlying reader.
func (t *Reader) Close() {
	t.zr.Close()
	if t.err == nil {
		t.err = io.ErrClosedPipe
	}
}

// Tape is a whole tape in memory.
type Tape struct {
	Header Header // with all pods of the target
	Lines  []Line
	Cut    bool // it breaks off: the run was killed, or the file was cut
}

// Read reads a tape whole, at most MaxBytes of it. A tape that breaks off is
// returned up to its last whole line, and has Cut set.
func Read(r io.Reader) (*Tape, error) {
	t, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	out := &Tape{Header: t.Header()}
	for {
		l, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			out.Cut = true
			return out, nil
		case err != nil:
			return nil, err
		}
		out.Header.Target.Pods = append(out.Header.Target.Pods, l.Pods...)
		if len(l.Pods) == 0 {
			out.Lines = append(out.Lines, l)
		}
	}
}
