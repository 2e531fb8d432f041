package observertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Bound is how long an observer may take for what a test waits for: to emit an
// event that the test provoked, and to end when cancelled. Tests that meet it
// fail; none measures it.
const Bound = 20 * time.Second

// Session is an observer at work under test.
type Session struct {
	spec   observers.Spec
	obs    observers.Observer
	cancel context.CancelFunc
	ended  chan error
	inside atomic.Int32 // emits under way

	mu     sync.Mutex
	events []event.Event
	errs   []error
	more   chan struct{} // closed at the next event
}

// Run runs an observer through its whole life: started, provoked, if the caller
// has something to provoke, and cancelled. It fails the test for all that is
// against the contract, and returns what was emitted.
func Run(t *testing.T, obs observers.Observer, spec observers.Spec, provoke ...func(*Session)) []event.Event {
	t.Helper()
	s := Start(t, obs, spec)
	for _, p := range provoke {
		p(s)
	}
	s.Stop(t)
	return s.Events()
}

// Start starts an observer. The test must Stop it.
func Start(t *testing.T, obs observers.Observer, spec observers.Spec) *Session {
	t.Helper()
	if err := CheckSpec(spec); err != nil {
		t.Error(err)
	}
	return start(t.Context(), obs, spec)
}

func start(ctx context.Context, obs observers.Observer, spec observers.Spec) *Session {
	ctx, cancel := context.WithCancel(ctx)
	s := &Session{spec: spec, obs: obs, cancel: cancel, ended: make(chan error, 1), more: make(chan struct{})}
	go func() { s.ended <- obs.Run(ctx, s.emit) }()
	return s
}

func (s *Session) emit(ev event.Event) {
	alone := s.inside.Add(1) == 1
	defer s.inside.Add(-1)
	err := Check(s.spec, ev)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !alone {
		s.errs = append(s.errs, errors.New("two events were emitted at one time"))
	}
	if err != nil {
		s.errs = append(s.errs, err)
	}
	s.events = append(s.events, ev)
	close(s.more)
	s.more = make(chan struct{})
}

// Events are the events so far.
func (s *Session) Events() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Find waits for an event of a kind that match accepts. It fails the test when
// none comes.
func (s *Session) Find(t *testing.T, kind event.Kind, match func(event.Event) bool) event.Event {
	t.Helper()
	late := time.After(Bound)
	for next := 0; ; {
		s.mu.Lock()
		events, more := s.events[next:], s.more
		next = len(s.events)
		s.mu.Unlock()
		for _, ev := range events {
			if ev.Kind == kind && match(ev) {
				return ev
			}
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("no event %s as expected came, but %d others: %v", kind, next, s.Events())
		}
	}
}

// Stop cancels the observer and fails the test for all that was against the
// contract.
func (s *Session) Stop(t *testing.T) {
	t.Helper()
	if err := s.stop(Bound); err != nil {
		t.Error(err)
	}
}

func (s *Session) stop(bound time.Duration) error {
	s.cancel()
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("observer %s answers cancellation with an error instead of nil: %w", s.spec.Name, err)
		}
	case <-time.After(bound):
		return fmt.Errorf("observer %s does not end when cancelled", s.spec.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := slices.Clone(s.errs)
	if n := s.obs.Stats().Events; n != uint64(len(s.events)) {
		errs = append(errs, fmt.Errorf("observer %s emitted %d events but counts %d", s.spec.Name, len(s.events), n))
	}
	return errors.Join(errs...)
}
