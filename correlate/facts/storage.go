package facts

import (
	"strings"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/storage"
)

// ClaimKey is the key of a claim.
func ClaimKey(namespace, name string) event.Key {
	return event.Key{Type: event.Volume, ID: namespace + "/" + name}
}

// Differ is one field tried alone on the volumes.
type Differ struct {
	Field          string
	Volumes, Frees int64
	Wants, Has     string
	Example        string
}

// Unbound is one look at a claim that keeps a pod waiting.
type Unbound struct {
	Missing, Settled   bool
	Round              int64
	Class, Is, Told    string
	Volumes            int64             // -1: unknown
	Groups             map[string]string // fields that differ, by the name of a volume
	Differs            []Differ
	Provisioner, Named string
}

// Unbound adds a look at the claim "data", which the pod uses.
func (s *Set) Unbound(p Pod, at float64, x Unbound) {
	subject := []event.Ref{{Role: event.Subject, Key: ClaimKey(p.Namespace, "data")}}
	round := max(x.Round, 1)
	text := func(f event.Field[string], e *event.Event, v string) {
		if v != "" {
			f.Set(e, v)
		}
	}
	for _, name := range []string{"pv1", "pv2", "pv3"} {
		if x.Groups[name] == "" {
			continue
		}
		e := event.Event{Kind: storage.Candidate, At: At(at), Refs: subject}
		storage.Round.Set(&e, round)
		storage.Against.Set(&e, x.Groups[name])
		storage.Volumes.Set(&e, 1)
		storage.Example.Set(&e, name)
		s.add(observers.Cluster, e)
	}
	for _, d := range x.Differs {
		e := event.Event{Kind: storage.Mismatch, At: At(at), Refs: subject}
		storage.Round.Set(&e, round)
		storage.Field.Set(&e, d.Field)
		storage.Volumes.Set(&e, d.Volumes)
		storage.Frees.Set(&e, d.Frees)
		text(storage.Wants, &e, d.Wants)
		text(storage.Has, &e, d.Has)
		text(storage.Example, &e, d.Example)
		if strings.Contains(d.Has, "/") {
			text(storage.Holder, &e, d.Has)
		}
		s.add(observers.Cluster, e)
	}
	e := event.Event{Kind: storage.Claim, At: At(at), Refs: append(append([]event.Ref(nil), subject...), event.Ref{Role: event.Peer, Key: p.Key()})}
	storage.Round.Set(&e, round)
	storage.Settled.Set(&e, x.Settled)
	if !x.Missing {
		storage.Phase.Set(&e, "Pending")
	}
	text(storage.ClassName, &e, x.Class)
	text(storage.ClassIs, &e, x.Is)
	text(storage.Told, &e, x.Told)
	text(storage.Provisioner, &e, x.Provisioner)
	text(storage.VolumeName, &e, x.Named)
	if x.Volumes >= 0 && !x.Missing {
		storage.Volumes.Set(&e, x.Volumes)
	}
	s.add(observers.Cluster, e)
}

// Unmounted adds a placed, pending pod with a volume that does not come up.
func (s *Set) Unmounted(p Pod, at float64, source, object, trouble string) {
	s.Creating(p, at)
	e := event.Event{Kind: storage.Mount, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	storage.Volume.Set(&e, "data")
	storage.Source.Set(&e, source)
	storage.Object.Set(&e, object)
	storage.Trouble.Set(&e, trouble)
	storage.Times.Set(&e, 4)
	s.add(observers.Cluster, e)
}

// Creating adds a pod on n1 whose containers have not started.
func (s *Set) Creating(p Pod, at float64) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Pending")
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
}

// IsHeld adds that another pod has the claim "data" on n2.
func (s *Set) IsHeld(p Pod, at float64, by, holder string) {
	e := event.Event{Kind: storage.Held, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: ClaimKey(p.Namespace, "data")}, {Role: event.Peer, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n2")},
	}}
	storage.By.Set(&e, by)
	storage.VolumeName.Set(&e, "pv1")
	if holder != "" {
		storage.HolderPod.Set(&e, holder)
	}
	s.add(observers.Cluster, e)
}

// EvictedForDisk adds that the kubelet evicted the pod for local storage.
func (s *Set) EvictedForDisk(p Pod, at float64, of, what string, limit int64) {
	e := event.Event{Kind: lifecycle.Pod, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	lifecycle.Namespace.Set(&e, p.Namespace)
	lifecycle.Name.Set(&e, p.Name)
	lifecycle.Phase.Set(&e, "Failed")
	lifecycle.Reason.Set(&e, "Evicted")
	lifecycle.Created.Set(&e, At(p.Created).Unix())
	s.add(observers.Cluster, e)
	v := event.Event{Kind: storage.Evicted, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")}}}
	storage.Of.Set(&v, of)
	storage.What.Set(&v, what)
	storage.Limit.Set(&v, limit)
	s.add(observers.Cluster, v)
}

// Mounts adds what the pod's container may do at a path; a group below 0 is
// none.
func (s *Set) Mounts(p Pod, path, volume string, readOnly bool, user, group int64) {
	e := event.Event{Kind: storage.Access, At: Epoch, Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	storage.Path.Set(&e, path)
	if volume != "" {
		storage.Volume.Set(&e, volume)
		storage.Source.Set(&e, "hostPath")
	}
	storage.ReadOnly.Set(&e, readOnly)
	storage.User.Set(&e, user)
	if group >= 0 {
		storage.Group.Set(&e, group)
	}
	s.add(observers.Cluster, e)
}
