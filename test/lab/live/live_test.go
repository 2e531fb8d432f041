//go:build live && linux

// Package live starts real labs, uses and ill-treats them, and checks that
// nothing of them stays behind. It needs root, and the machine for itself.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// labctl is the program under test, built by TestMain.
var labctl string

func TestMain(m *testing.M) {
	if reason := unfit(); reason != "" {
		fmt.Println("live tests of the lab:", reason)
		if os.Getenv("CI") == "true" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// unfit says why the tests cannot run here.
func unfit() string {
	if os.Geteuid() != 0 {
		return "skipped, they need root"
	}
	if out, err := exec.Command("ip", "link", "show", "tapio-lab").CombinedOutput(); err == nil {
		return "skipped, a lab is running: take it down first (" + strings.TrimSpace(string(out)) + ")"
	}
	return ""
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "labctl-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	labctl = filepath.Join(dir, "labctl")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", labctl, "../cmd/labctl").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("building labctl: %w\n%s", err, out)
	}
	code := m.Run()
	if out, err := exec.Command(labctl, "down").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("labctl down: %w\n%s", err, out)
	}
	return code, nil
}

// result is the end of a labctl.
type result struct {
	stdout, stderr string
	code           int
}

func lab(t *testing.T, args ...string) result {
	t.Helper()
	return labInput(t, "", args...)
}

func labInput(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, labctl, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("labctl %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a labctl that must succeed and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := lab(t, args...)
	if r.code != 0 {
		t.Fatalf("labctl %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return must(t, append([]string{"kubectl"}, args...)...)
}

// eventually asks until the answer holds what is wanted.
func eventually(t *testing.T, want string, args ...string) {
	t.Helper()
	var r result
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if r = lab(t, append([]string{"kubectl"}, args...)...); r.code == 0 && strings.Contains(r.stdout, want) {
			return
		}
	}
	t.Fatalf("kubectl %s: %q did not appear\n%s%s", strings.Join(args, " "), want, r.stdout, r.stderr)
}

func TestDownWithoutLab(t *testing.T) {
	before := snapshot(t)
	must(t, "down")
	compare(t, before)
	if r := lab(t, "status"); r.code != 1 || !strings.Contains(r.stderr, "no lab is running") {
		t.Errorf("status: %+v", r)
	}
	if r := lab(t, "kubectl", "get", "nodes"); r.code != 1 || !strings.Contains(r.stderr, "no lab is running") {
		t.Errorf("kubectl: %+v", r)
	}
}

func TestNetworkTaken(t *testing.T) {
	for _, args := range [][]string{
		{"link", "add", "taken0", "type", "bridge"},
		{"addr", "add", "172.30.0.77/28", "dev", "taken0"},
		{"link", "set", "taken0", "up"},
	} {
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v %s", args, err, out)
		}
	}
	defer func() {
		if out, err := exec.Command("ip", "link", "del", "taken0").CombinedOutput(); err != nil {
			t.Errorf("removing the link: %v %s", err, out)
		}
	}()
	before := snapshot(t)
	r := lab(t, "up")
	if r.code != 1 || !strings.Contains(r.stderr, "172.30.0.64/28 on taken0") {
		t.Errorf("up: %+v", r)
	}
	must(t, "down")
	compare(t, before)
}

// A start that is killed, or interrupted, in each of its phases.
func TestKilledWhileStarting(t *testing.T) {
	before := snapshot(t)
	for _, phase := range []string{"images built", "certificates", "control plane", "nodes", "cluster DNS"} {
		for _, how := range []string{"labctl", "labctl and supervisor", "interrupt"} {
			t.Run(phase+"/"+how, func(t *testing.T) {
				killAt(t, phase, how)
				must(t, "down")
				compare(t, before)
			})
		}
	}
}

func killAt(t *testing.T, phase, how string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.CommandContext(t.Context(), labctl, "up", "--nodes", "2")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	seen := ""
	for b := make([]byte, 1024); !strings.Contains(seen, phase); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("up ended before the phase %q: %v\n%s", phase, err, seen)
		}
		seen += string(b[:n])
	}
	sig := syscall.SIGKILL
	if how == "interrupt" {
		sig = syscall.SIGINT
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if how == "labctl and supervisor" {
		for _, pid := range supervisors(t) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("up succeeded although it was killed")
	}
}

// supervisors lists the processes in the supervisor's cgroup.
func supervisors(t *testing.T) []int {
	t.Helper()
	files, err := filepath.Glob("/sys/fs/cgroup/*/lab/supervisor/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("/sys/fs/cgroup/lab/supervisor/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // gone meanwhile
		}
		for _, s := range strings.Fields(string(b)) {
			var pid int
			if _, err := fmt.Sscan(s, &pid); err == nil && pid > 0 {
				seen[pid] = true
			}
		}
	}
	var pids []int
	for p := range seen {
		pids = append(pids, p)
	}
	return pids
}
