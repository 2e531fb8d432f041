package session

import (
	"time"

	"github.com/yairfalse/tapio/probe/wire"
)

// Offset is how far a node's wall clock is from ours.
type Offset struct {
	Offset time.Duration // node minus client
	Error  time.Duration // the true offset differs by at most this
	At     time.Time     // of the exchange behind it, our clock
}

// Bounds of what a clock remembers.
const (
	maxPending = 16
	maxSamples = 16
)

// drift is how much worse a sample gets with age: one part in ten thousand, as
// two free-running clocks may part.
const drift = 10_000

// clock estimates a node's offset from pings and pongs, as NTP does (RFC 5905,
// section 8): the answer lies within the round trip, less the time the node
// spent on it.
type clock struct {
	pending map[int64]time.Time // by the ping's stamp, with our monotonic reading
	samples []Offset
}

// ping returns the ping to send now.
func (c *clock) ping(now time.Time) wire.Ping {
	if c.pending == nil || len(c.pending) >= maxPending {
		c.pending = map[int64]time.Time{}
	}
	c.pending[now.UnixNano()] = now
	return wire.Ping{Sent: now.Round(0).UTC()}
}

// pong takes the answer that arrived now and returns the best estimate; ok is
// false when the answer fits no ping or contradicts itself.
func (c *clock) pong(p wire.Pong, now time.Time) (best Offset, ok bool) {
	sent, ok := c.pending[p.Echo.UnixNano()]
	if !ok {
		return Offset{}, false
	}
	delete(c.pending, p.Echo.UnixNano())
	trip, spent := now.Sub(sent), p.Sent.Sub(p.Received)
	if spent < 0 || spent > trip {
		return Offset{}, false
	}
	there, back := p.Received.Sub(sent.Round(0)), p.Sent.Sub(sent.Round(0).Add(trip))
	if len(c.samples) == maxSamples {
		c.samples = c.samples[1:]
	}
	c.samples = append(c.samples, Offset{Offset: there/2 + back/2, Error: (trip-spent)/2 + 1, At: now})
	best = Offset{Error: 1<<63 - 1}
	for _, s := range c.samples {
		s.Error += now.Sub(s.At) / drift
		if s.Error < best.Error {
			best = s
		}
	}
	return best, true
}
