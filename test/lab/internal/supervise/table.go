//go:build linux

// Package supervise runs the lab's programs as children of one process that
// reaps everything below it, also what its children leave behind.
package supervise

import (
	"context"
	"fmt"
	"os"
	"sort"
	"sync"
	"syscall"
	"time"
)

// Spec says how to start a program.
type Spec struct {
	Name  string   // names the program in status and logs
	Args  []string // Args[0] is the absolute path
	Env   []string
	Log   string     // file that gets its output, opened for appending
	Stdin *os.File   // nil: empty
	Files []*os.File // descriptors 3, 4, ...
	// Unshare are the namespaces (CLONE_NEW*) that the program starts in anew.
	Unshare uintptr
	// Clone are the namespaces (CLONE_NEW*) that the program is the first process
	// of; Unshare cannot do that for pid namespaces.
	Clone uintptr
	// Daemon is a program that must not end before the lab does.
	Daemon bool
}

// Process is a started program.
type Process struct {
	Spec    Spec
	PID     int
	Started time.Time
	done    chan struct{}
	ended   time.Time
	status  syscall.WaitStatus
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit describes how the program ended: "exit code 1", "signal: killed".
// It is empty while the program runs.
func (p *Process) Exit() string {
	select {
	case <-p.done:
	default:
		return ""
	}
	if p.status.Signaled() {
		return "signal: " + p.status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", p.status.ExitStatus())
}

// Ended is when the program ended; zero while it runs.
func (p *Process) Ended() time.Time {
	select {
	case <-p.done:
		return p.ended
	default:
		return time.Time{}
	}
}

// Table starts programs and learns of their ends. Its process must not wait
// for children in any other way.
type Table struct {
	mu      sync.Mutex
	running map[int]*Process
	daemons []*Process
	dead    chan *Process // daemons that ended; one slot for each
	changed func()
}

// NewTable makes an empty table; changed is called, outside any lock, after a
// daemon started or ended.
func NewTable(changed func()) *Table {
	return &Table{running: map[int]*Process{}, dead: make(chan *Process, 256), changed: changed}
}

// Start starts a program in a session of its own.
func (t *Table) Start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", s.Name, err)
	}
	defer log.Close()
	stdin := s.Stdin
	if stdin == nil {
		if stdin, err = os.Open(os.DevNull); err != nil {
			return nil, err
		}
		defer stdin.Close()
	}
	fds := []uintptr{stdin.Fd(), log.Fd(), log.Fd()}
	for _, f := range s.Files {
		fds = append(fds, f.Fd())
	}
	p := &Process{Spec: s, done: make(chan struct{})}
	// The lock keeps Reap from meeting a child that is not in the table yet.
	t.mu.Lock()
	pid, err := syscall.ForkExec(s.Args[0], s.Args, &syscall.ProcAttr{
		Dir: "/", Env: s.Env, Files: fds,
		Sys: &syscall.SysProcAttr{Setsid: true, Unshareflags: s.Unshare, Cloneflags: s.Clone},
	})
	if err == nil {
		p.PID, p.Started = pid, time.Now()
		t.running[pid] = p
		if s.Daemon {
			t.daemons = append(t.daemons, p)
		}
	}
	t.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("starting %s (%s): %w", s.Name, s.Args[0], err)
	}
	if s.Daemon {
		t.changed()
	}
	return p, nil
}

// Run starts a program and waits for its end; anything but exit code 0 is an
// error that carries the last lines of its log.
func (t *Table) Run(ctx context.Context, s Spec) error {
	p, err := t.Start(s)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		syscall.Kill(-p.PID, syscall.SIGKILL)
		return fmt.Errorf("%s: %w", s.Name, context.Cause(ctx))
	}
	if p.status != 0 {
		return fmt.Errorf("%s ended with %s:\n%s", s.Name, p.Exit(), Tail(s.Log, 5))
	}
	return nil
}

// Reap takes the ends of all children that have ended, own or adopted. To be
// called on every SIGCHLD. It reports whether any child is left.
func (t *Table) Reap() (children bool) {
	var ended []*Process
	t.mu.Lock()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			children = err == nil
			break
		}
		if p := t.running[pid]; p != nil {
			delete(t.running, pid)
			p.status, p.ended = ws, time.Now()
			close(p.done)
			ended = append(ended, p)
		}
	}
	t.mu.Unlock()
	for _, p := range ended {
		if !p.Spec.Daemon {
			continue
		}
		t.changed()
		select {
		case t.dead <- p:
		default: // nobody listens any more; the end is in the status
		}
	}
	return children
}

// Dead delivers each daemon that ended.
func (t *Table) Dead() <-chan *Process { return t.dead }

// Daemons lists all daemons that were started, by name.
func (t *Table) Daemons() []*Process {
	t.mu.Lock()
	ps := append([]*Process(nil), t.daemons...)
	t.mu.Unlock()
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].Spec.Name < ps[j].Spec.Name })
	return ps
}
