package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/collect"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/catalog"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/tape"
	"github.com/yairfalse/tapio/probe/wire"
)

// input is the one door through which facts reach the engine: those of a live
// run, which a tape may be kept of, and those of a tape. What a kept tape would
// lack does not pass, so its replay gives the same story.
type input struct {
	target window.Target
	from   time.Time
	whyNot finding.Cause // a cause that the user expected, "" for none

	mu        sync.Mutex
	collector *collect.Collector
	ahead     map[string]time.Duration // by source, as last told to the collector
	newest    time.Time                // newest moment that arrived
	kept      *keeping                 // nil when nothing is saved
	recent    *tape.Window             // nil when nothing is dropped
	trigger   *trigger                 // nil when nothing is waited for
}

func newInput(target window.Target, from time.Time) *input {
	return &input{target: target, from: from.Round(0).UTC(), collector: collect.New(), ahead: map[string]time.Duration{}}
}

// keeping is a tape that is being written.
type keeping struct {
	file *os.File
	w    *tape.Writer
	err  error // the first one; nothing is written after it
}

// save keeps a tape of everything that arrives from now on. The file must not
// be a directory; an existing one is replaced.
func (in *input) save(path string) error {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	w, err := tape.NewWriter(f, in.header())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.kept = &keeping{file: f, w: w}
	return nil
}

func (in *input) header() tape.Header {
	return tape.Header{Build: wire.Build(), From: in.from, Target: tape.Target(in.target)}
}

// add takes a frame that arrived at that moment.
func (in *input) add(f wire.Sourced, at time.Time) {
	in.line(tape.Line{At: at, Source: f.Source, Frame: &f.Frame})
}

// align says by how much a source's clock is ahead of the client's.
func (in *input) align(source string, ahead time.Duration, at time.Time) {
	in.mu.Lock()
	known, ok := in.ahead[source]
	in.mu.Unlock()
	if ok && known == ahead || !ok && ahead == 0 {
		return
	}
	in.line(tape.Line{At: at, Source: wire.Source{Name: source, Side: observers.Node}, Align: &tape.Align{Ahead: ahead}})
}

// line takes whatever a tape can hold.
func (in *input) line(l tape.Line) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if l.Frame != nil {
		clean := tape.Clean(*l.Frame)
		l.Frame = &clean
	}
	if in.kept != nil && in.kept.err == nil {
		back, err := in.kept.w.Write(l)
		var bad *tape.LineError
		switch {
		case err == nil:
			l = back
		case errors.As(err, &bad) && l.Frame != nil:
			l.Frame = &wire.Frame{Seq: l.Frame.Seq, Gap: &wire.Gap{Observer: "tape", Why: "a fact could not be kept: " + bad.Err.Error()}}
			l, in.kept.err = in.kept.w.Write(l)
		default:
			in.kept.err = err
		}
	}
	in.collect(l)
	if in.recent != nil {
		in.recent.Add(l)
	}
	if in.trigger != nil {
		in.trigger.see(l, in.ahead[l.Source.Name])
	}
}

// collect hands a line to the engine.
func (in *input) collect(l tape.Line) {
	if l.At.After(in.newest) {
		in.newest = l.At
	}
	if l.Align != nil {
		in.ahead[l.Source.Name] = l.Align.Ahead
		in.collector.Align(l.Source.Name, l.Align.Ahead)
	}
	if f, ok := l.Sourced(); ok {
		in.collector.Add(f)
	}
}

// window is what the engine looks at; now is its end.
func (in *input) window(now time.Time) *window.Window {
	in.mu.Lock()
	c := in.collector
	in.mu.Unlock()
	return c.Window(in.target, in.from, now.Round(0).UTC())
}

func (in *input) story(now time.Time) *story.Story {
	w := in.window(now)
	s := correlate.Explain(w)
	if in.whyNot != "" {
		s.WhyNot = correlate.WhyNot(w, in.whyNot, meaning)
	}
	return s
}

// meaning says in a sentence what a kind of fact is, "" when no observer emits it.
func meaning(k event.Kind) string {
	for _, s := range catalog.Specs {
		for _, e := range s.Emits {
			if e.Kind == k {
				return e.Meaning
			}
		}
	}
	return ""
}

func (in *input) seen() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.collector.Seen()
}

// flush brings what was kept so far to the file, so that a run that is killed
// leaves a tape.
func (in *input) flush() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kept != nil && in.kept.err == nil {
		in.kept.err = in.kept.w.Flush()
	}
}

// finish ends the tape at now, which its replay takes for its own. The error
// says why the tape does not hold the whole run.
func (in *input) finish(now time.Time) error {
	in.line(tape.Line{At: now})
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kept == nil {
		return nil
	}
	err := errors.Join(in.kept.err, in.kept.w.Close(), in.kept.file.Close())
	in.kept = nil
	return err
}
