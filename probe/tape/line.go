package tape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

// Version is the version of the format. Within it changes only add.
const Version = 1

// Limits of a tape. A reader refuses what exceeds them, a writer never makes
// it.
const (
	MaxLine    = 96 << 10  // bytes of one line, its newline included: one frame and its label
	MaxBytes   = 128 << 20 // bytes of all lines
	MaxLines   = 1_000_000
	MaxSources = 1024
	MaxPods    = 1000 // pods of one line; a target with more has them in further lines
)

// Target is what the run was about, as the engine takes it.
type Target struct {
	Key       event.Key   `json:"key"`
	Kind      string      `json:"kind,omitempty"` // as Kubernetes spells it
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name,omitempty"`
	Pods      []event.Key `json:"pods,omitempty"`
}

// Header is the first line of a tape.
type Header struct {
	Tape   int       `json:"tape"`  // Version
	Build  string    `json:"build"` // of the plugin that recorded
	From   time.Time `json:"from"`  // how far back the story looks
	Target Target    `json:"target"`
}

// Line is what arrived at one moment. It holds a frame, an alignment, further
// pods of the target, or nothing: then it says only that the run had come to
// At. A line of a kind this build does not know reads as nothing.
type Line struct {
	At     time.Time   // arrival, by the clock of the client
	Source wire.Source // of the frame or the alignment
	Frame  *wire.Frame
	Align  *Align
	Pods   []event.Key
}

// Align says by how much the clock of the line's source is ahead of the
// client's, as far as that is surely an offset. The last one of a source
// holds for all its facts.
type Align struct {
	Ahead time.Duration `json:"ahead"` // ns
}

// lineJSON is a line as it is written; the frame keeps the form of the wire.
type lineJSON struct {
	At     time.Time       `json:"at"`
	Source *wire.Source    `json:"source,omitempty"`
	Align  *Align          `json:"align,omitempty"`
	Pods   []event.Key     `json:"pods,omitempty"`
	Frame  json.RawMessage `json:"frame,omitempty"`
}

// LineError says why one line cannot be written or read.
type LineError struct {
	Err error
}

func (e *LineError) Error() string { return "tape: " + e.Err.Error() }

func (e *LineError) Unwrap() error { return e.Err }

var errLineTooLarge = fmt.Errorf("the line is larger than %d KiB", MaxLine>>10)

// appendLine appends the JSON of l and a newline to dst.
func appendLine(dst []byte, l Line) ([]byte, error) {
	out := lineJSON{At: l.At.Round(0).UTC(), Align: l.Align, Pods: l.Pods}
	if l.Source != (wire.Source{}) {
		out.Source = &l.Source
	}
	if l.Frame != nil {
		b, err := wire.AppendFrame(nil, *l.Frame)
		if err != nil {
			return dst, &LineError{err}
		}
		out.Frame = b[:len(b)-1]
	}
	b, err := json.Marshal(out)
	if err != nil {
		return dst, &LineError{err}
	}
	if len(b)+1 > MaxLine {
		return dst, &LineError{errLineTooLarge}
	}
	return append(append(dst, b...), '\n'), nil
}

// decodeLine reads what appendLine wrote. Unknown fields are passed over.
func decodeLine(b []byte) (Line, error) {
	if b = bytes.TrimSuffix(b, []byte("\n")); len(b) == 0 || b[0] != '{' {
		return Line{}, &LineError{errors.New("the line is not a JSON object")}
	}
	var in lineJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return Line{}, &LineError{fmt.Errorf("the line cannot be read: %w", err)}
	}
	if len(in.Pods) > MaxPods {
		return Line{}, &LineError{fmt.Errorf("%d pods in a line, at most %d are allowed", len(in.Pods), MaxPods)}
	}
	l := Line{At: in.At.UTC(), Align: in.Align, Pods: in.Pods}
	if in.Source != nil {
		l.Source = *in.Source
	}
	if l.Source.Side != "" && l.Source.Side != observers.Node && l.Source.Side != observers.Cluster {
		return Line{}, &LineError{fmt.Errorf("there is no side %q", l.Source.Side)}
	}
	if len(in.Frame) == 0 || string(in.Frame) == "null" {
		return l, nil
	}
	f, err := wire.DecodeFrame(in.Frame)
	if err != nil {
		return Line{}, &LineError{err}
	}
	if fromProbe(f) {
		l.Frame = &f
	}
	return l, nil
}

// fromProbe tells frames that state something from those of the plugin, which
// hold the token of the run, and from kinds that are not known.
func fromProbe(f wire.Frame) bool {
	return f.Hello != nil || f.Gap != nil || f.Event != nil || f.Beat != nil || f.Bye != nil || f.Lost != nil
}

// Sourced is the line's frame as collect takes it; ok is false without one.
func (l Line) Sourced() (f wire.Sourced, ok bool) {
	if l.Frame == nil {
		return wire.Sourced{}, false
	}
	return wire.Sourced{Source: l.Source, Frame: *l.Frame}, true
}
