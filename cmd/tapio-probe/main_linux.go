// Command tapio-probe is the probe: it runs in a pod on the node that is to be
// observed, for as long as a plugin talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/yairfalse/tapio/probe/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := agent.Main(ctx, os.Args[1:], os.Stdout, os.Stderr, agent.OpenNode)
	stop()
	os.Exit(code)
}
