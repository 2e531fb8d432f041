//go:build linux

package supervise

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init is the first process of a pid namespace: it starts a program, passes
// signals on to it, reaps what is left to it, and ends as the program does,
// whereupon the kernel ends everything in the namespace.
func Init(path string, args, env []string) error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Dir: "/", Env: env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	follow(pid, -1, signals)
	return nil
}

// standFor starts a program in the pid namespace that the calling thread has
// chosen for its children, and is to others what the program would be: it
// passes signals on and ends as the program does. (PDEATHSIG is not to be had:
// the child sees no parent in its namespace and would take it for dead. The end
// of the node's first process ends the program.)
func standFor(path string, args, env []string) error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	follow(pid, pid, signals)
	return nil
}

// follow waits for a child and ends as it did; wait is the process, or -1 for
// all that end meanwhile.
func follow(pid, wait int, signals <-chan os.Signal) {
	for sig := range signals {
		switch sig {
		case unix.SIGCHLD:
		case unix.SIGURG: // the runtime's own
			continue
		default:
			if s, ok := sig.(syscall.Signal); ok {
				_ = syscall.Kill(pid, s)
			}
			continue
		}
		for {
			var ws syscall.WaitStatus
			ended, err := syscall.Wait4(wait, &ws, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if ended <= 0 {
				break
			}
			if ended == pid {
				os.Exit(exitCode(ws))
			}
		}
	}
}

// exitCode is how a shell tells of the end of a program.
func exitCode(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
