// Package observers is the contract between an observer and whatever runs it.
//
// An observer states facts of one sort. It is opened by a constructor of its
// side (node.Open or cluster.Open), which either returns something that can
// run or an error that matches ErrUnsupported, and that error becomes a gap in
// the story: never a failure of the whole, never silence. Run then blocks
// until its context ends, and nil is its answer to cancellation. Only kinds and
// fields of the Spec may be emitted. What an observer could not deliver it
// counts in Stats: missing facts are told, wrong ones are never emitted.
package observers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Side is where an observer gets its facts.
type Side string

// The sides.
const (
	Node    Side = "node"    // the kernel and the files of one node
	Cluster Side = "cluster" // Kubernetes objects, live or from files
)

// Spec says what an observer sees, needs and may cost.
type Spec struct {
	Name   string   `json:"name"`
	Side   Side     `json:"side"`
	Doc    string   `json:"doc"`
	Emits  []Schema `json:"emits"`
	Needs  []Need   `json:"needs,omitempty"`
	Budget Budget   `json:"budget"`
}

// Schema declares one kind of event.
type Schema struct {
	Kind    event.Kind        `json:"kind"`
	Meaning string            `json:"meaning"`
	Fields  []event.FieldDesc `json:"fields"`
}

// NeedType is the sort of thing an observer cannot do without.
type NeedType string

// The sorts of needs.
const (
	Hook       NeedType = "hook"       // a tracepoint or another place to attach
	BTF        NeedType = "btf"        // a kernel type or field
	Feature    NeedType = "feature"    // a kernel feature or file
	Capability NeedType = "capability" // a Linux capability
	Verb       NeedType = "verb"       // an RBAC verb, as "list pods"
)

// Need is one requirement. Without an Optional one the observer still runs and
// reports a gap.
type Need struct {
	Type     NeedType `json:"type"`
	Name     string   `json:"name"`
	Why      string   `json:"why,omitempty"`
	Optional bool     `json:"optional,omitempty"`
}

// Budget bounds an observer: events a second it may emit and bytes of kernel
// maps it may hold.
type Budget struct {
	EventsPerSecond int `json:"eventsPerSecond"`
	MapBytes        int `json:"mapBytes,omitempty"`
}

// Stats is what an observer did so far.
type Stats struct {
	Events uint64        `json:"events"`          // emitted
	Lost   uint64        `json:"lost"`            // known to have happened but not emitted
	CPU    time.Duration `json:"cpu,omitempty"`   // time its kernel programs ran, 0 where the kernel does not tell
	Bytes  uint64        `json:"bytes,omitempty"` // kernel memory of its maps
}

// Observer is an opened observer.
type Observer interface {
	// Run emits facts until ctx ends, then returns nil. It is called once.
	// emit is safe for use by one goroutine at a time and never blocks.
	Run(ctx context.Context, emit func(event.Event)) error
	// Stats may be called at any time, also while Run runs.
	Stats() Stats
}

// ErrUnsupported is matched by every error that says "this observer, or a part
// of it, cannot work here".
var ErrUnsupported = errors.New("unsupported here")

// Unsupported is the reason why a need is not met. It matches ErrUnsupported.
type Unsupported struct {
	Need Need
	Why  string
}

func (u *Unsupported) Error() string {
	return fmt.Sprintf("%s %s: %s", u.Need.Type, u.Need.Name, u.Why)
}

// Is makes errors.Is(err, ErrUnsupported) true.
func (u *Unsupported) Is(target error) bool { return target == ErrUnsupported }

// Gapper is an observer that runs although some of its needs are not met.
type Gapper interface {
	// Gaps lists the unmet optional needs, known once the observer is opened.
	Gaps() []*Unsupported
}
