package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Loop is what cluster observers share: needs checked against what may be read,
// a look at the objects after each change, counts. Observers embed it.
type Loop struct {
	src    Source
	needs  []need
	gaps   []*observers.Unsupported
	events atomic.Uint64
	lost   atomic.Uint64
	first  chan struct{}
	once   sync.Once
	wanted []func(context.Context) // waits for what the last look wanted
}

// need is a list that the observer reads.
type need struct {
	observers.Need
	list Resource
}

// settle is how long a look waits for the changes that come along with one:
// a rollout writes many objects, and a look reads all of them.
const settle = 100 * time.Millisecond

// SyncTimeout bounds how long the first look waits for the lists it needs.
const SyncTimeout = 10 * time.Second

// NewLoop checks the needs of the spec. A list that is finally unknown is an
// error that matches observers.ErrUnsupported, or a gap when it is optional; one
// that has not arrived yet is waited for in Follow.
func NewLoop(src Source, spec observers.Spec) (*Loop, error) {
	l := &Loop{src: src, first: make(chan struct{})}
	for _, n := range spec.Needs {
		r, ok := listNeed(n)
		if !ok {
			continue
		}
		var u *Unknown
		if errors.As(src.Known(r), &u) && u.Final {
			miss := &observers.Unsupported{Need: n, Why: u.Why}
			if !n.Optional {
				return nil, miss
			}
			l.gaps = append(l.gaps, miss)
		}
		l.needs = append(l.needs, need{n, r})
	}
	return l, nil
}

func listNeed(n observers.Need) (Resource, bool) {
	if n.Type != observers.Verb {
		return "", false
	}
	r, ok := strings.CutPrefix(n.Name, "list ")
	return Resource(r), ok
}

// Follow calls look once the needed lists are there, and again after changes,
// until ctx ends. It returns nil then, or look's error.
func (l *Loop) Follow(ctx context.Context, look func() error) error {
	defer l.done()
	wait, cancel := context.WithTimeout(ctx, SyncTimeout)
	for _, n := range l.needs {
		_ = l.src.Wait(wait, n.list) // what did not arrive stays unknown; Gaps tells it
	}
	cancel()
	for {
		changed := l.src.Changed()
		if ctx.Err() != nil {
			return nil
		}
		if err := look(); err != nil {
			return err
		}
		if l.awaitWanted(ctx) {
			continue
		}
		l.done()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
	}
}

// Want is for a look that finds a reason to read lists which are read on
// demand only: src is the observer's own source or its System. Known lists are
// none of its business; after others the look comes again once they are there,
// before it counts as the first.
func (l *Loop) Want(src Source, rs ...Resource) {
	for _, r := range rs {
		if unasked(src.Known(r)) {
			src.Want(r)
			l.wanted = append(l.wanted, func(ctx context.Context) { _ = src.Wait(ctx, r) })
		}
	}
}

// awaitWanted waits for the lists that the last look wanted; false when it
// wanted none.
func (l *Loop) awaitWanted(ctx context.Context) bool {
	if len(l.wanted) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, SyncTimeout)
	defer cancel()
	for _, wait := range l.wanted {
		wait(ctx) // what did not arrive stays unknown; Gaps tells it
	}
	l.wanted = nil
	return true
}

func (l *Loop) done() { l.once.Do(func() { close(l.first) }) }

// First is closed when the first look is complete: everything the objects tell
// at the start was emitted.
func (l *Loop) First() <-chan struct{} { return l.first }

// Counted wraps emit so that Stats knows, and times the facts.
func (l *Loop) Counted(emit func(event.Event)) func(event.Event) {
	return func(e event.Event) {
		l.events.Add(1)
		emit(Timed(e, l.src.Now()))
	}
}

// Timed gives an event whose object tells no time the time now, and puts all
// times into UTC, so that equal facts have equal bytes.
func Timed(e event.Event, now time.Time) event.Event {
	if e.At.IsZero() {
		e.At = now
	}
	if e.At.IsZero() { // files that tell no time at all
		e.At = time.Unix(0, 0)
	}
	e.At = e.At.Round(0).UTC()
	return e
}

// Lost counts facts that are known but could not be emitted.
func (l *Loop) Lost(n int) { l.lost.Add(uint64(n)) }

// Stats implements observers.Observer.
func (l *Loop) Stats() observers.Stats {
	return observers.Stats{Events: l.events.Load(), Lost: l.lost.Load()}
}

// Gaps implements observers.Gapper: optional lists that may not be read, lists
// that did not arrive in time, and lists that were cut.
func (l *Loop) Gaps() []*observers.Unsupported {
	gaps := append([]*observers.Unsupported(nil), l.gaps...)
	select {
	case <-l.first:
	default:
		return gaps
	}
	told := map[string]bool{}
	for _, g := range gaps {
		told[g.Need.Name] = true
	}
	for _, n := range l.needs {
		if err := l.src.Known(n.list); err != nil && !told[n.Name] && !unasked(err) {
			gaps = append(gaps, &observers.Unsupported{Need: n.Need, Why: whyOf(err)})
		}
		if why := l.src.Bounded(n.list); why != "" {
			gaps = append(gaps, &observers.Unsupported{Need: n.Need, Why: why})
		}
	}
	return gaps
}

func unasked(err error) bool {
	var u *Unknown
	return errors.As(err, &u) && u.Unasked
}

func whyOf(err error) string {
	var u *Unknown
	if errors.As(err, &u) {
		return u.Why
	}
	return fmt.Sprint(err)
}
