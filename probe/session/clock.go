package session

import (
	"slices"
	"sync"
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

// maxStep is how far two readings of one clock may differ from what passed, by
// the imprecision of reading them.
const maxStep = time.Millisecond

// clock estimates a node's offset from pings and pongs, as NTP does (RFC 5905,
// section 8): the answer lies within the round trip, less the time the node
// spent on it. Samples stay good across connections: they are about the clocks.
// It is safe for concurrent use.
type clock struct {
	mu      sync.Mutex
	pending map[int64]time.Time // by the ping's stamp, with our monotonic reading
	samples []Offset
}

// ping returns the ping to send now.
func (c *clock) ping(now time.Time) wire.Ping {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil || len(c.pending) >= maxPending {
		c.pending = map[int64]time.Time{}
	}
	c.pending[now.UnixNano()] = now
	return wire.Ping{Sent: now.Round(0).UTC()}
}

// pong takes the answer that arrived now and returns the best estimate; ok is
// false when the answer fits no ping or contradicts itself.
func (c *clock) pong(p wire.Pong, now time.Time) (best Offset, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, ok := c.pending[p.Echo.UnixNano()]
	if !ok {
		return Offset{}, false
	}
	delete(c.pending, p.Echo.UnixNano())
	trip, spent := now.Sub(sent), p.Sent.Sub(p.Received)
	if spent < 0 || spent > trip {
		return Offset{}, false
	}
	if wall := now.Round(0).Sub(sent.Round(0)); (wall - trip).Abs() > maxStep {
		return Offset{}, false // our own clock was set, or this machine slept, in between
	}
	there, back := p.Received.Sub(sent.Round(0)), p.Sent.Sub(sent.Round(0).Add(trip))
	fresh := Offset{Offset: there/2 + back/2, Error: (trip-spent)/2 + 1, At: now}
	// Samples that contradict the new one are from before a clock was set.
	c.samples = slices.DeleteFunc(c.samples, func(s Offset) bool {
		return (s.Offset - fresh.Offset).Abs() > s.aged(now).Error+fresh.Error+maxStep
	})
	if len(c.samples) == maxSamples {
		c.samples = c.samples[1:]
	}
	c.samples = append(c.samples, fresh)
	best = Offset{Error: 1<<63 - 1}
	for _, s := range c.samples {
		if s = s.aged(now); s.Error < best.Error {
			best = s
		}
	}
	return best, true
}

// aged returns the sample with the error it has by now.
func (o Offset) aged(now time.Time) Offset {
	o.Error += now.Sub(o.At) / drift
	return o
}
