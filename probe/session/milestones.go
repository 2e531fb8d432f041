package session

import (
	"slices"
	"sync"
	"time"
)

// Milestone is a stage that a run reached. The names are planned, created, pod
// running, first frame, first kernel evidence and deleted; those of a single
// node carry its name.
type Milestone struct {
	Name  string
	Node  string
	After time.Duration // since the plan was begun
}

// Resumption is a stream that broke and went on.
type Resumption struct {
	Node string
	Away time.Duration // from the break to the first word after it
}

// times collects the milestones of a run, each once.
type times struct {
	began time.Time

	mu   sync.Mutex
	all  []Milestone
	seen map[[2]string]bool
	away []Resumption // at most maxResumptions
}

// maxResumptions bounds what is remembered of a stream that breaks for ever.
const maxResumptions = 10_000

func newTimes() *times { return &times{began: time.Now(), seen: map[[2]string]bool{}} }

func (t *times) mark(name, node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{name, node}
	if t.seen[key] {
		return
	}
	t.seen[key] = true
	t.all = append(t.all, Milestone{Name: name, Node: node, After: time.Since(t.began)})
}

func (t *times) list() []Milestone {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

func (t *times) resumed(node string, away time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.away) < maxResumptions {
		t.away = append(t.away, Resumption{Node: node, Away: away})
	}
}

func (t *times) resumptions() []Resumption {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.away)
}
