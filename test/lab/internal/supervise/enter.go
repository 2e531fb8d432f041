//go:build linux

package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// Enter puts the calling process into a cgroup of the lab and into namespaces,
// then becomes the program args[0], or stands for it where a pid namespace can
// be entered by a child alone. It returns only an error. The namespace
// files are closed on the way; the mount namespace must come before those that
// are reached by path in it.
func Enter(sub string, namespaces []*os.File, args, env []string) error {
	runtime.LockOSThread()
	if sub != "" {
		t, err := cgroup.New(layout.CgroupRoot)
		if err != nil {
			return err
		}
		if err := t.Join(sub); err != nil {
			return err
		}
	}
	// A mount namespace can be entered only by a thread whose root and working
	// directory are its own.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leaving the shared file system view: %w", err)
	}
	inside := true // false once this process has left for its children a pid namespace that it is not in
	for _, ns := range namespaces {
		if kind, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_NSTYPE); err == nil && kind == unix.CLONE_NEWPID {
			inside = false
		}
		if err := unix.Setns(int(ns.Fd()), 0); err != nil {
			return fmt.Errorf("entering the namespace %s: %w", ns.Name(), err)
		}
		unix.CloseOnExec(int(ns.Fd()))
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if !inside {
		return standFor(path, args, env)
	}
	return fmt.Errorf("starting %s: %w", path, unix.Exec(path, args, env))
}
