// Package event is the vocabulary that every stage shares: what a fact about a
// node or a cluster looks like, whom it is about, and in which unit it counts.
// It imports the standard library only, so that probe, rules and screen can
// all speak it.
package event

import (
	"strings"
	"time"
)

// Kind names a sort of fact as "observer.what", for example
// "memory.oom_kill". Kinds are stable once shipped: tapes hold them.
type Kind string

// Observer returns the part of the kind before the first dot: the name of the
// observer that emits it.
func (k Kind) Observer() string {
	name, _, _ := strings.Cut(string(k), ".")
	return name
}

// Event is one fact. The node and the API server state facts; what they mean
// is decided on the client.
type Event struct {
	// Seq counts the events of one source from 1; a hole is a visible loss.
	Seq uint64 `json:"seq,omitempty"`
	// Kind decides which fields Attrs may hold (see the observer's Schema).
	Kind Kind `json:"kind"`
	// At is when the fact began, by the clock of the source.
	At time.Time `json:"at"`
	// Span is how long the fact lasted or the window it sums up, in
	// nanoseconds; 0 is an instant.
	Span time.Duration `json:"span,omitempty"`
	// Count is how many occurrences the event stands for; 0 reads as 1.
	Count uint32 `json:"count,omitempty"`
	// Refs are the entities concerned. Refs[0] is the subject.
	Refs []Ref `json:"refs"`
	// Attrs holds the declared fields of the kind and nothing else.
	Attrs Attrs `json:"attrs,omitempty"`
}

// Subject returns the entity the event is about, or the zero Key.
func (e Event) Subject() Key {
	if len(e.Refs) == 0 {
		return Key{}
	}
	return e.Refs[0].Key
}

// Ref returns the first entity that has the role.
func (e Event) Ref(r Role) (Key, bool) {
	for _, ref := range e.Refs {
		if ref.Role == r {
			return ref.Key, true
		}
	}
	return Key{}, false
}

// Occurrences is Count with its zero value read as 1.
func (e Event) Occurrences() uint32 {
	return max(e.Count, 1)
}

// End is the moment at which the fact stopped being observed.
func (e Event) End() time.Time { return e.At.Add(e.Span) }
