package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

// Probe describes a probe of the pod's container and what else is known of it.
type Probe struct {
	Which, Method          string // Method "" is http
	Port                   int64
	Unnamed                string // the name of a port that is not declared
	Delay, Period, Timeout int64  // seconds; 0 is 0, 10 and 1
	Threshold              int64  // 0 is 3
	Known, Wanted, WantedN int64
	Speaks                 string
	Elsewhere, Took        int64
	Changed                string
	Passes                 bool
	Startup                bool
}

// Probe adds a probe's settings.
func (s *Set) Probe(p Pod, x Probe) {
	or := func(n, def int64) int64 {
		if n == 0 {
			return def
		}
		return n
	}
	e := event.Event{Kind: health.Probe, At: At(0), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	if x.Method == "" {
		x.Method = health.HTTP
	}
	health.Which.Set(&e, x.Which)
	health.Method.Set(&e, x.Method)
	if x.Method != health.TCP && x.Method != health.Exec {
		health.Asks.Set(&e, x.Method)
	}
	if x.Port > 0 {
		health.Port.Set(&e, x.Port)
	}
	if x.Unnamed != "" {
		health.PortName.Set(&e, x.Unnamed)
		health.Unnamed.Set(&e, true)
	}
	period, threshold := or(x.Period, 10), or(x.Threshold, 3)
	health.Delay.Set(&e, x.Delay)
	health.Period.Set(&e, period)
	health.Timeout.Set(&e, or(x.Timeout, 1))
	health.Threshold.Set(&e, threshold)
	health.Budget.Set(&e, x.Delay+period*(threshold-1))
	health.Known.Set(&e, x.Known)
	if x.Wanted > 0 {
		health.Wanted.Set(&e, x.Wanted)
		health.WantedN.Set(&e, or(x.WantedN, 1))
		health.WantedFrom.Set(&e, "containerPort")
	}
	if x.Speaks != "" {
		health.Speaks.Set(&e, x.Speaks)
		health.SpeaksN.Set(&e, 1)
		health.SpeaksFrom.Set(&e, "readiness probe")
	}
	if x.Elsewhere > 0 {
		health.Elsewhere.Set(&e, x.Elsewhere)
	}
	if x.Took > 0 {
		health.Took.Set(&e, x.Took)
	}
	if x.Changed != "" {
		health.Changed.Set(&e, x.Changed)
		health.Before.Set(&e, "something else")
		health.Revision.Set(&e, "1")
	}
	if x.Passes {
		health.Passes.Set(&e, true)
	}
	if x.Startup {
		health.Startup.Set(&e, true)
	}
	s.add(observers.Cluster, e)
}

// ProbeFailed adds the kubelet's report of failures; port and code may be 0.
func (s *Set) ProbeFailed(p Pod, which, what string, port, code int64, from, to float64, count uint32) {
	e := event.Event{Kind: health.Failed, At: At(from), Span: At(to).Sub(At(from)), Count: count, Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	health.Which.Set(&e, which)
	health.What.Set(&e, what)
	if port > 0 {
		health.Port.Set(&e, port)
	}
	if code > 0 {
		health.Code.Set(&e, code)
	}
	s.add(observers.Cluster, e)
}

// ProbeKilled adds the kubelet's report that it killed the container.
func (s *Set) ProbeKilled(p Pod, which string, from, to float64, count uint32) {
	e := event.Event{Kind: health.Killed, At: At(from).Truncate(time.Second), Span: At(to).Sub(At(from)), Count: count, Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	health.Which.Set(&e, which)
	s.add(observers.Cluster, e)
}
