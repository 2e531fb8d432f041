package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
)

// Says says that the log of the pod's container tells of trouble of its own.
func (s *Set) Says(p Pod, at float64, what, target string) {
	e := event.Event{Kind: logs.Trouble, At: At(at), Count: 1, Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	logs.What.Set(&e, what)
	if target != "" {
		logs.Target.Set(&e, target)
	}
	s.add(observers.Cluster, e)
}

// ComplainsOf says that the log of the pod's container complains of a target,
// behind which no object is known.
func (s *Set) ComplainsOf(p Pod, from, to float64, what, target string) {
	e := event.Event{Kind: logs.Failure, At: At(from), Span: At(to).Sub(At(from)), Count: 3, Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	logs.What.Set(&e, what)
	logs.Target.Set(&e, target)
	s.add(observers.Cluster, e)
}
