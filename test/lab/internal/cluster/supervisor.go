//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

// Plan is what a supervisor is told to run.
type Plan struct {
	Dir     layout.Dir
	Nodes   []layout.Node
	Lab     string // the multi-call program, called lab
	Self    string // labctl, to start programs inside namespaces
	Runtime build.Runtime
	Images  []build.Tarball
	PIDNS   bool // each node gets a pid namespace of its own
}

// Progress is one line of a starting supervisor's report. The last one says
// Done or carries the Error.
type Progress struct {
	Phase string `json:"phase,omitempty"`
	Error string `json:"error,omitempty"`
	Done  bool   `json:"done,omitempty"`
}

// startLimit bounds the start of a lab on a busy machine.
const startLimit = 3 * time.Minute

// supervisor owns all programs of a running lab.
type supervisor struct {
	Plan
	tree    cgroup.Tree
	table   *supervise.Table
	api     *API
	started time.Time
	report  io.Writer

	mu    sync.Mutex // guards what follows and the status file
	phase state.Phase
	fault string
}

// Supervise starts the lab of the plan, tells its progress on report, and
// stays until it is told to stop (SIGTERM) and every other process of the lab
// is gone. The caller is in the supervisor's cgroup.
func Supervise(plan Plan, report io.WriteCloser) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the reaper of the lab: %w", err)
	}
	tree, err := cgroup.New(layout.CgroupRoot)
	if err != nil {
		return err
	}
	s := &supervisor{Plan: plan, tree: tree, started: time.Now(), report: report, phase: state.Starting}
	s.table = supervise.NewTable(s.publish)
	s.publish()

	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT)
	signal.Ignore(unix.SIGPIPE, unix.SIGHUP) // the program that started the lab may be gone
	started := make(chan error, 1)
	go func() { started <- s.start(ctx) }()

	stopping := false
	for {
		select {
		case sig := <-signals:
			if sig != unix.SIGCHLD {
				stopping = true
				s.set(state.Stopping, "")
				stop(errors.New("the lab was told to stop"))
			}
			if children := s.table.Reap(); stopping && !children {
				return nil
			}
		case err := <-started:
			s.finish(err, stopping)
			report.Close()
		}
	}
}

func (s *supervisor) finish(err error, stopping bool) {
	p := Progress{Done: true}
	if err != nil {
		p = Progress{Error: err.Error()}
		fmt.Fprintln(os.Stderr, "labctl:", err)
	}
	if !stopping {
		if err != nil {
			s.set(state.Failed, err.Error())
		} else {
			s.set(state.Up, "")
		}
	}
	s.tell(p)
}

func (s *supervisor) tell(p Progress) {
	// Nobody may be listening any more; the lab goes on all the same.
	_ = json.NewEncoder(s.report).Encode(p)
}

func (s *supervisor) set(p state.Phase, fault string) {
	s.mu.Lock()
	s.phase, s.fault = p, fault
	s.mu.Unlock()
	s.publish()
}

// publish writes the status file.
func (s *supervisor) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := state.Status{Phase: s.phase, Error: s.fault, Supervisor: os.Getpid(), Started: s.started, Nodes: s.Nodes, PIDNS: s.PIDNS}
	if s.table != nil {
		for _, p := range s.table.Daemons() {
			st.Daemons = append(st.Daemons, state.Daemon{
				Name: p.Spec.Name, PID: p.PID, Started: p.Started, Ended: p.Ended(), Exit: p.Exit(), Log: p.Spec.Log,
			})
		}
	}
	if err := state.WriteStatus(s.Dir, st); err != nil {
		fmt.Fprintln(os.Stderr, "labctl: publishing the status:", err)
	}
}

// until asks check every 100 ms until it holds. It fails at once when a daemon
// of the lab ends.
func (s *supervisor) until(ctx context.Context, what string, check func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case p := <-s.table.Dead():
			return fmt.Errorf("%s ended with %s while waiting for %s; the last lines of %s:\n%s",
				p.Spec.Name, p.Exit(), what, p.Spec.Log, supervise.Tail(p.Spec.Log, 8))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", what, context.Cause(ctx), err)
		}
	}
}
