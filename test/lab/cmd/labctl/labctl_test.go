//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/cluster"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

func TestWrongArguments(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("as another user every command ends earlier, for want of root")
	}
	for _, args := range [][]string{
		nil, {"fly"}, {"up", "--nodes", "0"}, {"up", "--nodes", "10"}, {"up", "--nodes", "two"}, {"up", "n1"}, {"up", "--fast"},
		{"down", "now"}, {"status", "x"}, {"load", "a", "b"}, {"env", "x"}, {"build", "x"},
		{"user"}, {"user", ""}, {"user", "system:admin"}, {"user", "a", "b"}, {"enter"},
		{"internal-exec"}, {"internal-exec", "x", "-1", "true"}, {"internal-exec", "x", "99", "true"}, {"internal-node", "n1"}, {"internal-supervise"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			if err := run(args); !errors.Is(err, errUsage) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestUsageNamesEveryCommand(t *testing.T) {
	for name := range commands() {
		if !strings.HasPrefix(name, "internal-") && !strings.Contains(usage, "\n  "+name+" ") {
			t.Errorf("the usage does not name %s", name)
		}
	}
}

// stdout returns what f prints.
func stdout(t *testing.T, f func() error) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = old }()
	err = f()
	w.Close()
	b, readErr := io.ReadAll(r)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEnvIsShell(t *testing.T) {
	t.Setenv("TAPIO_LAB_DIR", "/srv/lab")
	lines := stdout(t, func() error { return env(t.Context(), nil) })
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-euc", lines+`printf '%s\n' "$KUBECONFIG" "$PATH" "$NO_PROXY" "$no_proxy"`)
	cmd.Env = []string{"PATH=/usr/bin", "NO_PROXY=example.com"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "/srv/lab/kubeconfig/admin\n/srv/lab/bin:/usr/bin\n172.30.0.1,example.com\n172.30.0.1\n"
	if string(out) != want {
		t.Errorf("got\n%s", out)
	}
}

func TestTarball(t *testing.T) {
	b := &build.Builder{Cache: t.TempDir()}
	program := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(program, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for arg, tag := range map[string]string{
		"tool=" + program:                 "lab.local/tool:1",
		"tool:7=" + program:               "lab.local/tool:7",
		"example.com/a/tool=" + program:   "example.com/a/tool:1",
		"example.com:5000/a:2=" + program: "example.com:5000/a:2",
	} {
		got, err := tarball(b, arg)
		if err != nil || got.Tag != tag || got.Digest == "" {
			t.Errorf("%s gives %+v, %v", arg, got, err)
		}
	}
	got, err := tarball(b, program)
	if err != nil || got.File != program {
		t.Errorf("a file gives %+v, %v", got, err)
	}
	for _, arg := range []string{"/no/such/file.tar", "tool=/no/such/program", "=" + program} {
		if got, err := tarball(b, arg); err == nil {
			t.Errorf("%s gives %+v", arg, got)
		}
	}
}

func TestInstall(t *testing.T) {
	dir := layout.Dir(filepath.Join(t.TempDir(), "state"))
	plan, err := install(dir, build.All{Cluster: "/cache/cluster"}, layout.Nodes(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"lab", "kubectl"} {
		if to, err := os.Readlink(dir.Bin(link)); err != nil || to != "/cache/cluster/lab" {
			t.Errorf("%s leads to %s, %v", link, to, err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(plan.Self); err != nil || !bytes.Equal(b, self) {
		t.Errorf("%s is not this program (%v)", plan.Self, err)
	}
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var again cluster.Plan
	if err := json.Unmarshal(b, &again); err != nil || again.Dir != dir || !slices.Equal(again.Nodes, plan.Nodes) {
		t.Errorf("the plan does not survive: %+v, %v", again, err)
	}
}

func TestLockExcludes(t *testing.T) {
	unlock, err := lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := lock(ctx)
		got <- err
	}()
	cancel()
	if err := <-got; err == nil {
		t.Error("two at once have the lock")
	}
	unlock()
	unlock, err = lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
