package agent

import (
	"errors"
	"math"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/wire"
)

var dawn = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

// fat is an event of about n bytes that happened n seconds after dawn.
func fat(no, size int) event.Event {
	return event.Event{
		Kind: "flood.x", At: dawn.Add(time.Duration(no) * time.Second),
		Attrs: event.Attrs{"x": event.ValueOf(strings.Repeat("x", size))},
	}
}

// taken sends what the spool gives to a connection.
func taken(t *testing.T, s *spool, all bool) (out []wire.Frame) {
	t.Helper()
	for {
		text, _, ok := s.next(all)
		if !ok {
			return out
		}
		f, err := wire.DecodeFrame(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
}

// What was not acknowledged is sent again, and nothing else.
func TestSpoolResends(t *testing.T) {
	for name, tt := range map[string]struct {
		ack, after uint64
		first      uint64 // number of the first line that is sent again
		refused    bool
	}{
		"all":                     {first: 1},
		"what is new":             {ack: 4, after: 4, first: 5},
		"the ack was lost":        {ack: 2, after: 7, first: 8},
		"nothing":                 {ack: 10, after: 10, first: 11},
		"more than was sent":      {after: 11, refused: true},
		"less than acknowledged":  {ack: 6, after: 5, refused: true},
		"an ack of what is to be": {ack: 99, after: 10, first: 11},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpool()
			for i := range 10 {
				s.addEvent(fat(i, 10))
			}
			if got := len(taken(t, s, false)); got != 10 {
				t.Fatalf("%d lines sent", got)
			}
			s.ack(tt.ack)
			err := s.rewind(tt.after)
			if refused := errors.Is(err, errNoResume); refused != tt.refused {
				t.Fatalf("error %v", err)
			}
			if tt.refused {
				return
			}
			s.addEvent(fat(10, 10))
			got := taken(t, s, false)
			if want := int(11 - tt.after); len(got) != want || got[0].Seq != tt.first {
				t.Errorf("%d lines from %d, want %d from %d", len(got), got[0].Seq, want, tt.first)
			}
		})
	}
}

// Past its size the spool drops the oldest events that were never sent, keeps
// every gap, and tells exactly what is missing.
func TestSpoolOverflows(t *testing.T) {
	s := newSpool()
	s.addGap(wire.Gap{Observer: "a", Why: "first"})
	for i := range 3 {
		s.addEvent(fat(i, 1000))
	}
	if got := len(taken(t, s, false)); got != 4 {
		t.Fatalf("%d lines sent", got)
	}
	const flood = 10_000
	for i := range flood {
		if i == 100 {
			s.addGap(wire.Gap{Observer: "b", Why: "second"})
		}
		s.addEvent(fat(100+i, 1000))
	}
	if s.bytes > spoolSize {
		t.Errorf("%d bytes are kept", s.bytes)
	}
	if err := s.rewind(2); err != nil { // it has the gap and one event
		t.Fatal(err)
	}
	got := taken(t, s, true)
	if got[0].Seq != 3 || got[1].Seq != 4 || got[2].Lost == nil {
		t.Fatalf("the stream goes on with %+v", got[:3])
	}
	events, gaps, last := uint64(0), 0, uint64(2)
	for _, f := range got {
		if f.Lost == nil && f.Seq != last+1 {
			t.Fatalf("line %d follows on %d", f.Seq, last)
		}
		last = f.Seq
		if f.Event != nil {
			events++
		}
		if f.Gap != nil {
			gaps++
		}
	}
	lost := got[2].Lost
	want := wire.Lost{Events: lost.Events, From: dawn.Add(100 * time.Second),
		To: dawn.Add(time.Duration(99+lost.Events) * time.Second), Observers: map[string]uint64{"flood": lost.Events}}
	if d := cmp.Diff(want, *lost); d != "" || lost.Events == 0 {
		t.Errorf("the loss differs (-want +got):\n%s", d)
	}
	if events+lost.Events != flood+2 || gaps != 1 {
		t.Errorf("%d events and %d gaps came, %d were lost", events, gaps, lost.Events)
	}
}

// A client that does not acknowledge gets only so much, but at the end all.
func TestFlightIsBounded(t *testing.T) {
	s := newSpool()
	for i := range 3000 {
		s.addEvent(fat(i, 1000))
	}
	first := taken(t, s, false)
	if s.flight.cost < flightSize || s.flight.cost > flightSize+2000 {
		t.Errorf("%d bytes in flight", s.flight.cost)
	}
	s.ack(first[9].Seq)
	if got := len(taken(t, s, false)); got != 10 {
		t.Errorf("%d lines after ten were acknowledged", got)
	}
	if got := len(first) + 10 + len(taken(t, s, true)); got != 3000 {
		t.Errorf("%d lines in the end", got)
	}
}

// Whatever happens in whatever order, the client knows of every event that it
// either has it or lost it.
func TestSpoolLosesNothingSilently(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	for range 30 {
		s := newSpool()
		var emitted, has, lost, last uint64
		wire2client := func(all bool) {
			for range random.Intn(3000) {
				text, _, ok := s.next(all)
				if !ok {
					return
				}
				f, err := wire.DecodeFrame(text)
				if err != nil {
					t.Fatal(err)
				}
				if f.Lost != nil {
					lost += f.Lost.Events
				} else if f.Seq != last+1 {
					t.Fatalf("line %d follows on %d", f.Seq, last)
				}
				if f.Event != nil {
					if has++; f.Event.Seq != has+lost {
						t.Fatalf("event %d is number %d and %d", f.Event.Seq, has, lost)
					}
				}
				last = f.Seq
			}
		}
		for range 60 {
			switch random.Intn(4) {
			case 0:
				for range random.Intn(1500) {
					s.addEvent(fat(int(emitted), random.Intn(3000)))
					emitted++
				}
				s.addGap(wire.Gap{Observer: "a"})
			case 1:
				wire2client(false)
			case 2:
				s.ack(last)
			case 3: // it breaks; some of what was sent never arrives
				if s.flight.len() > 0 && random.Intn(2) == 0 {
					if err := s.rewind(last); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for s.backlog.len() > 0 || s.hole != nil || s.resend < s.flight.len() {
			wire2client(true)
		}
		if has+lost != emitted {
			t.Fatalf("%d emitted, %d arrived, %d lost", emitted, has, lost)
		}
	}
}

func TestSpoolCountsWhatHasNoEncoding(t *testing.T) {
	s := newSpool()
	s.addEvent(event.Event{Kind: "odd.nan", Attrs: event.Attrs{"x": event.ValueOf(math.NaN())}})
	s.addGap(wire.Gap{Why: strings.Repeat("x", wire.MaxFrame)})
	s.addEvent(fat(1, 1))
	if got := taken(t, s, false); s.lost() != 2 || len(got) != 1 || got[0].Seq != 1 || got[0].Event.Seq != 1 {
		t.Errorf("%d lost, sent %+v", s.lost(), got)
	}
}

func BenchmarkSpool(b *testing.B) {
	s := newSpool()
	ev := fat(1, 200)
	b.ReportAllocs()
	for b.Loop() {
		s.addEvent(ev)
		s.next(false)
		s.ack(s.seq)
	}
}
