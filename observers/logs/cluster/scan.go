package cluster

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"
)

// group is what the lines of one read complain of about one target.
type group struct {
	Complaint
	first, last time.Time
	count       uint32
}

// cursor is how far a log was read: lines up to the time are known, and of the
// lines at exactly that time so many.
type cursor struct {
	at   time.Time
	seen int
}

// scan reads lines that begin with a timestamp and groups their complaints, in
// the order of first sight. Lines before the cursor are passed over; the result
// carries the new one. Lines without a timestamp get the time given. whole is
// false when the stream ended within a line, which is then not looked at.
func scan(r io.Reader, from cursor, untimed time.Time) (groups []group, to cursor, whole bool, err error) {
	s := scanner{from: from, to: from, untimed: untimed, index: map[Complaint]int{}}
	br := bufio.NewReaderSize(r, 16<<10)
	for {
		line, rest, err := readLine(br)
		if rest {
			s.line(line)
		}
		switch {
		case errors.Is(err, io.EOF):
			s.flush()
			return s.groups, s.to, len(line) == 0 || rest, nil
		case err != nil:
			s.flush()
			return s.groups, s.to, false, err
		}
	}
}

// readLine returns the next line, cut to a bounded length, and whether its end
// was reached.
func readLine(br *bufio.Reader) (line string, ended bool, err error) {
	const keep = maxLine + 64 // the timestamp comes on top
	b, err := br.ReadSlice('\n')
	line = strings.TrimRight(string(b[:min(len(b), keep)]), "\r\n")
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = br.ReadSlice('\n')
	}
	return line, err == nil, err
}

type scanner struct {
	from, to cursor
	untimed  time.Time
	skipped  int // lines at the cursor's time so far
	groups   []group
	index    map[Complaint]int
	pending  *group // a complaint whose next line may name the peer
}

func (s *scanner) line(line string) {
	at, text, ok := stamp(line)
	if ok {
		if !s.fresh(at) {
			return
		}
	} else {
		at, text = s.untimed, line
	}
	if s.pending != nil {
		p := *s.pending
		s.pending = nil
		if t := continuation(text); t != "" {
			p.Target = t
			s.add(p)
			return
		}
		s.add(p)
	}
	c, ok := Recognise(text)
	if !ok {
		if c, ok = RecogniseOwn(text); ok {
			s.add(group{Complaint: c, first: at, last: at, count: 1})
		}
		return
	}
	if c.Target == "" && isTrace(text) {
		return
	}
	g := group{Complaint: c, first: at, last: at, count: 1}
	if c.Target == "" {
		s.pending = &g
		return
	}
	s.add(g)
}

// fresh moves the cursor and tells whether the line was not read before. The
// API rounds the start of a read down to whole seconds.
func (s *scanner) fresh(at time.Time) bool {
	if at.Before(s.from.at) {
		return false
	}
	if at.Equal(s.from.at) {
		if s.skipped++; s.skipped <= s.from.seen {
			return false
		}
	}
	switch {
	case at.After(s.to.at):
		s.to = cursor{at, 1}
	case at.Equal(s.to.at):
		s.to.seen++
	}
	return true
}

func (s *scanner) flush() {
	if s.pending != nil {
		s.add(*s.pending)
		s.pending = nil
	}
}

// maxGroups bounds the different complaints of one read.
const maxGroups = 64

// burstGap is the quiet after which the same complaint is a new one: trouble at
// the start of a program and trouble later have different causes.
const burstGap = 5 * time.Second

func (s *scanner) add(g group) {
	i, ok := s.index[g.Complaint]
	if !ok || g.first.Sub(s.groups[i].last) > burstGap {
		if len(s.groups) < maxGroups {
			s.index[g.Complaint] = len(s.groups)
			s.groups = append(s.groups, g)
		}
		return
	}
	old := &s.groups[i]
	old.count++
	if g.first.Before(old.first) {
		old.first = g.first
	}
	if g.last.After(old.last) {
		old.last = g.last
	}
}

// stamp cuts the kubelet's timestamp off a line.
func stamp(line string) (at time.Time, text string, ok bool) {
	head, text, _ := strings.Cut(line, " ")
	if len(head) < len("2006-01-02T15:04:05Z") || len(head) > len("2006-01-02T15:04:05.000000000+00:00") {
		return time.Time{}, line, false
	}
	at, err := time.Parse(time.RFC3339Nano, head)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}, line, false
	}
	return at, text, true
}

// continuation reads the second line of libpq's two-line message.
func continuation(text string) string {
	low := lower(text[:min(len(text), maxLine)])
	const words = "is the server running on host \""
	i := strings.Index(low, words)
	if i < 0 {
		return ""
	}
	return peerAt(text[i+len(words):], low[i+len(words):])
}

// isTrace tells whether the line repeats, within a stack trace, what the line
// above it said.
func isTrace(text string) bool {
	return strings.HasPrefix(text, "Caused by:") || strings.HasPrefix(text, "\tat ") || strings.HasPrefix(text, "    at ")
}
