// Package session is the probes of one run seen as one stream of frames: it
// plans which nodes get a probe, launches them, speaks with each over its own
// connection, and takes everything away at the end, however the run ends.
//
// A node without a probe, or whose probe was lost, is a gap in the stream,
// never an error of the run.
package session

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/wire"
)

// Bounds of a session.
const (
	frameQueue  = 1024             // frames that wait for the reader of Frames; past it the probes wait, and count what they drop
	stopBound   = time.Second      // from Stop to the end of the stream
	deleteBound = 10 * time.Second // for the removal of everything
)

// probe is one node's probe as the session uses it; *launch.Probe in earnest.
type probe interface {
	// WaitRunning blocks until the probe's pod runs or cannot run.
	WaitRunning(ctx context.Context) error
	// Dial opens a connection, on which greet begins the conversation.
	Dial(ctx context.Context, greet func(io.ReadWriteCloser) error) error
	// State tells how the pod is doing.
	State() (launch.PodState, <-chan struct{})
}

// fleet is everything that was launched; *launch.Run in earnest.
type fleet interface {
	KeepAlive(ctx context.Context)
	Delete(ctx context.Context) error
}

// Session is the probes of one run. Close it in any case.
type Session struct {
	plan   *Plan
	frames chan wire.Sourced
	cancel context.CancelFunc
	hard   context.Context // ends stopBound after the run: nobody waits any longer
	done   chan struct{}
	err    error // set before done is closed

	mu      sync.Mutex
	offsets map[string]Offset
}

// Start launches the planned probes and returns at once. When ctx ends, or at
// Close, the probes are stopped, what they still have to say is passed on, and
// all objects are deleted. Cancelling is safe at any moment.
func (p *Plan) Start(ctx context.Context) *Session {
	return p.start(ctx, func(ctx context.Context) (fleet, []member) {
		run := p.launch.Launch(ctx, p.cfg.Rest)
		var members []member
		for _, pr := range run.Probes() {
			m := member{node: pr.Target, build: p.launch.Build(pr.Candidate), hidden: pr.Hidden, refused: pr.Refusal(), probe: pr}
			members = append(members, m)
		}
		return run, members
	})
}

// member is one node of the run.
type member struct {
	node    launch.Target
	build   string // "" is the plugin's own
	hidden  []string
	refused *launch.Refused
	probe   probe
}

func (p *Plan) start(ctx context.Context, launchAll func(context.Context) (fleet, []member)) *Session {
	ctx, cancel := context.WithCancel(ctx)
	hard, abandon := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{
		plan: p, frames: make(chan wire.Sourced, frameQueue), cancel: cancel, hard: hard,
		done: make(chan struct{}), offsets: map[string]Offset{},
	}
	context.AfterFunc(ctx, func() { time.AfterFunc(stopBound, abandon) })
	go func() {
		defer abandon()
		defer cancel()
		defer close(s.done)
		s.run(ctx, launchAll)
	}()
	return s
}

// run is the life of the session.
func (s *Session) run(ctx context.Context, launchAll func(context.Context) (fleet, []member)) {
	fleet, members := launchAll(ctx)
	s.plan.times.mark("created", "")
	keep, letGo := context.WithCancel(context.WithoutCancel(ctx))
	var keeper, nodes sync.WaitGroup
	keeper.Go(func() { fleet.KeepAlive(keep) })
	for _, m := range members {
		n := &node{member: m, session: s, source: sourceOf(m.node.Node)}
		nodes.Go(func() { n.run(ctx) })
	}
	nodes.Wait()
	close(s.frames)
	letGo()
	keeper.Wait()
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteBound)
	defer cancel()
	s.err = fleet.Delete(fresh)
	s.plan.times.mark("deleted", "")
}

// Frames returns the frames of all probes as they arrive, and the gaps that the
// session itself found. It is closed when no probe is left. A slow reader slows
// the probes down, which then count what they drop.
func (s *Session) Frames() <-chan wire.Sourced { return s.frames }

// Done is closed when everything was deleted, or given up.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close stops the probes, deletes everything and waits for it as long as ctx
// allows. The error says what is left.
func (s *Session) Close(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("the probes of run %s were not waited for: they go by themselves within a minute: %w", s.plan.Run(), ctx.Err())
	}
}

// Offsets returns for each node how far its clock is from ours. A node that has
// answered no ping yet is absent.
func (s *Session) Offsets() map[string]Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.offsets)
}

func (s *Session) setOffset(node string, o Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offsets[node] = o
}

// Milestones returns when the run reached its stages, in order of time.
func (s *Session) Milestones() []Milestone { return s.plan.times.list() }

// Resumptions lists the streams that broke and went on, in order of time.
func (s *Session) Resumptions() []Resumption { return s.plan.times.resumptions() }

// sourceOf is the source of a node's frames.
func sourceOf(node string) wire.Source {
	return wire.Source{Name: "node/" + node, Side: observers.Node}
}
