//go:build linux

// Command labctl runs a real Kubernetes cluster on one machine; see the README
// of the module.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

const usage = `usage: labctl COMMAND

  up [--nodes N]          start the lab, or refresh the images of a running one
     [--pidns]            with a pid namespace for each node, as kind has them
  down                    stop the lab and leave the machine as it was found
  status                  show nodes and daemons; exit code 1 unless all is well
  load                    build the workload image anew and load it into all nodes
  load FILE.tar           load an image tarball into all nodes
  load NAME=PROGRAM       make an image of a static program and load it
  kubectl ARGUMENTS       kubectl as the cluster's admin
  env                     shell lines that put kubectl and its settings in place
  user NAME               print a kubeconfig for the user NAME, who has no rights
  enter NODE [PROGRAM..]  run a program (default sh) inside a node's namespaces
  build                   build and fetch all that "up" needs

State is kept in $TAPIO_LAB_DIR (default ` + layout.DefaultDir + `), built programs in
$TAPIO_LAB_CACHE (default: tapio-lab in the user's cache directory).
`

// command is one subcommand; root says that it needs root's rights.
type command struct {
	run  func(context.Context, []string) error
	root bool
}

var errUsage = errors.New("wrong arguments")

func commands() map[string]command {
	return map[string]command{
		"up":            {up, true},
		"down":          {down, true},
		"status":        {status, true},
		"load":          {load, true},
		"kubectl":       {kubectl, true},
		"env":           {env, false},
		"user":          {user, true},
		"enter":         {enter, true},
		"build":         {buildAll, false},
		"internal-exec": {internalExec, true}, "internal-node": {internalNode, true}, "internal-supervise": {internalSupervise, true},
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		if errors.Is(err, errUsage) {
			fmt.Fprintf(os.Stderr, "labctl: %v\n\n%s", err, usage)
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "labctl:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: no command", errUsage)
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(usage)
		return nil
	}
	c, ok := commands()[args[0]]
	if !ok {
		return fmt.Errorf("%w: there is no command %q", errUsage, args[0])
	}
	if c.root && os.Geteuid() != 0 {
		return fmt.Errorf("%q needs root: the lab makes namespaces, cgroups and mounts", args[0])
	}
	if args[0] == "internal-supervise" { // has its own signal handling
		return c.run(context.Background(), args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx, args[1:])
}
