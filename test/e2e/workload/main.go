//go:build linux

// Command workload is the one program that the scenarios run in pods: each of
// its modes behaves, or misbehaves, in one well defined way.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: workload MODE

  pause                        do nothing until SIGTERM
  leak [--start SIZE] [--step 8Mi] [--every 200ms] [--until SIZE]
                               take ever more memory and touch it
  hold SIZE                    take memory at once, then wait
  cache SIZE [--dir DIR]       fill the page cache by a file, then read it for ever
  spin N                       keep N threads busy
  serve [--port 8080] [--leak-per-second SIZE] [--ready-after DURATION]
                               HTTP server: /, /live, /ready, /toggle/live, /toggle/ready
  call URL [--every 100ms] [--timeout 1s] [--count N]
                               HTTP client; a line per failure, a summary each 10 s
  lookup NAME                  resolve a name once
  exit CODE [--after DURATION] end with an exit code
  fault KIND [--after DURATION]
                               end by a signal of its own: segv or abort
  ignore-term                  wait, and ignore SIGTERM

SIZE is a number of bytes, or one with Ki, Mi or Gi.
`

// program is what a mode may use; tests put in their own.
type program struct {
	stdout, stderr io.Writer
}

// exitCode is a wanted end with this code.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (p program) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usagef("no mode is given")
	}
	modes := map[string]func(context.Context, []string) error{
		"pause": p.pause, "leak": p.leak, "hold": p.hold, "cache": p.cache, "spin": p.spin,
		"serve": p.serve, "call": p.call, "lookup": p.lookup, "exit": p.exit, "fault": p.fault, "ignore-term": p.ignoreTerm,
	}
	mode, ok := modes[args[0]]
	if !ok {
		return usagef("there is no mode %q", args[0])
	}
	return mode(ctx, args[1:])
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if os.Getpid() == 1 {
		go reap()
	}
	err := program{os.Stdout, os.Stderr}.run(ctx, os.Args[1:])
	stop()
	os.Exit(report(err, os.Stderr))
}

// report turns the end of a mode into the exit code of the program. Being
// asked to stop is a good end.
func report(err error, stderr io.Writer) int {
	var code exitCode
	var use usageError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &use):
		fmt.Fprintf(stderr, "workload: %v\n\n%s", err, usage)
		return 2
	}
	fmt.Fprintln(stderr, "workload:", err)
	return 1
}

// reap takes the ends of processes that were left to the container's first
// process: those that "kubectl exec" leaves behind. The workload itself starts
// none.
func reap() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD)
	for {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 && err != syscall.EINTR {
				break
			}
		}
		<-c
	}
}
