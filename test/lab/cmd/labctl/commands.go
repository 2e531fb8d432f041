//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/cluster"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/pki"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

// lock lets one labctl at a time change the lab. The lock is on the cgroup
// tree's directory, of which a machine has one, and leaves no file behind.
func lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.Open("/sys/fs/cgroup")
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking the lab: %w", err)
		}
		if !told {
			fmt.Fprintln(os.Stderr, "labctl: waiting for another labctl to end")
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, errors.New("interrupted while waiting for another labctl")
		}
	}
}

func builder(say func(string, ...any)) (*build.Builder, error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	root, err := build.FindRoot(wd)
	if err != nil {
		return nil, err
	}
	cache, err := build.CacheDir()
	if err != nil {
		return nil, err
	}
	return &build.Builder{Root: root, Cache: cache, Say: say}, nil
}

func buildAll(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: build takes none", errUsage)
	}
	p := progress{time.Now()}
	b, err := builder(p.say)
	if err != nil {
		return err
	}
	all, err := b.All(ctx)
	if err != nil {
		return err
	}
	p.say("all programs and images are in %s (the cluster's in %s)", b.Cache, filepath.Base(all.Cluster))
	return nil
}

// running returns the state directory of the lab. A lab in trouble counts too:
// much of it may still work, and scenarios break it on purpose.
func running() (layout.Dir, error) {
	dir, err := layout.DirFromEnv()
	if err != nil {
		return "", err
	}
	trouble, err := cluster.Check(dir)
	if err == nil && trouble == cluster.NotRunning {
		err = errors.New(trouble)
	}
	return dir, err
}

func load(ctx context.Context, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%w: load takes one image", errUsage)
	}
	p := progress{time.Now()}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	dir, err := running()
	if err != nil {
		return err
	}
	b, err := builder(p.say)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		all, err := b.All(ctx)
		if err != nil {
			return err
		}
		st, err := state.ReadStatus(dir)
		if err != nil {
			return err
		}
		return refresh(ctx, p, dir, all, len(st.Nodes), st.PIDNS)
	}
	rt, err := b.Runtime(ctx)
	if err != nil {
		return err
	}
	t, err := tarball(b, args[0])
	if err != nil {
		return err
	}
	if err := cluster.Import(ctx, dir, rt.Ctr, t); err != nil {
		return err
	}
	p.say("loaded %s", t.Tag)
	return nil
}

// tarball finds or makes the image that an argument of load names.
func tarball(b *build.Builder, arg string) (build.Tarball, error) {
	name, program, ok := strings.Cut(arg, "=")
	if !ok {
		file, err := filepath.Abs(arg)
		if err == nil {
			_, err = os.Stat(file)
		}
		return build.Tarball{Tag: arg, File: file}, err
	}
	if !strings.Contains(name, "/") {
		name = "lab.local/" + name
	}
	if !strings.Contains(filepath.Base(name), ":") {
		name += ":1"
	}
	return b.Program(name, program)
}

func kubectl(_ context.Context, args []string) error {
	dir, err := running()
	if err != nil {
		return err
	}
	environ := append(cluster.WithoutProxy(os.Environ()), "KUBECONFIG="+dir.Kubeconfig("admin"))
	return unix.Exec(dir.Bin("kubectl"), append([]string{"kubectl"}, args...), environ)
}

func env(_ context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: env takes none", errUsage)
	}
	dir, err := layout.DirFromEnv()
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG='%s'\nexport PATH='%s':\"$PATH\"\n", dir.Kubeconfig("admin"), dir.Path("bin"))
	fmt.Printf("export NO_PROXY=\"%[1]s${NO_PROXY:+,$NO_PROXY}\" no_proxy=\"%[1]s${no_proxy:+,$no_proxy}\"\n", layout.ControlPlaneIP)
	return nil
}

func user(_ context.Context, args []string) error {
	if len(args) != 1 || args[0] == "" || strings.HasPrefix(args[0], "system:") {
		return fmt.Errorf("%w: user takes one name, which must not begin with \"system:\"", errUsage)
	}
	dir, err := running()
	if err != nil {
		return err
	}
	var pair pki.Pair
	if pair.Cert, err = os.ReadFile(dir.PKI("ca.crt")); err != nil {
		return err
	}
	if pair.Key, err = os.ReadFile(dir.PKI("ca.key")); err != nil {
		return err
	}
	ca, err := pki.ParseAuthority(pair, time.Now)
	if err != nil {
		return err
	}
	p, err := ca.Issue(pki.Subject{CommonName: args[0]})
	if err != nil {
		return err
	}
	doc, err := pki.Kubeconfig(layout.Server, ca.Cert, args[0], p)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(doc)
	return err
}

func enter(_ context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: enter takes a node", errUsage)
	}
	n, err := layout.ParseNode(args[0])
	if err != nil {
		return err
	}
	pid, err := cluster.NodeProcess(n)
	if err != nil {
		return err
	}
	namespaces, err := cluster.Namespaces(pid)
	if err != nil {
		return err
	}
	program := args[1:]
	if len(program) > 0 && program[0] == "--" {
		program = program[1:]
	}
	if len(program) == 0 {
		program = []string{"sh"}
	}
	return supervise.Enter("", namespaces, program, os.Environ())
}

func status(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: status takes none", errUsage)
	}
	dir, err := layout.DirFromEnv()
	if err != nil {
		return err
	}
	trouble, err := cluster.Check(dir)
	if err != nil {
		return err
	}
	if trouble == cluster.NotRunning {
		return errors.New(trouble)
	}
	st, err := state.ReadStatus(dir)
	if err != nil {
		return fmt.Errorf("%s (%w)", trouble, err)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DAEMON\tPID\tSTATE\tLOG")
	for _, d := range st.Daemons {
		run := "running"
		if d.Exit != "" {
			run = d.Exit
		} else if syscall.Kill(d.PID, 0) != nil {
			run = "gone"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", d.Name, d.PID, run, d.Log)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if trouble != "" {
		return errors.New(trouble)
	}
	api, err := cluster.NewAPI(dir)
	if err != nil {
		return err
	}
	not, err := api.NotReady(ctx, st.Nodes)
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	if len(not) > 0 {
		return fmt.Errorf("not Ready: %s", strings.Join(not, ", "))
	}
	fmt.Printf("up since %s, %d nodes Ready\n", st.Started.Format(time.RFC3339), len(st.Nodes))
	return nil
}
