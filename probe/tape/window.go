package tape

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/probe/wire"
)

// Bounds of a Window.
const (
	maxRecent = 100_000 // lines, whatever their age
	maxStates = 20_000  // older lines that are kept
)

// Window keeps the newest part of a long run in memory: every line of the last
// Span, and of what is older only what a story still needs: the hello and the
// last beat, bye and alignment of each source, each loss, each gap once, and of each kind
// of fact about each entity the newest one (of ends of containers, one for each
// instance). What was dropped is told as a gap. It is for one goroutine.
type Window struct {
	Span time.Duration

	recent  []numbered
	states  map[string]numbered
	next    uint64
	dropped int
}

// numbered is a line with its place in the order of arrival.
type numbered struct {
	Line
	no uint64
}

// NewWindow returns an empty window.
func NewWindow(span time.Duration) *Window {
	return &Window{Span: span, states: map[string]numbered{}}
}

// Add takes a line in its order of arrival.
func (w *Window) Add(l Line) {
	w.next++
	w.recent = append(w.recent, numbered{l, w.next})
	old := 0
	for old < len(w.recent) && (l.At.Sub(w.recent[old].At) > w.Span || len(w.recent)-old > maxRecent) {
		w.age(w.recent[old])
		old++
	}
	w.recent = w.recent[old:] // append moves the rest once the room behind it is used up
}

// age moves a line out of the recent ones.
func (w *Window) age(l numbered) {
	key := stateKey(l.Line)
	if key == "" {
		return // nothing but a moment
	}
	_, known := w.states[key]
	if known || len(w.states) >= maxStates {
		w.dropped++
	}
	if known || len(w.states) < maxStates {
		w.states[key] = l
	}
}

// stateKey names what a line is the newest word on, "" when it says nothing.
func stateKey(l Line) string {
	parts := []string{l.Source.Name}
	switch f := l.Frame; {
	case l.Align != nil:
		parts = append(parts, "align")
	case f == nil:
		return ""
	case f.Hello != nil:
		parts = append(parts, "hello")
		if f.Hello.Resumed {
			parts = append(parts, l.At.String()) // each one counts
		}
		for _, s := range f.Hello.Specs {
			parts = append(parts, s.Name)
		}
	case f.Lost != nil:
		parts = append(parts, "lost", l.At.String())
	case f.Beat != nil:
		parts = append(parts, "beat")
	case f.Bye != nil:
		parts = append(parts, "bye")
	case f.Gap != nil:
		parts = append(parts, "gap", f.Gap.Observer, f.Gap.Need.Name, f.Gap.Why)
	case f.Event != nil:
		parts = append(parts, "event", string(f.Event.Kind))
		for _, r := range f.Event.Refs {
			parts = append(parts, string(r.Role), r.Key.String())
		}
		parts = append(parts, lifecycle.Reason.Or(*f.Event, ""))
		if f.Event.Kind == lifecycle.Ended {
			parts = append(parts, lifecycle.ContainerID.Or(*f.Event, ""))
		}
	}
	return strings.Join(parts, "\x00")
}

// Lines lists what is kept in order of arrival. When anything was dropped, the
// first line is a gap that says so.
func (w *Window) Lines() []Line {
	kept := slices.Clone(w.recent)
	for _, l := range w.states {
		kept = append(kept, l)
	}
	slices.SortFunc(kept, func(a, b numbered) int { return cmp.Compare(a.no, b.no) })
	out := make([]Line, 0, len(kept)+1)
	if w.dropped > 0 && len(kept) > 0 {
		out = append(out, Line{
			At: kept[0].At, Source: wire.Source{Name: "tape", Side: observers.Cluster},
			Frame: &wire.Frame{Gap: &wire.Gap{Observer: "tape", Why: "of what is older than " + w.Span.String() + " only the newest fact of each kind about each entity was kept"}},
		})
	}
	for _, l := range kept {
		out = append(out, l.Line)
	}
	return out
}

// Dropped counts the lines that are gone.
func (w *Window) Dropped() int { return w.dropped }

// Len counts the lines that are kept.
func (w *Window) Len() int { return len(w.recent) + len(w.states) }
