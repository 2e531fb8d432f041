// Command kubectl-tapio is the kubectl plugin: "kubectl tapio explain pod X"
// tells why a pod is failing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	// Credential plugins of clusters are chosen by kubeconfig.
	_ "k8s.io/client-go/plugin/pkg/client/auth"

	"github.com/yairfalse/tapio/tui/quiet"
)

func main() {
	quiet.Over()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends it at once, whatever it is at
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	args, ok := completing(os.Args)
	if ok {
		streams.ErrOut = io.Discard // a shell asks, nobody reads
	}
	root := newRoot(streams)
	if ok {
		root.SetArgs(args)
	}
	err := root.ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(streams, err))
}

// exit is an error that only carries an exit code; what there was to say has
// been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Exit codes beside 0 and 1.
const (
	exitProblem      exit = 2   // --exit-code: a problem was found
	exitInconclusive exit = 3   // --exit-code: inconclusive
	exitInterrupted  exit = 130 // interrupted with nothing to show
)

func exitCode(streams genericiooptions.IOStreams, err error) int {
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(streams.ErrOut, "error: "+sentence(err))
	return 1
}
