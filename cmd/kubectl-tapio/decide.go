package main

import (
	"context"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
)

// When a story counts as decided: the leader's odds are this many times the
// next one's, for this long, while every probe that was launched can see.
const (
	decisiveOdds = 3.0
	decisiveFor  = 5 * time.Second
	lookEvery    = 500 * time.Millisecond
)

// waitForDecision returns once the story is decided, --duration is over, the
// user interrupts, or no probe is left to wait for.
func (r *explaining) waitForDecision(ctx context.Context) {
	over := time.NewTimer(r.duration)
	defer over.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var p patience
	for {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-r.probed:
			return
		case now := <-tick.C:
			if !r.full && p.decided(r.explain(), now) {
				return
			}
		}
	}
}

// patience watches for how long one hypothesis leads undisputed.
type patience struct {
	leader string
	since  time.Time
}

func (p *patience) decided(s *story.Story, now time.Time) bool {
	leader := undisputed(s)
	if leader != p.leader {
		p.leader, p.since = leader, now
	}
	return leader != "" && now.Sub(p.since) >= decisiveFor
}

// undisputed names the leader when it is supported, well ahead of the next, and
// at least one probe sees; "" when a look may still change the story.
func undisputed(s *story.Story) string {
	if s.Verdict != story.Explained {
		return ""
	}
	seeing := 0
	for _, n := range s.Coverage.Nodes {
		if n.From != nil {
			seeing++
		}
	}
	if seeing == 0 {
		return ""
	}
	h := s.Hypotheses[0]
	if len(s.Hypotheses) > 1 && odds(h.Confidence) < decisiveOdds*odds(s.Hypotheses[1].Confidence) {
		return ""
	}
	return h.Cause + " " + h.Entity.Namespace + "/" + h.Entity.Name + "/" + h.Entity.Container
}

func odds(p float64) float64 { return p / (1 - min(p, 0.999)) }
