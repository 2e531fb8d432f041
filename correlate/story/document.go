// Package story is the document a run ends in: what broke, why, how that is
// known, what else it might have been, and what nobody could see. Every screen
// and format renders this one document.
package story

import "time"

// APIVersion and Kind stamp every document. Within v1alpha1 fields are only
// added.
const (
	APIVersion = "tapio.dev/v1alpha1"
	Kind       = "Story"
)

// Verdict is how the run ended.
type Verdict string

// The verdicts.
const (
	Explained    Verdict = "explained"
	Inconclusive Verdict = "inconclusive"
	Healthy      Verdict = "healthy"
)

// Story is the document. All times are UTC.
type Story struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Target     *Target      `json:"target,omitempty"` // absent when a whole namespace or cluster is explained
	Scope      string       `json:"scope,omitempty"`  // "namespace" or "cluster" when that is explained
	Window     Window       `json:"window"`
	Verdict    Verdict      `json:"verdict"`
	State      string       `json:"state"` // failing, recovered, intermittent or unknown, now
	Now        string       `json:"now,omitempty"`
	Headline   string       `json:"headline"`
	Changes    []Change     `json:"changes"` // never null
	Hypotheses []Hypothesis `json:"hypotheses"`
	Open       []Symptom    `json:"open,omitempty"` // what is wrong and no supported cause accounts for
	Evidence   []Evidence   `json:"evidence"`
	RuledOut   []RuledOut   `json:"ruledOut"`
	Unseen     []Unseen     `json:"unseen"`
	Checked    []string     `json:"checked,omitempty"`  // what was looked at, for a healthy or inconclusive verdict
	WhyNot     *WhyNot      `json:"whyNot,omitempty"`   // the answer to --why-not
	Deciding   string       `json:"deciding,omitempty"` // of an inconclusive verdict: the one observation that would decide
	Before     []string     `json:"before,omitempty"`   // of a healthy verdict: trouble that is over
	Coverage   Coverage     `json:"coverage"`
}

// Entity is an object as the API names it.
type Entity struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
}

// Target is what was asked about, with its controller.
type Target struct {
	Entity   `json:",inline"`
	Workload *Entity `json:"workload,omitempty"`
}

// Window is the time the story covers; To is its "now".
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Change is something that was changed within the window.
type Change struct {
	Time   time.Time `json:"time"`
	Entity Entity    `json:"entity"`
	What   string    `json:"what"`
	By     string    `json:"by,omitempty"`
}

// Hypothesis is a cause at an entity, best first in the list.
type Hypothesis struct {
	Cause       string      `json:"cause"`
	Entity      Entity      `json:"entity"`
	Workload    *Entity     `json:"workload,omitempty"`
	Confidence  float64     `json:"confidence"` // 0..1
	Status      string      `json:"status"`     // supported, refuted or open
	State       string      `json:"state,omitempty"`
	Now         string      `json:"now,omitempty"`
	Since       time.Time   `json:"since"`
	Headline    string      `json:"headline"`
	Chain       []Link      `json:"chain"`
	Evidence    []string    `json:"evidence"`
	Against     []string    `json:"against"`
	Advice      []Advice    `json:"advice"`
	BlastRadius BlastRadius `json:"blastRadius"`
	// What was tried on the objects, one change at a time.
	Alternatives []Alternative `json:"alternatives,omitempty"`
	Survey       *Survey       `json:"survey,omitempty"`
}

// Alternative is one change, and whether it alone would help.
type Alternative struct {
	Change string `json:"change"`
	Helps  bool   `json:"helps"`
	Effect string `json:"effect,omitempty"`
}

// Survey counts the candidates that were looked at by why each was no good.
type Survey struct {
	Of    string   `json:"of"`
	Total int      `json:"total"`
	Parts []string `json:"parts,omitempty"`
}

// Symptom is something wrong that no supported cause accounts for.
type Symptom struct {
	Entity   Entity    `json:"entity"`
	Since    time.Time `json:"since"`
	Sentence string    `json:"sentence"`
	Lasting  bool      `json:"lasting"` // still so at the end of the window
	Evidence []string  `json:"evidence"`
}

// Link is one step of a chain.
type Link struct {
	From      Entity    `json:"from"`
	To        Entity    `json:"to"`
	Time      time.Time `json:"time"`
	Mechanism string    `json:"mechanism"`
	LagMillis int64     `json:"lagMillis"`
	Trust     string    `json:"trust"` // seen, api, kubelet or inferred
	Sentence  string    `json:"sentence"`
	Evidence  []string  `json:"evidence"`
}

// Advice is a command to copy.
type Advice struct {
	Command        string `json:"command"`
	ChangesCluster bool   `json:"changesCluster"`
	Expect         string `json:"expect,omitempty"`
	Undo           string `json:"undo,omitempty"`
}

// BlastRadius is whom the cause reaches.
type BlastRadius struct {
	Entities []Entity `json:"entities"`
	Impact   string   `json:"impact,omitempty"` // measured, empty when nothing measured it
}

// Evidence is one claim; ids are "E1", "E2", … in the order of the story.
type Evidence struct {
	ID         string    `json:"id"`
	Observer   string    `json:"observer"`
	Kind       string    `json:"kind"`
	Entity     Entity    `json:"entity"`
	Time       time.Time `json:"time"`
	SpanMillis int64     `json:"spanMillis,omitempty"`
	Claim      string    `json:"claim"`
	Trust      string    `json:"trust"`
	Origin     string    `json:"origin,omitempty"`
}

// RuledOut is a rival with the fact that excludes it.
type RuledOut struct {
	Cause    string   `json:"cause"`
	Why      string   `json:"why"`
	Evidence []string `json:"evidence"`
}

// WhyNot says why a cause is not, or not first, among the hypotheses.
type WhyNot struct {
	Cause   string   `json:"cause"`
	Answer  string   `json:"answer"`
	Missing []string `json:"missing,omitempty"` // evidence that was looked for and not found
}

// Unseen is something that could not be observed.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Coverage is what was looked at and what was lost.
type Coverage struct {
	Nodes  []Node `json:"nodes"`
	Events uint64 `json:"events"`
	Lost   uint64 `json:"lost"`
}

// Node is the coverage of one node.
type Node struct {
	Name      string     `json:"name"`
	From      *time.Time `json:"from,omitempty"` // when its probe began to see
	Observers []Observer `json:"observers"`
	Resumed   int        `json:"resumed,omitempty"` // how often its stream broke and went on
	Losses    []Loss     `json:"losses,omitempty"`
}

// Loss is events of a node that its stream could not take, and when they
// happened.
type Loss struct {
	Events uint64    `json:"events"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Observer is what one observer did on one node.
type Observer struct {
	Name      string `json:"name"`
	State     string `json:"state"` // attached, partial or refused
	Lost      uint64 `json:"lost"`
	CPUMicros int64  `json:"cpuMicros"`
}
