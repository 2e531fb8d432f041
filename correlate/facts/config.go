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

// Misnames says that the pod's container names an address that no Service has.
func (s *Set) Misnames(p Pod, host string, port int64, why, right string, others int64, earlier bool) {
	e := event.Event{Kind: config.Address, At: At(p.Created), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	if right != "" {
		name := right
		if why == config.NoPort {
			name = host
		}
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(p.Namespace, name)})
		config.Right.Set(&e, right)
	}
	config.Where.Set(&e, "env ADDR")
	config.Host.Set(&e, host)
	config.Port.Set(&e, port)
	config.Why.Set(&e, why)
	config.Others.Set(&e, others)
	config.Earlier.Set(&e, earlier)
	s.add(observers.Cluster, e)
}

// LogsInWrong says that the pod's container gives a Service another password
// than the server was told (server) or than other clients give.
func (s *Set) LogsInWrong(p Pod, service, server string, others int64) {
	e := event.Event{Kind: config.Credentials, At: At(p.Created), Refs: []event.Ref{
		{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}, {Role: event.Peer, Key: event.ServiceKey(p.Namespace, service)},
	}}
	config.Where.Set(&e, "env DB_PASSWORD")
	config.Differs.Set(&e, config.Password)
	if server != "" {
		config.Server.Set(&e, server)
	}
	config.Others.Set(&e, others)
	s.add(observers.Cluster, e)
}

// ChangedSince says that an object which the pod's container reads once changed.
func (s *Set) ChangedSince(p Pod, at float64, object, name string) {
	e := event.Event{Kind: config.Stale, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()},
		{Role: event.Peer, Key: event.Key{Type: event.Config, ID: object + "/" + p.Namespace + "/" + name}},
	}}
	config.Object.Set(&e, object)
	config.Name.Set(&e, name)
	config.Where.Set(&e, "env X")
	config.Started.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
}

// SharesPort says that another container of the pod is told to listen on the
// port that the pod's container declares.
func (s *Set) SharesPort(p Pod, other string, port int64) {
	e := event.Event{Kind: config.SamePort, At: At(p.Created), Refs: []event.Ref{
		{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}, {Role: event.Peer, Key: event.ContainerKey(p.UID, other)},
	}}
	config.Port.Set(&e, port)
	config.Where.Set(&e, "env STATUS_PORT")
	s.add(observers.Cluster, e)
}
