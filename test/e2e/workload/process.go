//go:build linux

package main

import (
	"context"
	"fmt"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func (p program) pause(ctx context.Context, args []string) error {
	if _, err := parse(flags("pause"), args); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (p program) spin(ctx context.Context, args []string) error {
	operands, err := parse(flags("spin"), args, "N")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(operands[0])
	if err != nil || n < 1 || n > 1024 {
		return usagef("spin: %q is not a number of threads from 1 to 1024", operands[0])
	}
	runtime.GOMAXPROCS(n + 1) // one more, to hear of the end
	fmt.Fprintf(p.stdout, "spinning %d threads\n", n)
	for range n {
		go func() {
			for ctx.Err() == nil {
			}
		}()
	}
	return p.pause(ctx, nil)
}

func (p program) exit(ctx context.Context, args []string) error {
	f := flags("exit")
	after := f.Duration("after", 0, "")
	operands, err := parse(f, args, "CODE")
	if err != nil {
		return err
	}
	code, err := strconv.ParseUint(operands[0], 10, 8)
	if err != nil {
		return usagef("exit: %q is not an exit code from 0 to 255", operands[0])
	}
	if err := wait(ctx, time.After(*after)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "exiting with code %d\n", code)
	return exitCode(code)
}

func (p program) ignoreTerm(ctx context.Context, args []string) error {
	if _, err := parse(flags("ignore-term"), args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGTERM)
	fmt.Fprintln(p.stdout, "ignoring SIGTERM")
	return p.pause(ctx, nil)
}
