//go:build linux

package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// sysctls are the settings of the whole machine that a running lab changes:
// the kubelet sets all but the last (pkg/kubelet/cm/container_manager_linux.go,
// setupKernelTunables), the lab raises the last so that every node has inotify
// instances enough.
var sysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom",
	"kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	"fs/inotify/max_user_instances",
}

const (
	inotifyInstances = "fs/inotify/max_user_instances"
	wantInotify      = "1024"
)

// MountPoints are the directories over which every node mounts its own.
var MountPoints = []string{"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni"}

// machine is what the lab found and will change.
type machine struct {
	Sysctls     map[string]string   `json:"sysctls"`
	Made        []string            `json:"made"`        // directories that did not exist
	Controllers map[string][]string `json:"controllers"` // enabled in the unified cgroup tree, by mount point
}

// Machine is the place of the settings; the paths differ only in tests.
type Machine struct {
	Proc    string // proc's sys directory
	Pointer string // link that names the state directory of the lab that changed the machine
	Points  []string
}

// Host is this machine.
func Host() Machine {
	return Machine{Proc: "/proc/sys", Pointer: "/run/tapio-lab", Points: MountPoints}
}

func record(d layout.Dir) string { return d.Path("machine.json") }

// Prepare records what the machine is like, then changes it for the lab.
// missing are the cgroup controllers that will be enabled.
func (m Machine) Prepare(d layout.Dir, missing map[string][]string) error {
	found := machine{Sysctls: map[string]string{}, Controllers: missing}
	for _, s := range sysctls {
		b, err := os.ReadFile(filepath.Join(m.Proc, s))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found.Sysctls[s] = strings.TrimSpace(string(b))
	}
	for _, p := range m.Points {
		if _, err := os.Lstat(p); errors.Is(err, fs.ErrNotExist) {
			found.Made = append(found.Made, p)
		}
	}
	if err := writeJSON(record(d), found); err != nil {
		return err
	}
	if err := os.Remove(m.Pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(string(d), m.Pointer); err != nil {
		return err
	}
	for _, p := range m.Points {
		if err := os.Mkdir(p, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if len(found.Sysctls[inotifyInstances]) >= len(wantInotify) {
		return nil
	}
	return os.WriteFile(filepath.Join(m.Proc, inotifyInstances), []byte(wantInotify), 0o644)
}

// Owner returns the state directory of the lab that changed the machine, or
// fallback when none is known.
func (m Machine) Owner(fallback layout.Dir) layout.Dir {
	if t, err := os.Readlink(m.Pointer); err == nil && filepath.IsAbs(t) {
		return layout.Dir(t)
	}
	return fallback
}

// Restore puts the machine back as it was found. Nothing recorded is no error.
func (m Machine) Restore(d layout.Dir) error {
	var found machine
	err := readJSON(record(d), &found)
	if errors.Is(err, fs.ErrNotExist) {
		return m.forget()
	}
	if err != nil {
		return err
	}
	var errs []error
	for s, v := range found.Sysctls {
		errs = append(errs, restore(filepath.Join(m.Proc, s), v))
	}
	for _, p := range found.Made {
		if err := syscall.Rmdir(p); err != nil && err != syscall.ENOENT {
			errs = append(errs, fmt.Errorf("removing %s: %w", p, err))
		}
	}
	for path, cs := range found.Controllers {
		errs = append(errs, cgroup.Withdraw(path, cs))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.Join(os.Remove(record(d)), m.forget())
}

func (m Machine) forget() error {
	if err := os.Remove(m.Pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// restore writes a setting only if it differs: some cannot be written at all.
func restore(file, want string) error {
	have, err := os.ReadFile(file)
	if err != nil || string(bytes.TrimSpace(have)) == want {
		return err
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		return fmt.Errorf("restoring %s: %w", file, err)
	}
	return nil
}
