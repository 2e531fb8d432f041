package dump

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// scanner finds the parts of JSON without making values of them, so that a list
// of any size costs no more than one of its items at a time. What it lets pass
// need not be valid: the decoder of each part has the last word.
type scanner struct {
	data []byte
	pos  int
}

var errCut = errors.New("it breaks off")

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

func (s *scanner) want(c byte) error {
	if got := s.peek(); got != c {
		if s.pos >= len(s.data) {
			return errCut
		}
		return fmt.Errorf("%q is expected at byte %d, not %q", c, s.pos, got)
	}
	s.pos++
	return nil
}

// text passes over a string and gives it with its quotes.
func (s *scanner) text() ([]byte, error) {
	if err := s.want('"'); err != nil {
		return nil, err
	}
	begin := s.pos - 1
	for {
		n := bytes.IndexAny(s.data[s.pos:], "\"\\")
		if n < 0 {
			s.pos = len(s.data)
			return nil, errCut
		}
		s.pos += n
		if s.data[s.pos] == '"' {
			s.pos++
			return s.data[begin:s.pos], nil
		}
		if s.pos += 2; s.pos > len(s.data) {
			s.pos = len(s.data)
			return nil, errCut
		}
	}
}

// value passes over any value and gives its bytes.
func (s *scanner) value() ([]byte, error) {
	s.space()
	begin := s.pos
	depth := 0
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case '"':
			if _, err := s.text(); err != nil {
				return nil, err
			}
		case '{', '[':
			depth++
			s.pos++
			continue
		case '}', ']':
			if depth == 0 {
				return nil, fmt.Errorf("a value is expected at byte %d, not %q", s.pos, c)
			}
			depth--
			s.pos++
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return nil, fmt.Errorf("a value is expected at byte %d, not %q", s.pos, c)
			}
			s.pos++
			continue
		default:
			for s.pos < len(s.data) && !bytes.ContainsRune([]byte("{}[],: \t\r\n\""), rune(s.data[s.pos])) {
				s.pos++
			}
		}
		if depth == 0 {
			return s.data[begin:s.pos], nil
		}
	}
	return nil, errCut
}

// fields calls with each key of an object and stops where the value begins; the
// callee passes over it.
func (s *scanner) fields(each func(key string) error) error {
	if err := s.want('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		quoted, err := s.text()
		if err != nil {
			return err
		}
		if err := s.want(':'); err != nil {
			return err
		}
		if err := each(unquote(quoted)); err != nil {
			return err
		}
		if s.peek() == '}' {
			s.pos++
			return nil
		}
		if err := s.want(','); err != nil {
			return err
		}
	}
}

// items calls with each item of an array.
func (s *scanner) items(each func(item []byte)) error {
	if err := s.want('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		item, err := s.value()
		if err != nil {
			return err
		}
		each(item)
		if s.peek() == ']' {
			s.pos++
			return nil
		}
		if err := s.want(','); err != nil {
			return err
		}
	}
}

func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}

// typeOf reads apiVersion and kind at the top of an object.
func typeOf(object []byte) (apiVersion, kind string, err error) {
	s := scanner{data: object}
	err = s.fields(func(key string) error {
		v, err := s.value()
		if err != nil {
			return err
		}
		switch {
		case v[0] != '"':
		case key == "apiVersion":
			apiVersion = unquote(v)
		case key == "kind":
			kind = unquote(v)
		}
		return nil
	})
	return apiVersion, kind, err
}
