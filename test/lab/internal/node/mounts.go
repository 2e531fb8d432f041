//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/state"
)

// Mount turns the calling process's fresh mount, UTS and network namespaces
// into the node's view of the machine: all paths are the usual ones, and
// nothing done in them reaches the machine.
func (c Config) Mount() error {
	if err := unix.Sethostname([]byte(c.Node.Name())); err != nil {
		return fmt.Errorf("naming the node: %w", err)
	}
	for _, step := range []func() error{proc, c.sys, c.run, c.directories, c.resolver} {
		if err := step(); err != nil {
			return fmt.Errorf("making the view of node %s: %w", c.Node.Name(), err)
		}
	}
	// A peer group of its own, so that pods may use mount propagation. Last:
	// on a shared tree the lazy unmount of /sys would also take the cgroup
	// mounts out of the new /sys.
	return mount("none", "/", "", unix.MS_REC|unix.MS_SHARED)
}

// proc mounts the /proc of a node that has a pid namespace of its own: then this
// process is the first one in it.
func proc() error {
	if os.Getpid() != 1 {
		return nil
	}
	return mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
}

// sys mounts the /sys of the node's network namespace, with the machine's
// cgroup trees in it.
func (c Config) sys() error {
	aside := c.path("cgroup")
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	if err := mount("/sys/fs/cgroup", aside, "", unix.MS_BIND|unix.MS_REC); err != nil {
		return err
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting /sys: %w", err)
	}
	if err := mount("sysfs", "/sys", "sysfs", 0); err != nil {
		return err
	}
	if err := mount(aside, "/sys/fs/cgroup", "", unix.MS_MOVE); err != nil {
		return err
	}
	for _, m := range []struct{ fsType, at string }{
		{"bpf", "/sys/fs/bpf"}, {"debugfs", "/sys/kernel/debug"},
		{"tracefs", "/sys/kernel/tracing"}, {"securityfs", "/sys/kernel/security"},
	} {
		// A kernel without one of these has no mount point for it.
		if _, err := os.Stat(m.at); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := mount(m.fsType, m.at, m.fsType, 0); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) run() error {
	if err := mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, d := range []string{"/run/lock", "/run/netns"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) directories() error {
	for _, at := range append([]string{"/var/log"}, state.MountPoints...) {
		own := c.path(strings.ReplaceAll(at[1:], "/", "-"))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := mount(own, at, "", unix.MS_BIND); err != nil {
			return err
		}
	}
	return nil
}

// resolver gives the node its own resolv.conf, for look-ups by programs that
// run outside pods. A machine without one needs none.
func (c Config) resolver() error {
	const etc = "/etc/resolv.conf"
	target := etc
	if link, err := os.Readlink(etc); err == nil {
		target = link
		if !filepath.IsAbs(link) {
			target = filepath.Join("/etc", link)
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if strings.HasPrefix(target, "/run/") {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
	}
	return mount(c.path("resolv.conf"), target, "", unix.MS_BIND)
}

func mount(source, target, fsType string, flags uintptr, options ...string) error {
	if err := unix.Mount(source, target, fsType, flags, strings.Join(options, ",")); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", source, target, err)
	}
	return nil
}
