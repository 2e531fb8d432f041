package loader

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// cell is a root directory with a loader, as a pod sees it.
type cell struct {
	t    *testing.T
	root string
	emu  string // path of an emulator inside root, or empty
}

func newCell(t *testing.T, arch string) *cell {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" || os.Getuid() != 0 {
		missing(t, "root on linux/amd64")
	}
	c := &cell{t: t, root: t.TempDir()}
	c.write("loader", read(t, filepath.Join(committed, "loader-linux-"+arch)))
	if arch == "arm64" {
		emu, err := exec.LookPath("qemu-aarch64-static")
		if err != nil {
			missing(t, "qemu-aarch64-static")
		}
		c.emu = "/emulator"
		c.write("emulator", read(t, emu))
	}
	if err := os.MkdirAll(filepath.Join(c.root, "run/tapio"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cell) write(name string, content []byte) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// parts mounts packed in parts of the given size.
func (c *cell) parts(packed []byte, size int) {
	for i := 0; len(packed) > 0; i++ {
		n := min(size, len(packed))
		c.write(fmt.Sprintf("tapio/%d/part", i), packed[:n])
		packed = packed[n:]
	}
}

// run runs the loader in the cell.
func (c *cell) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	argv := append([]string{"/loader"}, args...)
	if c.emu != "" {
		argv = append([]string{c.emu}, argv...)
	}
	var out, errs bytes.Buffer
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Env: []string{"GREETING=hello from outside"}, Stdout: &out, Stderr: &errs, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Chroot: c.root}}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// program is a static one that prints its arguments and its environment. It is
// for this machine whatever the loader is for: an emulated loader starts it all
// the same.
func program(t *testing.T) (raw []byte, sum string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, filepath.Join("testdata", "program.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	raw = read(t, out)
	h := sha256.Sum256(raw)
	return raw, hex.EncodeToString(h[:])
}

// mount puts a small memory file system over a directory of the cell.
func mount(c *cell, dir, options string) {
	c.t.Helper()
	path := filepath.Join(c.root, dir)
	flags := uintptr(syscall.MS_NOSUID)
	if strings.Contains(options, "noexec") {
		flags |= syscall.MS_NOEXEC
		options = strings.ReplaceAll(options, ",noexec", "")
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", flags, options); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			c.t.Error(err)
		}
	})
}
