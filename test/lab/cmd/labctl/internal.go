//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/yairfalse/tapio/test/lab/internal/cluster"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/node"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

// Commands that labctl starts itself with; nobody else should.

// internalExec CGROUP COUNT PROGRAM...: enters a cgroup and the namespaces on
// descriptors 3 to 3+COUNT-1, then becomes the program.
func internalExec(_ context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("%w: internal-exec CGROUP COUNT PROGRAM", errUsage)
	}
	count, err := strconv.Atoi(args[1])
	if err != nil || count < 0 || count > 8 {
		return fmt.Errorf("%w: internal-exec: %q is not a number of namespaces", errUsage, args[1])
	}
	var namespaces []*os.File
	for fd := 3; fd < 3+count; fd++ {
		namespaces = append(namespaces, os.NewFile(uintptr(fd), fmt.Sprintf("on descriptor %d", fd)))
	}
	return supervise.Enter(args[0], namespaces, args[2:], os.Environ())
}

// internalNode NODE CNI PROGRAM...: makes a node's view of the machine in the
// fresh namespaces of this process, then becomes the program.
func internalNode(_ context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("%w: internal-node NODE CNI PROGRAM", errUsage)
	}
	n, err := layout.ParseNode(args[0])
	if err != nil {
		return err
	}
	dir, err := layout.DirFromEnv()
	if err != nil {
		return err
	}
	if err := (node.Config{Node: n, Dir: dir, CNI: args[1]}).Mount(); err != nil {
		return err
	}
	if os.Getpid() == 1 {
		return supervise.Init(args[2], args[2:], os.Environ())
	}
	return fmt.Errorf("starting %s: %w", args[2], unix.Exec(args[2], args[2:], os.Environ()))
}

// internalSupervise PLAN: runs the lab; progress goes to descriptor 3.
func internalSupervise(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: internal-supervise PLAN", errUsage)
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var plan cluster.Plan
	if err := json.Unmarshal(b, &plan); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	if err := os.Setenv("TAPIO_LAB_DIR", string(plan.Dir)); err != nil {
		return err
	}
	return cluster.Supervise(plan, os.NewFile(3, "report"))
}
