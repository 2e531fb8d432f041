//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// fault ends the program by a signal of its own making, as one written in C
// would end: without Go's handlers.
func (p program) fault(ctx context.Context, args []string) error {
	f := flags("fault")
	after := f.Duration("after", 0, "")
	operands, err := parse(f, args, "KIND")
	if err != nil {
		return err
	}
	raise, ok := map[string]func() error{"segv": nullPointer, "abort": abort}[operands[0]]
	if !ok {
		return usagef("fault: %q is neither segv nor abort", operands[0])
	}
	if err := wait(ctx, time.After(*after)); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "about to fault:", operands[0])
	return raise()
}

// nullPointer reads a field of a structure that is not there.
func nullPointer() error {
	if err := byDefault(syscall.SIGSEGV); err != nil {
		return err
	}
	address := uintptr(0x10)
	return fmt.Errorf("there is something at 0x10: %d", **(**int)(unsafe.Pointer(&address)))
}

func abort() error {
	if err := byDefault(syscall.SIGABRT); err != nil {
		return err
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGABRT); err != nil {
		return err
	}
	time.Sleep(time.Second) // a first process does not get it
	return exitCode(134)
}

// byDefault takes Go's handler of a signal away: a struct sigaction of zeros.
func byDefault(s syscall.Signal) error {
	var action [4]uint64
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
