//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/network"
	"github.com/yairfalse/tapio/test/lab/internal/state"
)

// Down stops all that runs in the lab's cgroups and puts the machine back as
// it was found, whatever state the lab is in. keepLogs leaves the log
// directory. It is no error when there is no lab.
func Down(dir layout.Dir, keepLogs bool) error {
	tree, err := cgroup.New(layout.CgroupRoot)
	if err != nil {
		return err
	}
	host := state.Host()
	dir = host.Owner(dir)
	if err := clear(tree); err != nil {
		return err
	}
	if err := host.Restore(dir); err != nil {
		return err
	}
	if err := unmounted(dir); err != nil {
		return err
	}
	return remove(dir, keepLogs)
}

// clear ends the lab's processes and removes what they lived in. A process that
// was on its way into the lab's cgroups may appear between the two, hence the
// rounds.
func clear(tree cgroup.Tree) error {
	for round := 1; ; round++ {
		if err := stop(tree); err != nil {
			return err
		}
		if err := network.Remove(); err != nil {
			return err
		}
		if err := tree.Remove(time.Second); err == nil || round == 10 {
			return err
		}
	}
}

// stop kills every process of the lab but the supervisor, which reaps them,
// and then the supervisor, should it not end by itself.
func stop(tree cgroup.Tree) error {
	supervisors, err := tree.PIDs(layout.SupervisorCgroup)
	if err != nil {
		return err
	}
	for _, pid := range supervisors {
		if err := send(tree, pid, unix.SIGTERM); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for round := 0; ; round++ {
		pids, err := tree.PIDs(layout.CgroupRoot)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes of the lab do not end: %v", pids)
		}
		// The supervisor has two seconds to reap the others.
		for _, pid := range pids {
			if round < 100 && slices.Contains(supervisors, pid) {
				continue
			}
			if err := send(tree, pid, unix.SIGKILL); err != nil {
				return err
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// send signals a process if it is, for certain, in the lab's cgroups.
func send(tree cgroup.Tree, pid int, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	// Asked after the descriptor was opened: the process id cannot change hands.
	in, err := tree.Has(pid)
	if err != nil || !in {
		return err
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signalling process %d: %w", pid, err)
	}
	return nil
}

// unmounted makes sure that nothing is mounted below the state directory, so
// that its removal reaches nothing else.
func unmounted(dir layout.Dir) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], string(dir)+"/") {
			return fmt.Errorf("%s is mounted below the lab's state directory: unmount it and try again", f[4])
		}
	}
	return nil
}

// remove empties the state directory. It is left alone unless it looks like
// the lab's: whoever sets TAPIO_LAB_DIR may mistype it.
func remove(dir layout.Dir, keepLogs bool) error {
	entries, err := os.ReadDir(string(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	known := []string{"bin", "etcd", "images.json", "kubeconfig", "log", "machine.json", "nodes", "pki", "plan.json", "status.json", "system.yaml"}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) && !strings.HasPrefix(e.Name(), ".new-") {
			return fmt.Errorf("%s is not the lab's: the state directory %s is left as it is", filepath.Join(string(dir), e.Name()), dir)
		}
	}
	for _, e := range entries {
		if keepLogs && e.Name() == "log" {
			continue
		}
		if err := os.RemoveAll(dir.Path(e.Name())); err != nil {
			return err
		}
	}
	if keepLogs {
		return nil
	}
	return os.Remove(string(dir))
}
