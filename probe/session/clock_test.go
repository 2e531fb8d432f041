package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

func TestClockBoundsTheOffset(t *testing.T) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for name, tt := range map[string]struct {
		skew, there, spent, back time.Duration
	}{
		"same clock":      {0, time.Millisecond, 0, time.Millisecond},
		"node ahead":      {3 * time.Second, 10 * time.Millisecond, time.Millisecond, 10 * time.Millisecond},
		"node behind":     {-time.Hour, 5 * time.Millisecond, 0, 5 * time.Millisecond},
		"uneven way":      {time.Second, 90 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond},
		"no time at all":  {0, 0, 0, 0},
		"years of skew":   {-50 * 365 * 24 * time.Hour, time.Millisecond, 0, time.Millisecond},
		"slow processing": {time.Second, time.Millisecond, 3 * time.Second, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var c clock
			ping := c.ping(base)
			received := base.Add(tt.there + tt.skew)
			o, ok := c.pong(wire.Pong{Echo: ping.Sent, Received: received, Sent: received.Add(tt.spent)}, base.Add(tt.there+tt.spent+tt.back))
			if !ok {
				t.Fatal("not accepted")
			}
			if off := (o.Offset - tt.skew).Abs(); off > o.Error {
				t.Errorf("offset %s is off by %s, more than its error %s", o.Offset, off, o.Error)
			}
			if want := (tt.there+tt.back)/2 + 1; o.Error > want {
				t.Errorf("error %s, want %s", o.Error, want)
			}
		})
	}
}

func TestClockRefusesNonsense(t *testing.T) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := base.Add(10 * time.Millisecond)
	for name, pong := range map[string]wire.Pong{
		"never sent":     {Echo: base.Add(time.Hour), Received: base, Sent: base},
		"backwards":      {Echo: base, Received: base.Add(time.Second), Sent: base},
		"more than trip": {Echo: base, Received: base, Sent: base.Add(time.Second)},
		"zero":           {},
	} {
		var c clock
		c.ping(base)
		if o, ok := c.pong(pong, now); ok {
			t.Errorf("%s: accepted as %+v", name, o)
		}
	}
	var c clock
	ping := c.ping(base)
	good := wire.Pong{Echo: ping.Sent, Received: base, Sent: base}
	if _, ok := c.pong(good, now); !ok {
		t.Error("a good answer was refused")
	}
	if _, ok := c.pong(good, now); ok {
		t.Error("the same answer was taken twice")
	}
}

func TestClockKeepsTheBestAndForgets(t *testing.T) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var c clock
	exchange := func(at time.Time, trip time.Duration) Offset {
		ping := c.ping(at)
		o, ok := c.pong(wire.Pong{Echo: ping.Sent, Received: at.Add(trip / 2), Sent: at.Add(trip / 2)}, at.Add(trip))
		if !ok {
			t.Fatal("not accepted")
		}
		return o
	}
	exchange(base, 2*time.Millisecond)
	if o := exchange(base.Add(3*time.Second), time.Second); o.Error > 2*time.Millisecond {
		t.Errorf("a slow answer spoiled the estimate: %+v", o)
	}
	if o := exchange(base.Add(time.Hour), 20*time.Millisecond); o.Error > 15*time.Millisecond || o.At.Before(base.Add(time.Hour)) {
		t.Errorf("an estimate of an hour ago beats a fresh one: %+v", o)
	}
	for i := range 100 {
		c.ping(base.Add(time.Duration(i) * time.Second))
		exchange(base.Add(2*time.Hour+time.Duration(i)*time.Second), time.Millisecond)
	}
	if len(c.samples) > maxSamples || len(c.pending) > maxPending {
		t.Errorf("%d samples, %d pending pings", len(c.samples), len(c.pending))
	}
}

func FuzzClock(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0))
	f.Add(int64(-1<<63), int64(1<<63-1), int64(1))
	f.Fuzz(func(t *testing.T, received, sent, trip int64) {
		base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		var c clock
		ping := c.ping(base)
		o, ok := c.pong(wire.Pong{Echo: ping.Sent, Received: time.Unix(0, received), Sent: time.Unix(0, sent)}, base.Add(time.Duration(trip)))
		if ok && o.Error < 0 {
			t.Errorf("a negative error: %+v", o)
		}
	})
}

func TestSessionOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProbe{name: "a", serve: func(p *peer) { p.skew = -90 * time.Second; p.hello(); p.serve() }}
		s := begin(t, t.Context(), &fakeFleet{}, f)
		go collect(s)
		time.Sleep(5 * time.Second)
		o, ok := s.Offsets()["a"]
		if !ok || (o.Offset+90*time.Second).Abs() > o.Error {
			t.Errorf("%v %+v", ok, o)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
