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

// times collects the milestones of a run, each once.
type times struct {
	began time.Time

	mu   sync.Mutex
	all  []Milestone
	seen map[[2]string]bool
}

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
