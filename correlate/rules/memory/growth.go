package memory

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
)

// growth is how the anonymous memory of one instance of a container rose while
// it was watched.
type growth struct {
	first, last window.Fact
	rate        float64 // anonymous bytes a second
	cache       int64   // change of the page cache in bytes
	limit       int64
}

// A rise counts as growth when it is watched for this long and is at least
// this share of the limit; a shorter or smaller one may be noise.
const (
	minGrowthSpan  = 4 * time.Second
	minGrowthShare = 0.01
)

// growthOf finds the newest run of samples over which a container's anonymous
// memory only rose. A fall by a quarter ends a run: the instance was replaced
// or freed its memory.
func growthOf(w *window.Window, c event.Key) (growth, bool) {
	samples := w.About(memory.Usage, c)
	end := len(samples)
	for end > 1 {
		start := end - 1
		for start > 0 && anon(samples[start-1]) <= anon(samples[start])*5/4 {
			start--
		}
		if g, ok := grownOver(samples[start:end]); ok {
			return g, true
		}
		end = start
	}
	return growth{}, false
}

func grownOver(run []window.Fact) (growth, bool) {
	if len(run) < 2 {
		return growth{}, false
	}
	g := growth{first: run[0], last: run[len(run)-1]}
	limit, limited := memory.Limit.Get(g.last.Event)
	span := g.last.At.Sub(g.first.At)
	if !limited || span < minGrowthSpan {
		return growth{}, false
	}
	rise := anon(g.last) - anon(g.first)
	if float64(rise) < minGrowthShare*float64(limit) {
		return growth{}, false
	}
	g.limit = limit
	g.rate = float64(rise) / span.Seconds()
	g.cache = memory.Cache.Or(g.last.Event, 0) - memory.Cache.Or(g.first.Event, 0)
	return g, true
}

func anon(f window.Fact) int64 { return memory.Anon.Or(f.Event, 0) }

// evidence is the growth as a claim.
func (g growth) evidence(c event.Key) finding.Evidence {
	return finding.Evidence{
		Observer: memory.Spec.Name, Kind: memory.Usage, Entity: c,
		At: g.first.At, Span: g.last.At.Sub(g.first.At), Trust: finding.Seen, Claim: g.sentence(),
	}
}

func (g growth) sentence() string {
	cache := "cache flat"
	if float64(max(g.cache, -g.cache)) > minGrowthShare*float64(g.limit) {
		cache = "cache " + words.Rate(float64(g.cache)/g.last.At.Sub(g.first.At).Seconds())
	}
	return fmt.Sprintf("anonymous memory %s over %s, %s", words.Rate(g.rate), words.Span(g.last.At.Sub(g.first.At)), cache)
}

// fullAt is when the limit is reached if the growth goes on as it was.
func (g growth) fullAt() time.Time {
	left := float64(g.limit - memory.Used.Or(g.last.Event, 0))
	return g.last.At.Add(time.Duration(left / g.rate * float64(time.Second)))
}

// nearLimitUse is a sample of a container that is close to its limit.
func nearLimitUse(w *window.Window, c event.Key) (finding.Evidence, bool) {
	for _, f := range w.About(memory.Usage, c) {
		limit, limited := memory.Limit.Get(f.Event)
		peak := memory.Peak.Or(f.Event, memory.Used.Or(f.Event, 0))
		if limited && float64(peak) >= nearLimit*float64(limit) {
			return finding.Evidence{
				Observer: memory.Spec.Name, Kind: memory.Usage, Entity: c, At: f.At, Trust: finding.Seen,
				Claim: fmt.Sprintf("peak use %s since the container started", words.Of(peak, limit)), Origin: "cgroup",
			}, true
		}
	}
	return finding.Evidence{}, false
}
