package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/yairfalse/tapio/observers/event"
)

// Limits inside a frame, beyond what MaxFrame implies.
const (
	MaxRefs  = 1024 // entities of one event
	MaxAttrs = 128  // fields of one event
	MaxSpecs = 128  // observers in one hello
	MaxNames = 1024 // observers or pods named in one start
)

// AppendFrame appends the line of f, newline included, to dst and returns the
// longer slice. On an error, always a *FrameError, it returns dst as it was.
func AppendFrame(dst []byte, f Frame) ([]byte, error) {
	if err := f.check(); err != nil {
		return dst, &FrameError{err}
	}
	if f.bodies() != 1 {
		return dst, &FrameError{fmt.Errorf("a frame has one body, this one has %d", f.bodies())}
	}
	out, err := dst, error(nil)
	if f.Event != nil {
		out, err = appendEventFrame(out, f.Seq, f.Event)
	} else {
		var b []byte
		b, err = json.Marshal(f)
		out = append(out, b...)
	}
	if err != nil {
		return dst, &FrameError{err}
	}
	out = append(out, '\n')
	if len(out)-len(dst) > MaxFrame {
		return dst, &FrameError{ErrTooLarge}
	}
	return out, nil
}

// DecodeFrame reads one line, with or without its newline. Unknown fields are
// passed over; a frame whose kind is unknown has no body. The error is always
// a *FrameError.
func DecodeFrame(line []byte) (Frame, error) {
	if len(line) > MaxFrame {
		return Frame{}, &FrameError{ErrTooLarge}
	}
	if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
		return Frame{}, &FrameError{errors.New("the line is empty")}
	}
	if line[0] != '{' {
		return Frame{}, &FrameError{errors.New("the line is not a JSON object")}
	}
	var f Frame
	if err := json.Unmarshal(line, &f); err != nil {
		return Frame{}, &FrameError{fmt.Errorf("the line is not a frame: %w", err)}
	}
	if n := f.bodies(); n > 1 {
		return Frame{}, &FrameError{fmt.Errorf("a frame has one body, this one has %d", n)}
	}
	if err := f.check(); err != nil {
		return Frame{}, &FrameError{err}
	}
	return f, nil
}

// bodies counts the pointers that are set.
func (f Frame) bodies() int {
	n := 0
	for _, set := range [...]bool{
		f.Hello != nil, f.Gap != nil, f.Event != nil, f.Beat != nil, f.Pong != nil, f.Bye != nil,
		f.Lost != nil, f.Start != nil, f.Ping != nil, f.Stop != nil, f.Ack != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// check holds the frame against the limits on lists.
func (f Frame) check() error {
	over := func(what string, n, limit int) error {
		if n > limit {
			return fmt.Errorf("%d %s, at most %d are allowed", n, what, limit)
		}
		return nil
	}
	switch {
	case f.Event != nil:
		return errors.Join(over("entities in an event", len(f.Event.Refs), MaxRefs),
			over("fields in an event", len(f.Event.Attrs), MaxAttrs))
	case f.Hello != nil:
		return over("observers in a hello", len(f.Hello.Specs), MaxSpecs)
	case f.Beat != nil:
		return over("observers in a beat", len(f.Beat.Observers), MaxSpecs)
	case f.Lost != nil:
		return over("observers in a loss", len(f.Lost.Observers), MaxSpecs)
	case f.Start != nil:
		return errors.Join(over("observers in a start", len(f.Start.Observers), MaxNames),
			over("pods in a start", len(f.Start.Scope.PodUIDs), MaxNames))
	}
	return nil
}

// appendEventFrame writes what json.Marshal would write for the frame, without
// its garbage: events are nearly all of a stream.
func appendEventFrame(dst []byte, seq uint64, ev *event.Event) ([]byte, error) {
	dst = append(dst, '{')
	if seq != 0 {
		dst = append(dst, `"seq":`...)
		dst = strconv.AppendUint(dst, seq, 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"event":{`...)
	if ev.Seq != 0 {
		dst = append(dst, `"seq":`...)
		dst = strconv.AppendUint(dst, ev.Seq, 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"kind":`...)
	dst = appendString(dst, string(ev.Kind))
	dst = append(dst, `,"at":"`...)
	dst, err := ev.At.AppendText(dst)
	if err != nil {
		return dst, fmt.Errorf("time of the event: %w", err)
	}
	dst = append(dst, '"')
	if ev.Span != 0 {
		dst = append(dst, `,"span":`...)
		dst = strconv.AppendInt(dst, int64(ev.Span), 10)
	}
	if ev.Count != 0 {
		dst = append(dst, `,"count":`...)
		dst = strconv.AppendUint(dst, uint64(ev.Count), 10)
	}
	dst = append(dst, `,"refs":`...)
	dst = appendRefs(dst, ev.Refs)
	if len(ev.Attrs) > 0 {
		dst = append(dst, `,"attrs":`...)
		if dst, err = appendAttrs(dst, ev.Attrs); err != nil {
			return dst, err
		}
	}
	return append(dst, "}}"...), nil
}

func appendRefs(dst []byte, refs []event.Ref) []byte {
	if refs == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, r := range refs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"role":`...)
		dst = appendString(dst, string(r.Role))
		dst = append(dst, `,"key":{"type":`...)
		dst = appendString(dst, string(r.Key.Type))
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, r.Key.ID)
		dst = append(dst, "}}"...)
	}
	return append(dst, ']')
}

// appendAttrs writes the fields in the order of their names, so that equal
// events have equal bytes.
func appendAttrs(dst []byte, attrs event.Attrs) ([]byte, error) {
	var room [24]string
	names := slices.AppendSeq(room[:0], maps.Keys(attrs))
	slices.Sort(names)
	for i, name := range names {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		dst = append(dst, sep)
		dst = appendString(dst, name)
		dst = append(dst, ':')
		v := attrs[name]
		if n, ok := event.As[int64](v); ok {
			dst = strconv.AppendInt(dst, n, 10)
		} else if s, ok := event.As[string](v); ok {
			dst = appendString(dst, s)
		} else {
			b, err := v.MarshalJSON()
			if err != nil {
				return dst, fmt.Errorf("field %s: %w", name, err)
			}
			dst = append(dst, b...)
		}
	}
	return append(dst, '}'), nil
}

// appendString quotes s as json.Marshal does.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf-1 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, err := json.Marshal(s)
			if err != nil {
				panic("unreachable: a string always has a JSON form")
			}
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
