package claims

import (
	"fmt"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// constraintWords say what fails on a node.
var constraintWords = map[string]string{
	scheduling.CPU: "too little CPU", scheduling.Memory: "too little memory", scheduling.Ephemeral: "too little local storage",
	scheduling.PodCount: "no room for one more pod", scheduling.Device: "too little of a device", scheduling.Selector: "without the selected label",
	scheduling.Affinity: "outside the node affinity", scheduling.VolumeNode: "out of the volume's reach", scheduling.Taint: "tainted",
	scheduling.Condition: "unwell", scheduling.Cordon: "cordoned", scheduling.AntiAffinity: "shut by pod anti-affinity",
	scheduling.PodAffinity: "without the wanted peer", scheduling.Spread: "beyond the topology spread", scheduling.HostPort: "port taken",
	scheduling.Claim: "kept back by a volume claim", scheduling.Placement: "outside selector or affinity",
}

// ConstraintWord says in words what fails on a node: "cordoned".
func ConstraintWord(constraint string) string {
	if s, ok := constraintWords[constraint]; ok {
		return s
	}
	return constraint
}

// Amount renders an amount of a resource as Kubernetes writes it: CPU from
// millicores, storage from bytes, all else as it is.
func Amount(constraint string, n int64) string {
	switch constraint {
	case scheduling.CPU:
		if n%1000 == 0 {
			return fmt.Sprint(n / 1000)
		}
		return fmt.Sprintf("%dm", n)
	case scheduling.Memory, scheduling.Ephemeral:
		return words.Bytes(n)
	}
	return fmt.Sprint(n)
}

func ofScheduling(f window.Fact, claim string) finding.Evidence {
	return finding.Evidence{
		Observer: scheduling.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API, Claim: claim,
	}
}

// Hosts names the nodes of a fact: "n1, n2 and 3 more".
func Hosts(f window.Fact, total int64) string {
	var names []string
	for _, r := range f.Refs {
		if r.Role == event.Host {
			names = append(names, r.Key.ID)
		}
	}
	const shown = 3
	if int(total) > len(names) && len(names) <= shown {
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", int(total)-len(names))
	}
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", max(int(total), len(names))-shown)
	}
	return strings.Join(names, ", ")
}

// Refusal is what stands against a pod on a group of nodes
// (scheduling.refusal): "n1, n2: cordoned, too little CPU".
func Refusal(f window.Fact) finding.Evidence {
	var parts []string
	for c := range strings.SplitSeq(scheduling.Against.Or(f.Event, ""), ",") {
		parts = append(parts, ConstraintWord(c))
	}
	return ofScheduling(f, Hosts(f, scheduling.Nodes.Or(f.Event, 0))+": "+strings.Join(parts, ", "))
}

// Constraint is one constraint tried alone (scheduling.constraint).
func Constraint(f window.Fact) finding.Evidence {
	name := scheduling.Name.Or(f.Event, "")
	what := ConstraintWord(name)
	if asks := scheduling.Asks.Or(f.Event, ""); asks != "" {
		what += " (" + asks + ")"
	}
	if need, ok := scheduling.Request.Get(f.Event); ok && name != scheduling.PodCount {
		what += fmt.Sprintf(" (asks %s, at most %s free)", Amount(name, need), Amount(name, scheduling.Free.Or(f.Event, 0)))
	}
	n := scheduling.Nodes.Or(f.Event, 0)
	claim := fmt.Sprintf("%s: %s", words.Count(n, "node"), what)
	if frees := scheduling.Frees.Or(f.Event, 0); frees > 0 {
		claim += fmt.Sprintf("; without this alone %d would take the pod", frees)
	}
	return ofScheduling(f, claim)
}

// SchedulerWords is the scheduler's own message about a pod
// (scheduling.unplaced), as far as it was understood.
func SchedulerWords(f window.Fact) finding.Evidence {
	said := scheduling.ParseWords(scheduling.Words.Or(f.Event, ""))
	var parts []string
	for part := range strings.SplitSeq(scheduling.Words.Or(f.Event, ""), ",") {
		name, _, _ := strings.Cut(part, "=")
		if n, ok := said[name]; ok {
			parts = append(parts, fmt.Sprintf("%d %s", n, ConstraintWord(name)))
		}
	}
	e := ofScheduling(f, "the scheduler: "+strings.Join(parts, ", "))
	switch {
	case len(parts) > 0:
	case scheduling.Asked.Or(f.Event, false):
		e.Claim = "the scheduler says that it cannot be placed"
	default:
		e.Claim = "the scheduler has said nothing of it"
	}
	e.Origin = "the scheduler"
	return e
}

// Leave is a pod whose end would make room (scheduling.leave).
func Leave(f window.Fact) finding.Evidence {
	node, _ := f.Ref(event.Host)
	return ofScheduling(f, fmt.Sprintf("without %s the pod would fit %s", scheduling.Leaver.Or(f.Event, ""), node.ID))
}

// Displaced is a pod that had to leave (scheduling.displaced).
func Displaced(f window.Fact) finding.Evidence {
	victim, room := scheduling.Victim.Or(f.Event, ""), scheduling.For.Or(f.Event, "")
	what := map[string]string{
		scheduling.Preemption: "was preempted", scheduling.Eviction: "was evicted through the API, as a drain does",
		scheduling.ByTaint: "was deleted for a taint of its node", scheduling.Shutdown: "ended with the shutdown of its node",
	}[scheduling.By.Or(f.Event, "")]
	claim := victim + " " + what
	if room != "" {
		claim += " for " + room
	}
	if n, ok := f.Ref(event.Host); ok {
		claim += " on " + n.ID
	}
	return ofScheduling(f, claim)
}

// Guard is a disruption budget that holds a pod on a cordoned node
// (scheduling.guard).
func Guard(f window.Fact) finding.Evidence {
	return ofScheduling(f, fmt.Sprintf("budget %s wants %d healthy of %d, %d are: none may leave",
		scheduling.BudgetName.Or(f.Event, ""), scheduling.Wanted.Or(f.Event, 0), scheduling.Expected.Or(f.Event, 0), scheduling.Healthy.Or(f.Event, 0)))
}

// Scheduler is the scheduler itself (scheduling.scheduler).
func Scheduler(f window.Fact) finding.Evidence {
	name := scheduling.PodName.Or(f.Event, "")
	var claim string
	switch scheduling.State.Or(f.Event, "") {
	case scheduling.Running:
		claim = "its pod " + name + " runs"
	case scheduling.Failing:
		claim = "its pod " + name + " fails: " + scheduling.Detail.Or(f.Event, "no reason told")
	case scheduling.Gone:
		claim = "no pod of the scheduler in kube-system"
	default:
		claim = "kube-system may not be read"
	}
	return ofScheduling(f, claim)
}
