//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/cluster"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

// progress prints one line a phase, with the seconds since the start.
type progress struct{ start time.Time }

func (p progress) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

func up(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	count := flags.Int("nodes", 2, "number of nodes")
	pidns := flags.Bool("pidns", false, "give each node a pid namespace of its own, as kind does")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: up: %w", errUsage, err)
	}
	if flags.NArg() > 0 || *count < 1 || *count > layout.MaxNodes {
		return fmt.Errorf("%w: up takes --nodes with a number from 1 to %d", errUsage, layout.MaxNodes)
	}
	p := progress{time.Now()}
	dir, err := layout.DirFromEnv()
	if err != nil {
		return err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	b, err := builder(p.say)
	if err != nil {
		return err
	}
	all, err := b.All(ctx)
	if err != nil {
		return err
	}
	p.say("programs and images built")
	switch trouble, err := cluster.Check(dir); {
	case err != nil:
		return err
	case trouble == "":
		return refresh(ctx, p, dir, all, *count, *pidns)
	case state.Host().Owner(dir) != dir:
		return errors.New(trouble)
	case trouble != cluster.NotRunning:
		p.say("clearing away a lab in trouble: %s", trouble)
	}
	if err := cluster.Down(dir, false); err != nil {
		return err
	}
	if err := launch(ctx, p, dir, all, layout.Nodes(*count), *pidns); err != nil {
		return errors.Join(err, cluster.Down(dir, true))
	}
	p.say("ready: %d nodes, cluster DNS; eval \"$(labctl env)\" puts kubectl in place", *count)
	return nil
}

// launch prepares the machine, starts the supervisor and follows its report.
func launch(ctx context.Context, p progress, dir layout.Dir, all build.All, nodes []layout.Node, pidns bool) error {
	plan, err := install(dir, all, nodes)
	if err != nil {
		return err
	}
	plan.PIDNS = pidns
	if err := cluster.Prepare(dir, nodes); err != nil {
		return err
	}
	input, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := startSupervisor(plan, input, w); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m cluster.Progress
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("reading the supervisor's report: %w", err)
		}
		switch {
		case m.Error != "":
			return errors.New(m.Error)
		case m.Done:
			return nil
		}
		p.say("%s", m.Phase)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; the lab is taken down")
	}
	return fmt.Errorf("the supervisor ended during the start; the last lines of its log:\n%s", supervise.Tail(dir.Log("supervisor"), 8))
}

// install puts the lab's programs into the state directory.
func install(dir layout.Dir, all build.All, nodes []layout.Node) (cluster.Plan, error) {
	for _, d := range []string{dir.Path("bin"), dir.Path("log")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return cluster.Plan{}, err
		}
	}
	for _, link := range []string{"lab", "kubectl"} {
		if err := os.Symlink(all.Cluster+"/lab", dir.Bin(link)); err != nil {
			return cluster.Plan{}, err
		}
	}
	// A copy: the running program may be a temporary file of "go run".
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return cluster.Plan{}, err
	}
	if err := state.WriteFile(dir.Bin("labctl"), self, 0o755); err != nil {
		return cluster.Plan{}, err
	}
	return cluster.Plan{Dir: dir, Nodes: nodes, Lab: dir.Bin("lab"), Self: dir.Bin("labctl"), Runtime: all.Runtime, Images: all.Images}, nil
}

func startSupervisor(plan cluster.Plan, input []byte, report *os.File) error {
	defer report.Close()
	log, err := os.Create(plan.Dir.Log("supervisor"))
	if err != nil {
		return err
	}
	defer log.Close()
	// A file, not a pipe: the plan can be read also when this program is gone.
	file := plan.Dir.Path("plan.json")
	if err := state.WriteFile(file, input, 0o644); err != nil {
		return err
	}
	args := cluster.EnterArgs(plan.Self, layout.SupervisorCgroup, 0, []string{plan.Self, "internal-supervise", file})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	return cmd.Process.Release()
}

// refresh brings new images into a running lab.
func refresh(ctx context.Context, p progress, dir layout.Dir, all build.All, count int, pidns bool) error {
	st, err := state.ReadStatus(dir)
	if err != nil {
		return err
	}
	if len(st.Nodes) != count {
		return fmt.Errorf("a lab with %d nodes is running: \"labctl down\" it first to start one with %d", len(st.Nodes), count)
	}
	if st.PIDNS != pidns {
		return errors.New("the running lab's nodes differ in their pid namespaces: \"labctl down\" it first")
	}
	loaded, err := state.ReadImages(dir)
	if err != nil {
		return err
	}
	for _, t := range all.Images {
		if loaded[t.Tag] == t.Digest {
			continue
		}
		if err := cluster.Import(ctx, dir, all.Runtime.Ctr, t); err != nil {
			return err
		}
		p.say("loaded %s", t.Tag)
	}
	p.say("the lab is up already: %d nodes", count)
	return nil
}

func down(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: down takes none", errUsage)
	}
	dir, err := layout.DirFromEnv()
	if err != nil {
		return err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return cluster.Down(dir, false)
}
