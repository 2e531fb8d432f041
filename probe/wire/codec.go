package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Limits of a stream. A reader refuses what exceeds them, a writer never
// makes it.
const (
	MaxFrame  = 64 << 10  // bytes of one encoded frame, its newline included
	MaxWindow = 256 << 10 // bytes of the zstd window (RFC 8878, section 3.1.1.1.2)
)

// ErrTooLarge is matched by the error about a frame above MaxFrame.
var ErrTooLarge = errors.New("frame is larger than 64 KiB")

// FrameError says why one frame cannot be written or read. After a writer's
// FrameError nothing of the frame is on the stream and the writer can go on;
// after a reader's the rest of the stream is not to be trusted.
type FrameError struct {
	Err error
}

func (e *FrameError) Error() string { return "wire: " + e.Err.Error() }

func (e *FrameError) Unwrap() error { return e.Err }

// Writer encodes frames onto one zstd stream. It is for one goroutine.
type Writer struct {
	zw    *zstd.Encoder
	buf   []byte
	dirty bool
}

// NewWriter starts a stream on w. Nothing is written before the first Flush or
// before a block of the compressor is full.
func NewWriter(w io.Writer) (*Writer, error) {
	zw, err := zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(MaxWindow),
		zstd.WithLowerEncoderMem(true),
		zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("wire: start a compressed stream: %w", err)
	}
	return &Writer{zw: zw}, nil
}

// Write adds a frame. It reaches the other side with the next Flush at the
// latest. An error that is a *FrameError concerns this frame alone; any other
// ends the stream.
func (w *Writer) Write(f Frame) error {
	b, err := AppendFrame(w.buf[:0], f)
	if err != nil {
		return err
	}
	w.buf = b
	w.dirty = true
	if _, err := w.zw.Write(b); err != nil {
		return fmt.Errorf("wire: write a frame: %w", err)
	}
	return nil
}

// WriteLine adds a frame that AppendFrame has encoded: one line with its
// newline. The error ends the stream.
func (w *Writer) WriteLine(line []byte) error {
	w.dirty = true
	if _, err := w.zw.Write(line); err != nil {
		return fmt.Errorf("wire: write a frame: %w", err)
	}
	return nil
}

// Flush sends what was written so far. Without anything to send it does
// nothing.
func (w *Writer) Flush() error {
	if !w.dirty {
		return nil
	}
	w.dirty = false
	if err := w.zw.Flush(); err != nil {
		return fmt.Errorf("wire: send frames: %w", err)
	}
	return nil
}

// Close sends what was written so far and ends the zstd stream, which a reader
// takes for a regular end. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.dirty = false
	if err := w.zw.Close(); err != nil {
		return fmt.Errorf("wire: end the stream: %w", err)
	}
	return nil
}

// Reader decodes frames from a zstd stream. It is for one goroutine and holds
// less than 2 MiB, whatever the stream says.
type Reader struct {
	in  *input
	zr  *zstd.Decoder
	br  *bufio.Reader
	n   int
	err error
}

// NewReader reads from r, which needs no buffering. Nothing is read before the
// first Next.
func NewReader(r io.Reader) (*Reader, error) {
	in := &input{r: r}
	zr, err := zstd.NewReader(in,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(MaxWindow),
		zstd.WithDecoderMaxMemory(MaxWindow))
	if err != nil {
		return nil, fmt.Errorf("wire: open a compressed stream: %w", err)
	}
	return &Reader{in: in, zr: zr, br: bufio.NewReaderSize(zr, MaxFrame)}, nil
}

// Next returns the next frame as soon as it has arrived whole. A frame of a
// kind this build does not know is returned with its sequence number and no
// body, so that a hole in the numbers stays a loss.
//
// The error is io.EOF after the regular end of the stream,
// io.ErrUnexpectedEOF when the stream breaks off, a *FrameError when a frame
// is malformed or, matching ErrTooLarge, too large. After an error every
// further call returns the same one.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.next()
	if err != nil {
		r.err = err
		r.zr.Close()
		return Frame{}, err
	}
	r.n++
	return f, nil
}

func (r *Reader) next() (Frame, error) {
	line, err := r.br.ReadSlice('\n')
	switch {
	case err == nil:
	case errors.Is(err, bufio.ErrBufferFull):
		return Frame{}, &FrameError{fmt.Errorf("frame %d: %w", r.n+1, ErrTooLarge)}
	case errors.Is(err, io.EOF) && len(line) == 0 && r.in.some:
		return Frame{}, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Frame{}, io.ErrUnexpectedEOF
	default:
		return Frame{}, fmt.Errorf("wire: read frame %d: %w", r.n+1, err)
	}
	f, err := DecodeFrame(line)
	if err != nil {
		var bad *FrameError
		if errors.As(err, &bad) {
			err = &FrameError{fmt.Errorf("frame %d: %w", r.n+1, bad.Err)}
		}
		return Frame{}, err
	}
	return f, nil
}

// Close frees the decoder. It does not close the underlying reader.
func (r *Reader) Close() {
	r.zr.Close()
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
}

// input notes whether anything arrived at all: an empty input is a connection
// that broke before it began, not a stream that ended. It also hides the
// concrete reader, which the decoder would otherwise read ahead.
type input struct {
	r    io.Reader
	some bool
}

func (i *input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.some = i.some || n > 0
	return n, err
}
