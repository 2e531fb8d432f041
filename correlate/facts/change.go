package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
)

// Change adds a fact of the changes observer.
func (s *Set) Change(kind event.Kind, at float64, subject event.Key, set func(*event.Event), peers ...event.Key) {
	e := event.Event{Kind: kind, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	for _, p := range peers {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: p})
	}
	set(&e)
	s.add(observers.Cluster, e)
}

// Rolled sets the fields of a rollout from revision 1 to 2 in which the image
// differs.
func Rolled(newPods, newReady, oldPods, oldReady int64) func(*event.Event) {
	return func(e *event.Event) {
		changes.Revision.Set(e, "2")
		changes.Previous.Set(e, "1")
		changes.Differs.Set(e, "image of app")
		changes.NewPods.Set(e, newPods)
		changes.NewReady.Set(e, newReady)
		changes.OldPods.Set(e, oldPods)
		changes.OldReady.Set(e, oldReady)
		changes.OldWorked.Set(e, oldReady > 0)
		changes.By.Set(e, "kubectl-set")
	}
}
