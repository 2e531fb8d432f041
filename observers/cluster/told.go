package cluster

import (
	"maps"
	"slices"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Told remembers facts that are states, so that an observer which computes all
// of them in every look emits each only when it is new or changed, and once
// more when it ended.
type Told struct {
	facts map[string]*toldFact
	round uint64
}

type toldFact struct {
	last  event.Event
	round uint64
}

// Begin starts a look.
func (t *Told) Begin() {
	if t.facts == nil {
		t.facts = map[string]*toldFact{}
	}
	t.round++
}

// Tell emits the fact unless it says what was said under this id before. A
// change without a time of its own happened by now.
func (t *Told) Tell(id string, e event.Event, now time.Time, emit func(event.Event)) {
	f := t.facts[id]
	if f == nil {
		t.facts[id] = &toldFact{last: e, round: t.round}
		emit(e)
		return
	}
	f.round = t.round
	if maps.Equal(f.last.Attrs, e.Attrs) && slices.Equal(f.last.Refs, e.Refs) {
		return
	}
	if !e.At.After(f.last.At) {
		e.At = now
	}
	f.last = e
	emit(e)
}

// End emits, with over set, the facts that the look which ends here did not
// tell any more, in the order of their ids.
func (t *Told) End(over event.Field[bool], now time.Time, emit func(event.Event)) {
	for _, id := range slices.Sorted(maps.Keys(t.facts)) {
		f := t.facts[id]
		if f.round == t.round {
			continue
		}
		delete(t.facts, id)
		e := f.last
		e.Attrs = maps.Clone(e.Attrs)
		over.Set(&e, true)
		e.At = now
		emit(e)
	}
}
