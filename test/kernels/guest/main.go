//go:build linux

// Command guest is the first process of an emulated machine: it mounts what a
// node has, runs the live tests (TestLive...) of the programs that it finds in /tests,
// says on the console how each ended, and powers off.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// exitMark precedes, on a line of its own, the name of a test program and its
// exit code. test/kernels reads it.
const exitMark = "guest-exit "

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := enterRoot(); err != nil {
		return fmt.Errorf("the root: %w", err)
	}
	if err := mounts(); err != nil {
		return err
	}
	programs, err := filepath.Glob("/tests/*/test")
	if err != nil {
		return err
	}
	slices.Sort(programs)
	for _, p := range programs {
		name := filepath.Base(filepath.Dir(p))
		fmt.Printf("%s%s %d\n", exitMark, name, test(p))
	}
	return nil
}

// enterRoot moves to a file system on which pivot_root works, which it does not
// on the first one (pivot_root(2)): a container runtime needs it.
func enterRoot() error {
	const root = "/root.new"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=90%"); err != nil {
		return err
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		from := "/" + e.Name()
		if from == root || e.Name() == "dev" {
			continue
		}
		if err := move(from, root+from); err != nil {
			return err
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return os.Chdir("/")
}

// move copies a tree and removes the original file by file, so that memory does
// not have to hold both.
func move(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := os.MkdirAll(to, info.Mode().Perm()); err != nil {
			return err
		}
		entries, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := move(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				return err
			}
		}
		return nil
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !info.Mode().IsRegular():
		return nil
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Remove(from)
}

// mounts are those of a node; the word tapio.cgroup=v1 on the kernel's command
// line asks for one hierarchy a controller.
func mounts() error {
	type mount struct{ source, target, kind, data string }
	all := []mount{
		{"proc", "/proc", "proc", ""}, {"sysfs", "/sys", "sysfs", ""}, {"devtmpfs", "/dev", "devtmpfs", ""},
		{"tmpfs", "/dev/shm", "tmpfs", ""}, {"tmpfs", "/run", "tmpfs", ""}, {"tmpfs", "/tmp", "tmpfs", ""},
		{"bpf", "/sys/fs/bpf", "bpf", ""}, {"tracefs", "/sys/kernel/tracing", "tracefs", ""},
	}
	do := func(m mount) error {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.kind, 0, m.data); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
		return nil
	}
	for _, m := range all {
		if err := do(m); err != nil {
			return err
		}
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	if !strings.Contains(string(cmdline), "tapio.cgroup=v1") {
		if err := do(mount{"cgroup2", "/sys/fs/cgroup", "cgroup2", ""}); err != nil {
			return err
		}
		return os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory +pids +cpu"), 0o644)
	}
	if err := do(mount{"tmpfs", "/sys/fs/cgroup", "tmpfs", ""}); err != nil {
		return err
	}
	for _, c := range []string{"memory", "cpu,cpuacct", "pids", "freezer", "devices"} {
		if err := do(mount{"cgroup", "/sys/fs/cgroup/" + c, "cgroup", c}); err != nil {
			return err
		}
	}
	return do(mount{"cgroup2", "/sys/fs/cgroup/unified", "cgroup2", ""})
}

// test runs one program in its own directory and returns its exit code.
func test(program string) int {
	cmd := exec.CommandContext(context.Background(), program, "-test.v", "-test.timeout=8m", "-test.run=^TestLive")
	cmd.Dir = filepath.Dir(program)
	cmd.Env = []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "TMPDIR=/tmp", "TAPIO_TEST_NODE_OOM=1"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	fmt.Println("guest:", err)
	return 127
}
