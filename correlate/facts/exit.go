package facts

import (
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// End describes the end of an instance of the pod's container.
type End struct {
	Reason          string // "" is Error, or Completed for code 0
	Code            int64
	Failure, Target string // lifecycle.Failure and FailureTarget
	Role            string // "" is main
	Before          int64  // how many instances came before it
}

// End adds the end of an instance that ran from started (Unknown for one that
// never did) until at.
func (s *Set) End(p Pod, started, at float64, x End) {
	if x.Reason == "" {
		x.Reason = "Error"
		if x.Code == 0 {
			x.Reason = "Completed"
		}
	}
	if x.Role == "" {
		x.Role = lifecycle.Main
	}
	e := event.Event{Kind: lifecycle.Ended, At: At(at).Truncate(time.Second), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Name.Set(&e, "app")
	lifecycle.Role.Set(&e, x.Role)
	lifecycle.Reason.Set(&e, x.Reason)
	lifecycle.ExitCode.Set(&e, x.Code)
	lifecycle.Restarts.Set(&e, x.Before)
	if started > Unknown {
		lifecycle.Started.Set(&e, At(started).Unix())
	}
	if x.Failure != "" {
		lifecycle.Failure.Set(&e, x.Failure)
	}
	if x.Target != "" {
		lifecycle.FailureTarget.Set(&e, x.Target)
	}
	s.add(observers.Cluster, e)
}

// Loops adds the pod as one whose container waits for its next start, after
// ends alike one minute apart, the last at the given second.
func (s *Set) Loops(p Pod, at float64, life float64, x End) {
	s.Pod(p, at+1, State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: x.Before + 2})
	for i, end := range []float64{at - 60, at} {
		one := x
		one.Before += int64(i)
		started := end - life
		if life < 0 {
			started = Unknown
		}
		s.End(p, started, end, one)
	}
}

// Init adds the pod as one that waits for its init container, which is in the
// given state and the only one that is told.
func (s *Set) Init(p Pod, at float64, st State) {
	s.Pod(p, at, st)
	list := s.List[len(s.List)-2:]
	lifecycle.Phase.Set(&list[0].Event, "Pending")
	lifecycle.Role.Set(&list[1].Event, lifecycle.Init)
}

// Beside adds another container of the pod, which runs since the given second.
func (s *Set) Beside(p Pod, name string, started float64) {
	e := event.Event{Kind: lifecycle.Container, At: At(started), Refs: []event.Ref{{Role: event.Subject, Key: event.ContainerKey(p.UID, name)}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Name.Set(&e, name)
	lifecycle.Role.Set(&e, lifecycle.Main)
	lifecycle.State.Set(&e, lifecycle.Running)
	lifecycle.Ready.Set(&e, true)
	lifecycle.Started.Set(&e, At(started).Unix())
	lifecycle.Restarts.Set(&e, 0)
	s.add(observers.Cluster, e)
}

// Stopping says by an Event that the kubelet stops the pod's container.
func (s *Set) Stopping(p Pod, at float64) {
	e := event.Event{Kind: lifecycle.Report, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}}}
	lifecycle.Type.Set(&e, "Normal")
	lifecycle.Reason.Set(&e, "Killing")
	s.add(observers.Cluster, e)
}

// NoSandbox says by an Event that the pod's sandbox could not be made.
func (s *Set) NoSandbox(p Pod, at float64, failure string) {
	e := event.Event{Kind: lifecycle.Report, At: At(at), Refs: []event.Ref{{Role: event.Subject, Key: p.Key()}}}
	lifecycle.Type.Set(&e, "Warning")
	lifecycle.Reason.Set(&e, "FailedCreatePodSandBox")
	if failure != "" {
		lifecycle.Failure.Set(&e, failure)
	}
	s.add(observers.Cluster, e)
}

// Refused adds the pod as one whose container the kubelet cannot make.
func (s *Set) Refused(p Pod, at float64, reason, failure, target string) {
	s.Pod(p, at, State{State: lifecycle.Waiting, Reason: reason})
	e := &s.List[len(s.List)-1].Event
	lifecycle.Failure.Set(e, failure)
	if target != "" {
		lifecycle.FailureTarget.Set(e, target)
	}
}
