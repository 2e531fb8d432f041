package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// Try is one constraint tried alone.
type Try struct {
	Constraint           string
	Nodes, Frees         int64
	Asks, Lacks, Holder  string
	Request, Free, Large int64
	At                   string // the closest node
}

// Group is a set of nodes with what stands against the pod there.
type Group struct {
	Against string
	Nodes   []string
	Closed  bool
}

// Wait is one look at a pod that waits.
type Wait struct {
	Round                         int64
	Placed                        bool
	Total, Feasible               int64 // Total 0: the nodes are unknown
	Silent                        bool  // the scheduler has said nothing
	Words, Gates, Scheduler, Lack string
	Claims                        string
	Groups                        []Group
	Tries                         []Try
}

// Waiting adds a pending pod and one look of the scheduling observer at it.
func (s *Set) Waiting(p Pod, at float64, x Wait) {
	refs := []event.Ref{{Role: event.Subject, Key: p.Key()}}
	if p.Workload != "" {
		refs = append(refs, event.Ref{Role: event.Owner, Key: event.WorkloadKey("Deployment", p.Namespace, p.Workload)})
	}
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: refs}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Pending")
	lifecycle.Ready.Set(&e, false)
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
	c := event.Event{Kind: lifecycle.Container, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Name.Set(&c, "app")
	lifecycle.State.Set(&c, lifecycle.Waiting)
	s.add(observers.Cluster, c)
	s.look(p, at, refs, x)
}

func (s *Set) look(p Pod, at float64, refs []event.Ref, x Wait) {
	fact := func(kind event.Kind, hosts ...string) event.Event {
		e := event.Event{Kind: kind, At: At(at), Refs: append([]event.Ref(nil), refs...)}
		for _, h := range hosts {
			e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(h)})
		}
		scheduling.Round.Set(&e, max(x.Round, 1))
		return e
	}
	set := func(f event.Field[string], e *event.Event, v string) {
		if v != "" {
			f.Set(e, v)
		}
	}
	for _, g := range x.Groups {
		e := fact(scheduling.Refusal, g.Nodes...)
		scheduling.Against.Set(&e, g.Against)
		scheduling.Nodes.Set(&e, int64(len(g.Nodes)))
		scheduling.Usual.Set(&e, !g.Closed)
		s.add(observers.Cluster, e)
	}
	for _, t := range x.Tries {
		e := fact(scheduling.Constraint, t.At)
		scheduling.Name.Set(&e, t.Constraint)
		scheduling.Nodes.Set(&e, t.Nodes)
		scheduling.Frees.Set(&e, t.Frees)
		set(scheduling.Asks, &e, t.Asks)
		set(scheduling.Lacks, &e, t.Lacks)
		set(scheduling.Holder, &e, t.Holder)
		if t.Request > 0 {
			scheduling.Request.Set(&e, t.Request)
			scheduling.Free.Set(&e, t.Free)
			scheduling.Largest.Set(&e, t.Large)
		}
		s.add(observers.Cluster, e)
	}
	e := fact(scheduling.Unplaced)
	scheduling.Placed.Set(&e, x.Placed)
	scheduling.Since.Set(&e, At(p.Created).Unix())
	scheduling.Asked.Set(&e, !x.Silent)
	if x.Total > 0 {
		scheduling.Total.Set(&e, x.Total)
		scheduling.Feasible.Set(&e, x.Feasible)
	}
	set(scheduling.Words, &e, x.Words)
	set(scheduling.Gates, &e, x.Gates)
	set(scheduling.Names, &e, x.Scheduler)
	set(scheduling.Unknown, &e, x.Lack)
	set(scheduling.Claims, &e, x.Claims)
	s.add(observers.Cluster, e)
}

// Revised adds a Deployment at one of its revisions.
func (s *Set) Revised(namespace, name string, desired, available int64, revision string) {
	e := event.Event{Kind: lifecycle.Workload, At: Epoch, Refs: []event.Ref{{Role: event.Subject, Key: event.WorkloadKey("Deployment", namespace, name)}}}
	lifecycle.Namespace.Set(&e, namespace)
	lifecycle.Name.Set(&e, name)
	lifecycle.Desired.Set(&e, desired)
	lifecycle.Available.Set(&e, available)
	lifecycle.Revision.Set(&e, revision)
	lifecycle.Created.Set(&e, Epoch.Add(-time.Hour).Unix())
	s.add(observers.Cluster, e)
}

// SchedulerIs adds what is known of the scheduler itself; renewed is the second
// at which it last renewed its lease, Unknown when nobody knows.
func (s *Set) SchedulerIs(node, state string, at, renewed float64) {
	subject := event.NodeKey(node)
	if node == "" {
		subject = event.Key{Type: event.Namespace, ID: "kube-system"}
	}
	e := event.Event{Kind: scheduling.Scheduler, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	scheduling.State.Set(&e, state)
	if renewed > Unknown {
		scheduling.Renewed.Set(&e, At(renewed).Unix())
	}
	s.add(observers.Cluster, e)
}

// IsDisplaced adds that a pod of the Deployment had to leave n1.
func (s *Set) IsDisplaced(p Pod, at float64, by, room string) {
	e := event.Event{Kind: scheduling.Displaced, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: event.PodKey("former-" + p.UID)}, {Role: event.Owner, Key: event.WorkloadKey("Deployment", p.Namespace, p.Workload)}, {Role: event.Host, Key: event.NodeKey("n1")},
	}}
	scheduling.Victim.Set(&e, p.Name+"-former")
	scheduling.By.Set(&e, by)
	if room != "" {
		scheduling.For.Set(&e, room)
	}
	s.add(observers.Cluster, e)
}

// Guarded adds a disruption budget that holds the pod on a cordoned n1.
func (s *Set) Guarded(p Pod, at float64, budget string, wanted, healthy, expected int64) {
	e := event.Event{Kind: scheduling.Guard, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	scheduling.BudgetName.Set(&e, budget)
	scheduling.Wanted.Set(&e, wanted)
	scheduling.Healthy.Set(&e, healthy)
	scheduling.Expected.Set(&e, expected)
	s.add(observers.Cluster, e)
}
