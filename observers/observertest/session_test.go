package observertest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// fake is an observer whose life is a function.
type fake struct {
	run     func(context.Context, func(event.Event)) error
	counted atomic.Uint64
}

func (f *fake) Run(ctx context.Context, emit func(event.Event)) error { return f.run(ctx, emit) }
func (f *fake) Stats() observers.Stats                                { return observers.Stats{Events: f.counted.Load()} }

// good emits n events and waits for its end.
func good(n int) *fake {
	f := &fake{}
	f.run = func(ctx context.Context, emit func(event.Event)) error {
		for range n {
			f.counted.Add(1)
			emit(thing())
		}
		<-ctx.Done()
		return nil
	}
	return f
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provoked := false
		events := Run(t, good(3), demo(), func(s *Session) {
			provoked = true
			ev := s.Find(t, "demo.thing", func(ev event.Event) bool { return size.Or(ev, 0) == 5 })
			if ev.Subject() != event.PodKey("u") {
				t.Errorf("found %v", ev)
			}
			synctest.Wait()
		})
		if len(events) != 3 || !provoked {
			t.Errorf("%d events, provoked %v", len(events), provoked)
		}
	})
}

func TestFindWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.run = func(ctx context.Context, emit func(event.Event)) error {
			for i := range 4 {
				time.Sleep(time.Second)
				ev := thing()
				size.Set(&ev, int64(i))
				f.counted.Add(1)
				emit(ev)
			}
			<-ctx.Done()
			return nil
		}
		Run(t, f, demo(), func(s *Session) {
			s.Find(t, "demo.thing", func(ev event.Event) bool { return size.Or(ev, 0) == 3 })
			s.Find(t, "demo.thing", func(ev event.Event) bool { return size.Or(ev, 9) == 0 })
		})
	})
}

func TestStopComplains(t *testing.T) {
	wrong := good(1)
	wrong.run = func(ctx context.Context, emit func(event.Event)) error {
		wrong.counted.Add(1)
		emit(event.Event{Kind: "demo.other"})
		<-ctx.Done()
		return nil
	}
	failing := good(0)
	failing.run = func(ctx context.Context, _ func(event.Event)) error {
		<-ctx.Done()
		return ctx.Err()
	}
	broken := good(0)
	broken.run = func(context.Context, func(event.Event)) error { return errors.New("broke") }
	deaf := good(0)
	deaf.run = func(context.Context, func(event.Event)) error {
		time.Sleep(time.Hour)
		return nil
	}
	uncounted := good(0)
	uncounted.run = func(ctx context.Context, emit func(event.Event)) error {
		emit(thing())
		<-ctx.Done()
		return nil
	}
	tests := map[string]struct {
		obs  *fake
		want string
	}{
		"good":            {good(2), ""},
		"undeclared kind": {wrong, "not declared"},
		"error on cancel": {failing, "instead of nil"},
		"broke":           {broken, "broke"},
		"does not end":    {deaf, "does not end"},
		"does not count":  {uncounted, "emitted 1 events but counts 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t.Context(), tt.obs, demo())
				synctest.Wait()
				complaint(t, s.stop(Bound), tt.want)
				time.Sleep(2 * time.Hour) // lets the deaf one end
			})
		})
	}
}

// While one event is being taken another one arrives.
func TestTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := good(0)
		s := start(t.Context(), f, demo())
		f.counted.Add(1)
		s.inside.Add(1)
		s.emit(thing())
		s.inside.Add(-1)
		complaint(t, s.stop(Bound), "at one time")
	})
}
