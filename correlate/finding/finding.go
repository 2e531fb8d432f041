// Package finding is what a rule may say: a hypothesis with the evidence for
// and against it, the rivals it excludes, and what it would still want to see.
package finding

import (
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Cause is a stable code, "family/mode".
type Cause string

// Family is the part before the slash.
func (c Cause) Family() string {
	f, _, _ := strings.Cut(string(c), "/")
	return f
}

// Trust says how a claim is known.
type Trust string

// The words for trust, strongest first.
const (
	Seen     Trust = "seen"     // our probe measured it
	API      Trust = "api"      // Kubernetes reported it
	Kubelet  Trust = "kubelet"  // the kubelet's metrics say so
	Inferred Trust = "inferred" // no direct proof; the rule is named
)

// Evidence is one claim with where it comes from. Two with the same Key are
// the same evidence.
type Evidence struct {
	Observer string
	Kind     event.Kind
	Entity   event.Key
	At       time.Time
	Span     time.Duration
	Claim    string // a clause whose numbers were computed from the facts
	Trust    Trust
	Origin   string // finer source within the trust, for example "kernel log"
}

// Key identifies the evidence within one story.
func (e Evidence) Key() string {
	return strings.Join([]string{string(e.Kind), e.Entity.String(), e.At.UTC().Format(time.RFC3339Nano), e.Claim}, "|")
}

// Support is evidence with the weight a rule gives it.
type Support struct {
	Evidence Evidence
	Weight   Weight
}

// Mechanism is how one link of a chain brings about the next. The list is
// closed, because the mechanism gives the direction of the link.
type Mechanism string

// The mechanisms.
const (
	Exhausts   Mechanism = "exhausts"   // growth uses a limit up
	Kills      Mechanism = "kills"      // the kernel or a process ends a process
	Restarts   Mechanism = "restarts"   // the kubelet starts the container again
	Interrupts Mechanism = "interrupts" // callers lose their peer
	Blocks     Mechanism = "blocks"     // what is missing or refused keeps a pod from being made, placed or started
	Misdirects Mechanism = "misdirects" // calls go where nobody serves them
	Changes    Mechanism = "changes"    // somebody or something changed an object
	Fails      Mechanism = "fails"      // what a program or the kubelet tries does not succeed
	Ends       Mechanism = "ends"       // a program ends by itself
)

// Link is one step of a chain, cause first.
type Link struct {
	From, To  event.Key
	Mechanism Mechanism
	At        time.Time
	Lag       time.Duration // from the link's cause to its effect, 0 when unknown
	Trust     Trust
	Sentence  string
	Evidence  []Evidence // never empty unless Trust is Inferred
}

// Rival is a cause that was considered and excluded.
type Rival struct {
	Cause    Cause
	Why      string // the deciding fact, with its number
	Evidence []Evidence
}

// Absent is something that would have been expected, or would decide, but was
// not seen.
type Absent struct {
	What string
	Why  string
}

// Advice is a command a reader may copy.
type Advice struct {
	Command        string
	ChangesCluster bool
	Expect         string
	Undo           string
}

// Alternative is one change that was tried on the objects, alone: would it
// help?
type Alternative struct {
	Change string // "request <= 3500m", "one more node in zone a"
	Helps  bool
	Effect string // what it leads to, or why it does not help: "fits node-a2", "the disk cannot move"
}

// Survey counts the candidates that were looked at by why each was no good:
// "5 other zone", "2 cordoned".
type Survey struct {
	Of    string // what was counted, in the plural: "nodes", "volumes"
	Total int
	Parts []string
}

// State is how the target does at the end of the window.
type State string

// The states.
const (
	Failing      State = "failing"
	Recovered    State = "recovered"
	Intermittent State = "intermittent"
	StateUnknown State = "unknown"
)

// Hypothesis is a cause at an entity.
type Hypothesis struct {
	Cause    Cause
	Entity   event.Key
	Since    time.Time
	Headline string
	State    State
	Now      string // one clause: how it stands now
	For      []Support
	Against  []Support
	Chain    []Link
	RuledOut []Rival
	Absent   []Absent
	Advice   []Advice
	// Explains tells whether the hypothesis accounts for a symptom; nil means
	// those of the entity, its pod and its workload.
	Explains func(Symptom) bool
	// Affected are entities that suffer, beyond Entity.
	Affected []event.Key
	// Alternatives are what was tried on the objects, the smallest change first.
	Alternatives []Alternative
	Survey       *Survey // nil when nothing was counted
	// Rivals is the sum of the odds of other hypotheses that explain the same
	// symptom of the same entity: at most one of them is the cause. The engine
	// sets it.
	Rivals float64
}

// Symptom is something wrong with the target as Kubernetes tells it. A story
// must account for every one.
type Symptom struct {
	Sort     SymptomSort
	Entity   event.Key
	At       time.Time
	Sentence string
	ExitCode int64     // of EndedBadly
	Lasting  bool      // still true at the end of the window
	Peer     event.Key // of CallsFailed: whom the program complains of, zero when not known
	Evidence Evidence
}

// SymptomSort is what sort of thing is wrong.
type SymptomSort string

// The sorts of symptoms.
const (
	EndedBadly  SymptomSort = "ended"    // a container ended with an error
	Waits       SymptomSort = "waiting"  // a container cannot start or start again
	NotReady    SymptomSort = "unready"  // a container runs and is not ready
	NotRunning  SymptomSort = "phase"    // a pod is pending or failed
	Short       SymptomSort = "short"    // a workload has fewer pods than asked for
	CallsFailed SymptomSort = "failures" // a program complains of a peer
	NoBackends  SymptomSort = "backends" // a Service has no ready pod behind it
	Unbound     SymptomSort = "unbound"  // a claim waits for a volume
	NodeUnwell  SymptomSort = "node"     // a node is not ready
	Leaving     SymptomSort = "leaving"  // an object is being deleted and does not go
)
