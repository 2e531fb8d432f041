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
// then becomes the program args[0]. It returns only an error. The namespace
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
	for _, ns := range namespaces {
		if err := unix.Setns(int(ns.Fd()), 0); err != nil {
			return fmt.Errorf("entering the namespace %s: %w", ns.Name(), err)
		}
		unix.CloseOnExec(int(ns.Fd()))
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", path, unix.Exec(path, args, env))
}
