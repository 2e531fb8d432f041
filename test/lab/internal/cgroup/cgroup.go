//go:build linux

// Package cgroup keeps the lab's own subtree in every cgroup hierarchy of the
// machine. All that the lab runs is in that subtree, so all of it can be found
// and stopped without any record of it.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Tree is a subtree of the same name in several hierarchies.
type Tree struct {
	Hierarchies []Hierarchy
	Root        string // one path element below each hierarchy's root
}

// New returns the subtree root in all hierarchies of this machine.
func New(root string) (Tree, error) {
	hs, err := Hierarchies()
	return Tree{hs, root}, err
}

// Make makes the cgroup sub (Root or a path below it) in every hierarchy, so
// that processes may join it.
func (t Tree) Make(sub string) error {
	for _, h := range t.Hierarchies {
		p := h.Path
		for _, elem := range strings.Split(sub, "/") {
			if t.delegates(h) {
				if err := delegate(p); err != nil {
					return err
				}
			}
			q := filepath.Join(p, elem)
			if err := os.Mkdir(q, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("making a cgroup: %w", err)
			}
			if slices.Contains(h.Controllers, "cpuset") {
				if err := inheritCPUSet(p, q); err != nil {
					return err
				}
			}
			p = q
		}
	}
	return nil
}

// inheritCPUSet fills the empty cpuset of a new version 1 cgroup; no process
// may join it before.
func inheritCPUSet(parent, child string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		have, err := os.ReadFile(filepath.Join(child, f))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(have)) != "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(parent, f))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(child, f), b, 0o644); err != nil {
			return fmt.Errorf("filling a cpuset: %w", err)
		}
	}
	return nil
}

// delegates reports whether controllers must be enabled for the children of
// cgroups in h: in the unified tree, unless the machine's controllers are in
// version 1 trees, where they need no enabling.
func (t Tree) delegates(h Hierarchy) bool {
	return h.V2 && !slices.ContainsFunc(t.Hierarchies, func(o Hierarchy) bool { return len(o.Controllers) > 0 })
}

// Missing returns the controllers of the unified tree's root that are not yet
// enabled for its children, by hierarchy path. Make enables them.
func (t Tree) Missing() (map[string][]string, error) {
	missing := map[string][]string{}
	for _, h := range t.Hierarchies {
		if !t.delegates(h) {
			continue
		}
		m, err := notDelegated(h.Path)
		if err != nil {
			return nil, err
		}
		if len(m) > 0 {
			missing[h.Path] = m
		}
	}
	return missing, nil
}

// Withdraw disables controllers for the children of a unified tree's root.
func Withdraw(path string, controllers []string) error {
	for _, c := range controllers {
		err := os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte("-"+c), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("disabling the %s controller: %w", c, err)
		}
	}
	return nil
}

func notDelegated(dir string) ([]string, error) {
	have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	on, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return nil, err
	}
	enabled := strings.Fields(string(on))
	return slices.DeleteFunc(strings.Fields(string(have)), func(c string) bool {
		return slices.Contains(enabled, c)
	}), nil
}

func delegate(dir string) error {
	missing, err := notDelegated(dir)
	if err != nil {
		return err
	}
	for _, c := range missing {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
			return fmt.Errorf("enabling the %s controller: %w", c, err)
		}
	}
	return nil
}

// Join moves the calling process into the cgroup sub of every hierarchy.
func (t Tree) Join(sub string) error {
	pid := []byte(strconv.Itoa(os.Getpid()))
	for _, h := range t.Hierarchies {
		if err := os.WriteFile(filepath.Join(h.Path, sub, "cgroup.procs"), pid, 0o644); err != nil {
			return fmt.Errorf("joining a cgroup: %w", err)
		}
	}
	return nil
}

// PIDs lists the processes at or below sub in any hierarchy, in ascending
// order. Zombies are not listed.
func (t Tree) PIDs(sub string) ([]int, error) {
	set := map[int]bool{}
	for _, h := range t.Hierarchies {
		err := walk(filepath.Join(h.Path, sub), func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				return ignoreGone(err)
			}
			for _, f := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
					set[pid] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	pids := make([]int, 0, len(set))
	for p := range set {
		pids = append(pids, p)
	}
	slices.Sort(pids)
	return pids, nil
}

// Has reports whether a process is in the subtree of any hierarchy. A process
// that does not exist is in none.
func (t Tree) Has(pid int) (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return inSubtree(string(b), t.Root), err
}

// inSubtree reads /proc/PID/cgroup (cgroups(7)): hierarchy:controllers:path.
func inSubtree(text, root string) bool {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 && (f[2] == "/"+root || strings.HasPrefix(f[2], "/"+root+"/")) {
			return true
		}
	}
	return false
}

// Remove removes the subtree from every hierarchy. It waits up to patience
// for cgroups that the kernel still holds.
func (t Tree) Remove(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := t.remove()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (t Tree) remove() error {
	var errs []error
	for _, h := range t.Hierarchies {
		var dirs []string
		err := walk(filepath.Join(h.Path, t.Root), func(dir string) error {
			dirs = append(dirs, dir)
			return nil
		})
		errs = append(errs, err)
		for _, d := range slices.Backward(dirs) {
			if err := ignoreGone(syscall.Rmdir(d)); err != nil {
				errs = append(errs, fmt.Errorf("removing the cgroup %s: %w", d, err))
			}
		}
	}
	return errors.Join(errs...)
}

// walk calls visit for top and every cgroup below it, parents first. Cgroups
// that vanish meanwhile are passed over.
func walk(top string, visit func(dir string) error) error {
	return filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		if !d.IsDir() {
			return nil
		}
		return visit(p)
	})
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}
