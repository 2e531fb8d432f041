package memory

import (
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Place is what the path of a cgroup says about Kubernetes. Both are empty for
// a cgroup of no pod; ContainerID is empty for a pod's own cgroup.
type Place struct {
	PodUID      string
	ContainerID string // the runtime's id, without scheme
}

// Locate reads the path of a cgroup, counted from the root of its hierarchy.
type Locate func(path string) Place

// Cgroup is a memory cgroup: its path from the root of its hierarchy and what
// that path says.
type Cgroup struct {
	Path string
	Place
}

// At is the cgroup at a path.
func (l Locate) At(path string) Cgroup {
	path = Clean(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return Cgroup{Path: path, Place: l(path)}
}

// Clean makes a name that the kernel took from a program fit for events: what
// is not UTF-8 is replaced.
func Clean(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// Key is the name of the cgroup in events.
func (c Cgroup) Key() event.Key {
	if c.PodUID == "" {
		return event.Key{Type: event.Cgroup, ID: c.Path}
	}
	return event.CgroupKey(c.PodUID, c.ContainerID)
}

// constraint says whose limit a limiting cgroup's is.
func (c Cgroup) constraint() string {
	switch {
	case c.ContainerID != "":
		return ByContainer
	case c.PodUID != "":
		return ByPod
	}
	return ByAncestor
}

// Kill is one OOM kill before it becomes an event. A nil cgroup is one that is
// not known.
type Kill struct {
	At       time.Time
	Boot     time.Duration // the kernel's own stamp
	Node     string
	Origin   string
	Victim   Cgroup
	Trigger  *Cgroup // of the task whose allocation failed
	Limiter  *Cgroup // whose limit was hit; nil when ByNode or unknown
	NodeWide bool    // memory of the whole node ran out
}

// Event states the kill. Fields beyond those of the Kill are the caller's to
// set.
func (k Kill) Event() event.Event {
	subject := k.Victim.Key()
	if k.Victim.Path == "" {
		subject = event.NodeKey(k.Node)
	}
	ev := event.Event{Kind: OOMKill, At: k.At, Count: 1, Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	add := func(role event.Role, key event.Key) { ev.Refs = append(ev.Refs, event.Ref{Role: role, Key: key}) }
	if k.Victim.PodUID != "" {
		add(event.Owner, event.PodKey(k.Victim.PodUID))
	}
	if k.Trigger != nil {
		add(event.Culprit, k.Trigger.Key())
	}
	switch {
	case k.NodeWide:
		add(event.Limiter, event.NodeKey(k.Node))
		Constraint.Set(&ev, ByNode)
	case k.Limiter != nil:
		add(event.Limiter, k.Limiter.Key())
		Constraint.Set(&ev, k.Limiter.constraint())
	}
	add(event.Host, event.NodeKey(k.Node))
	Origin.Set(&ev, k.Origin)
	BootTime.Set(&ev, int64(k.Boot))
	return ev
}

// Log says how a node's kernel log is to be read.
type Log struct {
	Node   string
	Locate Locate
	Wall   func(time.Duration) time.Time // of a stamp of the log
	PIDs   bool                          // process ids of the log are also those of the probe's namespace
}

// Event states what the log said. The kernel leaves out which cgroup the victim
// was in when it kills often; then the subject is the node.
func (l Log) Event(r Report) event.Event {
	k := Kill{At: l.Wall(r.At), Boot: r.At, Node: l.Node, Origin: FromKernelLog, NodeWide: r.NodeWide}
	if r.TaskMemcg != "" {
		k.Victim = l.Locate.At(r.TaskMemcg)
	}
	if r.LimitPath != "" {
		limiter := l.Locate.At(r.LimitPath)
		k.Limiter = &limiter
	}
	ev := k.Event()
	number := func(f event.Field[int64], n int64) {
		if n >= 0 {
			f.Set(&ev, n)
		}
	}
	text := func(f event.Field[string], s string) {
		if s != "" {
			f.Set(&ev, Clean(s))
		}
	}
	if l.PIDs {
		number(VictimPID, r.PID)
		number(TriggerPID, r.TriggerPID)
	}
	if r.ScoreKnown {
		OOMScoreAdj.Set(&ev, r.OOMScoreAdj)
	}
	text(VictimComm, r.Comm)
	text(TriggerComm, r.TriggerComm)
	number(VictimAnon, r.Anon)
	number(VictimFile, r.File)
	number(VictimShmem, r.Shmem)
	if k.Limiter != nil {
		number(LimiterUsage, r.Usage)
		number(LimiterLimit, r.Limit)
		number(LimiterFailcnt, r.Failcnt)
	}
	return ev
}
