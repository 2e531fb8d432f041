//go:build linux

package cgroup

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree makes a directory that looks like the machine's cgroup trees: cpuset
// and memory of version 1, and the unified one. Unlike the kernel it does not
// fill new directories, so files that must be there are put in by hand.
func tree(t *testing.T) Tree {
	t.Helper()
	top := t.TempDir()
	hs := []Hierarchy{
		{Path: filepath.Join(top, "cpuset"), Controllers: []string{"cpuset"}},
		{Path: filepath.Join(top, "memory"), Controllers: []string{"memory"}},
		{Path: filepath.Join(top, "unified"), V2: true},
	}
	write(t, filepath.Join(top, "cpuset", "cpuset.cpus"), "0-1\n")
	write(t, filepath.Join(top, "cpuset", "cpuset.mems"), "0\n")
	write(t, filepath.Join(top, "cpuset", "lab", "cpuset.cpus"), "\n")
	write(t, filepath.Join(top, "cpuset", "lab", "cpuset.mems"), "0\n")
	write(t, filepath.Join(top, "memory", "cgroup.procs"), "1\n")
	write(t, filepath.Join(top, "unified", "cgroup.controllers"), "cpu memory pids\n")
	write(t, filepath.Join(top, "unified", "cgroup.subtree_control"), "memory\n")
	return Tree{hs, "lab"}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMake(t *testing.T) {
	tr := tree(t)
	if err := tr.Make("lab"); err != nil {
		t.Fatal(err)
	}
	for _, h := range tr.Hierarchies {
		if _, err := os.Stat(filepath.Join(h.Path, "lab")); err != nil {
			t.Error(err)
		}
	}
	cpus, err := os.ReadFile(filepath.Join(tr.Hierarchies[0].Path, "lab", "cpuset.cpus"))
	if err != nil || strings.TrimSpace(string(cpus)) != "0-1" {
		t.Errorf("the new cpuset has the processors %q (%v)", cpus, err)
	}
	// With controllers in version 1 trees the unified tree is left alone.
	if got := control(t, tr); got != "memory\n" {
		t.Errorf("subtree_control is %q", got)
	}
	if missing, err := tr.Missing(); err != nil || len(missing) != 0 {
		t.Errorf("missing are %v, %v", missing, err)
	}
}

func control(t *testing.T, tr Tree) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tr.Hierarchies[len(tr.Hierarchies)-1].Path, "cgroup.subtree_control"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUnifiedOnly(t *testing.T) {
	tr := tree(t)
	tr.Hierarchies = tr.Hierarchies[2:]
	got, err := tr.Missing()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{tr.Hierarchies[0].Path: {"cpu", "pids"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("missing are %v, want %v", got, want)
	}
	if err := tr.Make("lab"); err != nil {
		t.Fatal(err)
	}
	if got := control(t, tr); got != "+pids" { // the kernel adds up what is written one by one
		t.Errorf("last written to subtree_control: %q", got)
	}
}

func TestWithdraw(t *testing.T) {
	tr := tree(t)
	path := tr.Hierarchies[2].Path
	if err := Withdraw(path, []string{"cpu"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(path, "cgroup.subtree_control")); err != nil || string(b) != "-cpu" {
		t.Errorf("written: %q (%v)", b, err)
	}
}

func TestPIDs(t *testing.T) {
	tr := tree(t)
	write(t, filepath.Join(tr.Hierarchies[1].Path, "lab", "cgroup.procs"), "")
	write(t, filepath.Join(tr.Hierarchies[1].Path, "lab", "n1", "daemons", "cgroup.procs"), "30\n7\n")
	write(t, filepath.Join(tr.Hierarchies[2].Path, "lab", "n1", "cgroup.procs"), "7\n0\nnonsense\n-4\n9\n")
	got, err := tr.PIDs("lab")
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{7, 9, 30}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got, err = tr.PIDs("lab/nowhere")
	if err != nil || len(got) != 0 {
		t.Errorf("a cgroup that does not exist has %v (%v)", got, err)
	}
}

func TestRemove(t *testing.T) {
	tr := tree(t)
	lab := filepath.Join(tr.Hierarchies[1].Path, "lab")
	if err := os.MkdirAll(filepath.Join(lab, "n1", "daemons"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Files hold a plain directory as processes hold a cgroup.
	held := filepath.Join(tr.Hierarchies[0].Path, "lab")
	if err := tr.Remove(0); err == nil {
		t.Fatal("a held cgroup was removed")
	}
	if _, err := os.Stat(lab); !os.IsNotExist(err) {
		t.Errorf("the free hierarchy is still there (%v)", err)
	}
	if err := os.RemoveAll(held); err != nil {
		t.Fatal(err)
	}
	if err := tr.Remove(time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestHas(t *testing.T) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"lab", "no-such-cgroup"} {
		got, err := Tree{Root: root}.Has(os.Getpid())
		if want := inSubtree(string(self), root); err != nil || got != want {
			t.Errorf("%s: got %t, %v", root, got, err)
		}
	}
	if got, err := (Tree{Root: "lab"}).Has(1 << 30); got || err != nil {
		t.Errorf("a process that does not exist: %t, %v", got, err)
	}
}
