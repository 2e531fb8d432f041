//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/test/lab/internal/build"
	"github.com/yairfalse/tapio/test/lab/internal/cgroup"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/state"
)

// NotRunning is what Check says when there is no lab at all.
const NotRunning = "no lab is running: start one with \"labctl up\""

// Check tells in one sentence what is wrong with the lab; "" is a lab in which
// the supervisor and all daemons run.
func Check(dir layout.Dir) (string, error) {
	tree, err := cgroup.New(layout.CgroupRoot)
	if err != nil {
		return "", err
	}
	pids, err := tree.PIDs(layout.CgroupRoot)
	if err != nil {
		return "", err
	}
	st, err := state.ReadStatus(dir)
	switch owner := state.Host().Owner(dir); {
	case errors.Is(err, fs.ErrNotExist) && len(pids) == 0:
		return NotRunning, nil
	case owner != dir:
		return fmt.Sprintf("a lab with another state directory exists: set TAPIO_LAB_DIR=%s to reach it", owner), nil
	case err != nil:
		return fmt.Sprintf("the lab's status cannot be read (%v)", err), nil
	}
	supervisors, err := tree.PIDs(layout.SupervisorCgroup)
	if err != nil {
		return "", err
	}
	return diagnose(st, slices.Contains(supervisors, st.Supervisor)), nil
}

// diagnose reads a status; alive tells whether its supervisor is.
func diagnose(st state.Status, alive bool) string {
	if !alive {
		return "the lab's supervisor is gone: run \"labctl up\" or \"labctl down\""
	}
	if st.Phase != state.Up {
		s := "the lab is " + string(st.Phase)
		if st.Error != "" {
			s += ": " + st.Error
		}
		return s
	}
	var dead []string
	for _, d := range st.Daemons {
		if d.Exit != "" {
			dead = append(dead, fmt.Sprintf("%s (%s, log %s)", d.Name, d.Exit, d.Log))
		}
	}
	if len(dead) > 0 {
		return "daemons of the lab have ended: " + strings.Join(dead, ", ")
	}
	return ""
}

// NodeProcess returns a process that runs in a node's namespaces.
func NodeProcess(n layout.Node) (int, error) {
	tree, err := cgroup.New(layout.CgroupRoot)
	if err != nil {
		return 0, err
	}
	pids, err := tree.PIDs(n.DaemonsCgroup())
	if err != nil {
		return 0, err
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("node %s is not running", n.Name())
	}
	return pids[0], nil
}

// Import loads an image into every node of the running lab and records it.
func Import(ctx context.Context, dir layout.Dir, ctr string, img build.Tarball) error {
	st, err := state.ReadStatus(dir)
	if err != nil {
		return err
	}
	for _, n := range st.Nodes {
		pid, err := NodeProcess(n)
		if err != nil {
			return err
		}
		args := ImportArgs(ctr, pid, img)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("importing %s into node %s: %w: %s", img.File, n.Name(), err, strings.TrimSpace(string(out)))
		}
	}
	loaded, err := state.ReadImages(dir)
	if err != nil {
		return err
	}
	loaded[img.Tag] = img.Digest
	return state.WriteImages(dir, loaded)
}
