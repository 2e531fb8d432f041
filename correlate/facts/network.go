package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// Fault describes what is wrong with the Service shop/NAME.
type Fault struct {
	Carries        string // of Unmatched: app=NAME is asked for, the near pods carry this
	Near           int64
	NoPods         bool
	Problem        string // of BadPort
	Wanted, Agree  int64
	Callers, Ready int64
	Own            string // of Foreign
}

func (s *Set) fault(kind event.Kind, name string, owner Pod) event.Event {
	return event.Event{Kind: kind, At: At(-600), Refs: []event.Ref{
		{Role: event.Subject, Key: event.ServiceKey("shop", name)},
		{Role: event.Owner, Key: event.WorkloadKey("Deployment", "shop", owner.Workload)},
		{Role: event.Peer, Key: owner.Key()},
	}}
}

// Unmatched adds a Service whose selector matches no pod; p is the nearest.
func (s *Set) Unmatched(name string, p Pod, x Fault) {
	e := s.fault(services.Unmatched, name, p)
	services.Selector.Set(&e, "app="+name)
	if x.Near > 0 {
		services.Label.Set(&e, "app")
		services.Wants.Set(&e, name)
		if x.Carries != "" {
			services.Carries.Set(&e, x.Carries)
		}
		services.Near.Set(&e, x.Near)
		services.NearReady.Set(&e, x.Near)
	}
	if x.NoPods {
		services.NoPods.Set(&e, true)
	}
	services.Callers.Set(&e, x.Callers)
	s.add(observers.Cluster, e)
}

// BadPort adds a Service whose port 80 leads to 8081 by TCP.
func (s *Set) BadPort(name string, p Pod, x Fault) {
	e := s.fault(services.BadPort, name, p)
	services.Port.Set(&e, 80)
	services.Target.Set(&e, "8081")
	services.Protocol.Set(&e, "TCP")
	services.Problem.Set(&e, x.Problem)
	switch x.Problem {
	case services.BadProtocol:
		services.Protocol.Set(&e, "UDP")
		services.Speaks.Set(&e, "TCP")
	case services.BadApplication:
		services.Protocol.Set(&e, "grpc")
		services.Speaks.Set(&e, "http")
	}
	if x.Wanted > 0 {
		services.Wanted.Set(&e, x.Wanted)
		services.WantedN.Set(&e, x.Agree)
		services.WantedFrom.Set(&e, "containerPort")
	}
	services.Callers.Set(&e, x.Callers)
	services.ReadyBehind.Set(&e, x.Ready)
	s.add(observers.Cluster, e)
}

// Foreign adds a Service that also selects the pod of another workload.
func (s *Set) Foreign(name string, p Pod, x Fault) {
	e := s.fault(services.Foreign, name, p)
	services.Port.Set(&e, 80)
	services.Target.Set(&e, "8080")
	services.Strangers.Set(&e, 1)
	services.Natives.Set(&e, x.Ready)
	if x.Own != "" {
		services.OwnService.Set(&e, x.Own)
	}
	s.add(observers.Cluster, e)
}

// NoLocal adds a node-local Service without a pod on n1.
func (s *Set) NoLocal(name string, p Pod, x Fault) {
	e := s.fault(services.NoLocal, name, p)
	e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey("n1")})
	services.Policy.Set(&e, "internalTrafficPolicy")
	services.Callers.Set(&e, x.Callers)
	services.ReadyBehind.Set(&e, x.Ready)
	s.add(observers.Cluster, e)
}

// FaultOver ends the newest fact of the kind about the Service.
func (s *Set) FaultOver(kind event.Kind, name string) {
	for _, f := range s.List {
		if f.Kind == kind && f.Subject() == event.ServiceKey("shop", name) {
			e := f.Event
			e.At = At(10)
			e.Attrs = event.Attrs{}
			for k, v := range f.Attrs {
				e.Attrs[k] = v
			}
			services.Over.Set(&e, true)
			s.add(observers.Cluster, e)
			return
		}
	}
}

// ReadyPods adds a Service with so many ready pods behind it.
func (s *Set) ReadyPods(name string, ready int64, pods ...Pod) {
	e := event.Event{Kind: services.Selects, At: At(1), Refs: []event.Ref{{Role: event.Subject, Key: event.ServiceKey("shop", name)}}}
	for _, p := range pods {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: p.Key()})
	}
	services.Selecting.Set(&e, true)
	services.ReadyPods.Set(&e, ready)
	s.add(observers.Cluster, e)
}
