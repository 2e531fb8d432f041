//go:build live && linux

// Package kernels boots kernels that other people run, in an emulator, and runs
// there the same live tests of observers and host that run on this machine's
// kernel: every program is loaded, attached and made to fire.
package kernels

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/test/kernels/internal/cpio"
	"github.com/yairfalse/tapio/test/kernels/internal/debian"
	"github.com/yairfalse/tapio/test/kernels/internal/qemu"
)

const root = "../.."

// need fails a test for which something is missing under CI, and skips it
// elsewhere.
func need(t *testing.T, ok bool, why string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

func TestKernels(t *testing.T) {
	for _, c := range []struct {
		series, arch, cgroup string
		absent               []string // live tests of what this kernel or layout does not have
	}{
		{"6.1", "amd64", "v1", []string{"TestLiveGroup"}}, // memory.oom.group is of version 2
		{"6.1", "amd64", "v2", nil},
		{"6.12", "amd64", "v2", nil},
		{"6.1", "arm64", "v2", []string{"TestLivePastFault"}}, // arm64 logs no faults unless told to
	} {
		t.Run(c.series+"-"+c.arch+"-cgroup-"+c.cgroup, func(t *testing.T) {
			k := kernel(t, archive(t, c.arch), c.series)
			ps := nodePrograms(t, c.arch)
			console := boot(t, k, c.arch, "tapio.cgroup="+c.cgroup, func(w *cpio.Writer) { ps.add(t, w) })
			judge(t, console, ps, c.absent)
		})
	}
}

// archive opens the package archive for an architecture that can be emulated.
func archive(t *testing.T, arch string) *debian.Archive {
	t.Helper()
	_, err := exec.LookPath(qemu.Program(arch))
	need(t, err == nil, "the emulator "+qemu.Program(arch)+" is not there: make setup")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	a, err := debian.Open(t.Context(), filepath.Join(cache, "tapio-kernels"), arch)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func kernel(t *testing.T, a *debian.Archive, series string) debian.Kernel {
	t.Helper()
	k, err := a.Kernel(t.Context(), series)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// program is the compiled tests of one package.
type program struct{ name, dir, file string }

type programs []program

func (ps programs) add(t *testing.T, w *cpio.Writer) {
	for _, p := range ps {
		at := "/tests/" + p.name
		if err := w.FileOf(at+"/test", p.file); err != nil {
			t.Fatal(err)
		}
		if data := filepath.Join(p.dir, "testdata"); isDir(data) {
			w.Tree(at+"/testdata", data)
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// nodePrograms compiles the tests of the host and of every node observer.
func nodePrograms(t *testing.T, arch string) programs {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "observers/*/node"))
	if err != nil {
		t.Fatal(err)
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*_linux_test.go"))
		return len(files) == 0 // the catalog
	})
	if len(dirs) == 0 {
		t.Fatal("no node observers")
	}
	return testPrograms(t, arch, append(dirs, filepath.Join(root, "probe/host"))...)
}

// testPrograms compiles the tests of packages.
func testPrograms(t *testing.T, arch string, dirs ...string) programs {
	t.Helper()
	out := t.TempDir()
	var ps programs
	for _, dir := range dirs {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		p := program{name: strings.ReplaceAll(rel, "/", "-"), dir: dir}
		p.file = filepath.Join(out, p.name)
		compile(t, arch, dir, "test", "-c", "-tags", "guest", "-o", p.file, ".")
		ps = append(ps, p)
	}
	return ps
}

func compile(t *testing.T, arch, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// boot starts the guest with what fill adds to it, and returns its console.
func boot(t *testing.T, k debian.Kernel, arch, cmdline string, fill func(*cpio.Writer)) []string {
	t.Helper()
	dir := t.TempDir()
	guest := filepath.Join(dir, "guest")
	compile(t, arch, filepath.Join(root, "test/kernels/guest"), "build", "-trimpath", "-ldflags=-s -w", "-o", guest, ".")
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := cpio.NewWriter(z)
	if err := w.FileOf("/init", guest); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/proc", "/sys", "/dev", "/run", "/tmp"} {
		w.Dir(d)
	}
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var console []string
	begun := time.Now()
	err = qemu.Run(ctx, qemu.Machine{
		Arch: arch, Kernel: k.Image, Initrd: initrd, MiB: 1536, Append: "quiet loglevel=1 " + cmdline,
		Console: func(line string) { console = append(console, line) },
	})
	t.Logf("kernel %s: %s from start to power-off, %d bytes of initrd", k.Release, time.Since(begun).Round(time.Second), packed.Len())
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(console, "\n"))
	}
	return console
}

var (
	verdictLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+)`)
	exitLine    = regexp.MustCompile(`^guest-exit (\S+) (\d+)$`)
)

// judge reads what the programs said: each must have run, and its live tests
// passed, but for those of absent, which must have been skipped.
func judge(t *testing.T, console []string, ps programs, absent []string) {
	t.Helper()
	var passed int
	var skipped, ran, want []string
	for _, p := range ps {
		want = append(want, p.name)
	}
	for _, line := range console {
		if m := verdictLine.FindStringSubmatch(line); m != nil {
			switch m[1] {
			case "PASS":
				passed++
			case "SKIP":
				skipped = append(skipped, m[2])
			case "FAIL":
				t.Errorf("%s fails on this kernel", m[2])
			}
		}
		if m := exitLine.FindStringSubmatch(line); m != nil {
			ran = append(ran, m[1])
			if m[2] != "0" {
				t.Errorf("the tests of %s end with exit code %s", m[1], m[2])
			}
		}
	}
	slices.Sort(want)
	slices.Sort(skipped)
	if !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if !slices.Equal(skipped, absent) {
		t.Errorf("skipped %v, want %v", skipped, absent)
	}
	t.Logf("%d live tests passed, skipped: %v", passed, skipped)
	if t.Failed() || passed == 0 {
		t.Errorf("console:\n%s", strings.Join(console, "\n"))
	}
}

// Where most users are: containerd, runc and version 2 of cgroups.
func TestContainerd(t *testing.T) {
	const arch = "amd64"
	a := archive(t, arch)
	k := kernel(t, a, "6.12")
	ps := testPrograms(t, arch, filepath.Join(root, "test/kernels/containers"))
	workload := filepath.Join(t.TempDir(), "workload")
	compile(t, arch, filepath.Join(root, "test/e2e/workload"), "build", "-trimpath", "-ldflags=-s -w", "-o", workload, ".")
	console := boot(t, k, arch, "", func(w *cpio.Writer) {
		ps.add(t, w)
		for _, name := range []string{"containerd", "runc", "libc6", "libseccomp2"} {
			dir, err := a.Package(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"bin", "sbin", "lib", "lib64", "usr/bin", "usr/sbin", "usr/lib"} {
				if isDir(filepath.Join(dir, part)) {
					w.Tree("/"+part, filepath.Join(dir, part))
				}
			}
		}
		if err := w.FileOf("/rootfs/workload", workload); err != nil {
			t.Fatal(err)
		}
	})
	judge(t, console, ps, nil)
}
