package facts

import (
	"time"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/admission"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// Missing describes a workload that is short of pods.
type Missing struct {
	Namespace, Workload string // a Deployment
	Desired, Pods       int64
	Refused             bool
	Message             string
	Last                float64 // second of the last refusal
	Waits               bool
	Service             string // that would select its pods
}

// Key is the workload's key.
func (m Missing) Key() event.Key { return event.WorkloadKey("Deployment", m.Namespace, m.Workload) }

// Missing tells of a workload that is short of pods since the moment, as
// lifecycle and admission tell it.
func (s *Set) Missing(m Missing, at float64) {
	e := event.Event{Kind: lifecycle.Workload, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: m.Key()}}}
	lifecycle.Namespace.Set(&e, m.Namespace)
	lifecycle.Name.Set(&e, m.Workload)
	lifecycle.Desired.Set(&e, m.Desired)
	lifecycle.Available.Set(&e, m.Pods)
	lifecycle.Created.Set(&e, At(-600).Unix())
	s.add(observers.Cluster, e)
	e = event.Event{Kind: admission.Short, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: m.Key()}}}
	if m.Service != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(m.Namespace, m.Service)})
	}
	admission.Desired.Set(&e, m.Desired)
	admission.Pods.Set(&e, m.Pods)
	admission.Refused.Set(&e, m.Refused)
	if m.Refused {
		admission.RefusedFirst.Set(&e, At(at).Unix())
		admission.RefusedLast.Set(&e, At(m.Last).Unix())
		admission.Refusals.Set(&e, 5)
	}
	if m.Message != "" {
		admission.Message.Set(&e, m.Message)
	}
	if m.Waits {
		admission.Waits.Set(&e, true)
	}
	s.add(observers.Cluster, e)
}

// Admission adds a fact of the admission observer about a workload, with the
// namespace as limiter.
func (s *Set) Admission(kind event.Kind, at float64, m Missing, set func(*event.Event)) {
	subject := m.Key()
	if kind == admission.Quota {
		subject = event.Key{Type: event.Namespace, ID: m.Namespace}
	}
	e := event.Event{Kind: kind, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: subject}, {Role: event.Limiter, Key: event.Key{Type: event.Namespace, ID: m.Namespace}},
	}}
	set(&e)
	s.add(observers.Cluster, e)
}

// Mutated says that a part of the pod's container differs from its template.
func (s *Set) Mutated(p Pod, part, template, actual string, lowered bool) {
	e := event.Event{Kind: admission.Mutated, At: At(p.Created), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	admission.Part.Set(&e, part)
	admission.Template.Set(&e, template)
	admission.Actual.Set(&e, actual)
	admission.Lowered.Set(&e, lowered)
	s.add(observers.Cluster, e)
}

// Namespace makes a window whose target is a namespace.
func (s *Set) Namespace(now float64, name string) *window.Window {
	return window.New(window.Input{
		Target: window.Target{Kind: "Namespace", Key: event.Key{Type: event.Namespace, ID: name}, Namespace: name},
		From:   At(now).Add(-time.Hour), Now: At(now), Facts: s.List,
	})
}
