package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// Lack describes a reference to an object or key that is not there.
type Lack struct {
	Object, Name, Key, Where, Similar string
	Compared, Reported, OfPod         bool
}

// Lacks says that the pod's container, or the pod, refers to what is not there.
func (s *Set) Lacks(p Pod, at float64, x Lack) {
	subject := p.App()
	if x.OfPod {
		subject = p.Key()
	}
	e := event.Event{Kind: config.Missing, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: subject}, {Role: event.Owner, Key: p.Key()},
		{Role: event.Peer, Key: event.Key{Type: event.Config, ID: x.Object + "/" + p.Namespace + "/" + x.Name}},
	}}
	for f, v := range map[event.Field[string]]string{config.Object: x.Object, config.Name: x.Name, config.Key: x.Key, config.Where: x.Where, config.Similar: x.Similar} {
		if v != "" {
			f.Set(&e, v)
		}
	}
	config.Compared.Set(&e, x.Compared)
	config.Reported.Set(&e, x.Reported)
	s.add(observers.Cluster, e)
}
