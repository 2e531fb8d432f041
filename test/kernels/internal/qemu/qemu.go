//go:build linux

// Package qemu boots a kernel with a first file system in an emulator and reads
// its console until it powers off.
package qemu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Machine is what is booted.
type Machine struct {
	Arch    string // amd64 or arm64
	Kernel  string // file
	Initrd  string // file
	Append  string // more of the kernel's command line
	MiB     int    // memory
	Console func(line string)
}

// models are the emulated machines; emulation needs no rights and no hardware.
var models = map[string]struct {
	program string
	args    []string
	console string
}{
	"amd64": {"qemu-system-x86_64", []string{"-machine", "q35", "-cpu", "max"}, "ttyS0"},
	"arm64": {"qemu-system-aarch64", []string{"-machine", "virt", "-cpu", "cortex-a72"}, "ttyAMA0"},
}

// Program is the emulator for an architecture.
func Program(arch string) string { return models[arch].program }

// Run boots the machine and returns once it has powered off. Each line of its
// console goes to Console.
func Run(ctx context.Context, m Machine) error {
	model, ok := models[m.Arch]
	if !ok {
		return fmt.Errorf("no machine of architecture %q is known", m.Arch)
	}
	args := append([]string{}, model.args...)
	args = append(args, "-accel", "tcg", "-m", fmt.Sprintf("%dM", m.MiB), "-smp", "1", "-display", "none", "-no-reboot",
		"-net", "none", "-serial", "stdio", "-monitor", "none",
		"-kernel", m.Kernel, "-initrd", m.Initrd,
		"-append", strings.TrimSpace("console="+model.console+" panic=-1 "+m.Append))
	cmd := exec.CommandContext(ctx, model.program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the emulator: %w", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m.Console(strings.TrimRight(lines.Text(), "\r"))
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return fmt.Errorf("the emulator: %w\n%s", err, stderr.String())
	}
	return ctx.Err()
}
