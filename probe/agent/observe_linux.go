package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/wire"
)

// wanted lists the observers that the client asks for.
func (s *session) wanted() []Entry {
	names := s.start.Observers
	if len(names) == 0 {
		return s.machine.Observers
	}
	var out []Entry
	for _, e := range s.machine.Observers {
		if slices.Contains(names, e.Spec.Name) {
			out = append(out, e)
		}
	}
	return out
}

// observe opens the observers one after the other, runs each as soon as it is
// open, and returns when all have ended. What does not work becomes a gap.
func (s *session) observe(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	entries := s.wanted()
	for _, name := range s.start.Observers {
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Spec.Name == name }) {
			s.gap(ctx, name, fmt.Errorf("this probe has no observer of that name"))
		}
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return
		}
		name := e.Spec.Name
		o, err := guard(e.Open)
		if err == nil && o == nil {
			err = errors.New("it opened without an observer")
		}
		if err != nil {
			s.gap(ctx, name, err)
			continue
		}
		if g, ok := o.(observers.Gapper); ok {
			gaps, err := guard(func() ([]*observers.Unsupported, error) { return g.Gaps(), nil })
			if err != nil {
				s.gap(ctx, name, err)
			}
			for _, u := range gaps {
				s.gap(ctx, name, u)
			}
		}
		s.mu.Lock()
		s.running[name] = o
		s.mu.Unlock()
		// Run is called also when the session is over: it is what frees the
		// observer.
		wg.Go(func() {
			_, err := guard(func() (struct{}, error) { return struct{}{}, o.Run(ctx, s.spool.addEvent) })
			if err == nil && ctx.Err() == nil {
				err = errors.New("it ended before the run did")
			}
			if err != nil {
				s.gap(ctx, name, err)
			}
		})
	}
}

// gap tells the client what cannot be seen, unless the session is over.
func (s *session) gap(ctx context.Context, observer string, err error) {
	if ctx.Err() != nil {
		return
	}
	for _, g := range gaps(observer, err) {
		s.spool.addGap(g)
	}
}

// gaps turns the error of an observer into gaps: one for each unmet need that
// it holds, or one without a need.
func gaps(observer string, err error) []wire.Gap {
	const most = 16
	var out []wire.Gap
	var collect func(error)
	collect = func(err error) {
		if len(out) == most {
			return
		}
		switch e := err.(type) { //nolint:errorlint // this walks the tree of wrapped errors itself
		case *observers.Unsupported:
			out = append(out, wire.Gap{Observer: observer, Need: e.Need, Why: clip(e.Why)})
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				collect(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				collect(inner)
			}
		}
	}
	collect(err)
	if len(out) == 0 {
		out = append(out, wire.Gap{Observer: observer, Why: clip(err.Error())})
	}
	return out
}

// guard calls f and turns a panic into an error.
func guard[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	return f()
}
