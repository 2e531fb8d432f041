package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// Past adds counters about the pod or its container that counted for the given
// seconds; none adds nothing.
func (s *Set) Past(p Pod, kind event.Kind, about event.Key, seconds float64, counters map[event.Field[int64]]int64) {
	if counters == nil {
		return
	}
	e := event.Event{Kind: kind, At: At(30 - seconds), Span: time.Duration(seconds * float64(time.Second)), Refs: []event.Ref{
		{Role: event.Subject, Key: about}, {Role: event.Owner, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")},
	}}
	for f, n := range counters {
		f.Set(&e, n)
	}
	s.add(observers.Node, e)
}
