package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// JobFact adds a fact of the jobs observer.
func (s *Set) JobFact(kind event.Kind, at float64, subject event.Key, set func(*event.Event), peers ...event.Key) {
	e := event.Event{Kind: kind, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	for _, p := range peers {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: p})
	}
	set(&e)
	s.add(observers.Cluster, e)
}
