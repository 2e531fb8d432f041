//go:build linux

// Package debian fetches kernels and programs from Debian's archive: for any
// architecture, without touching the package state of the machine. apt checks signatures and
// digests with the keys that the machine has.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Kernel is an unpacked kernel.
type Kernel struct {
	Release string // as "6.1.0-56-cloud-amd64"
	Image   string // the file to boot
	Modules string // directory of its modules
}

// Archive is the archive for one architecture, with its package lists in a
// directory of its own.
type Archive struct {
	arch, dir string
	options   []string
}

// Open makes the package lists for an architecture (amd64, arm64) below cache,
// from the sources that the machine itself uses.
func Open(ctx context.Context, cache, arch string) (*Archive, error) {
	a := &Archive{arch: arch, dir: filepath.Join(cache, arch)}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "sources"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := a.sources(); err != nil {
		return nil, err
	}
	status := filepath.Join(a.dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	for _, o := range []string{
		"Dir::State=" + a.dir, "Dir::State::status=" + status, "Dir::State::Lists=" + filepath.Join(a.dir, "lists"),
		"Dir::Cache=" + filepath.Join(a.dir, "cache"), "Dir::Etc::sourcelist=/dev/null",
		"Dir::Etc::sourceparts=" + filepath.Join(a.dir, "sources"), "Dir::Etc::main=/dev/null",
		"APT::Architecture=" + arch, "APT::Architectures::=" + arch, "APT::Sandbox::User=root",
	} {
		a.options = append(a.options, "-o", o)
	}
	if _, err := a.run(ctx, a.dir, "apt-get", "-q", "update"); err != nil {
		return nil, err
	}
	return a, nil
}

// sources copies the machine's Debian sources. Others are left out: they need
// not have every architecture.
func (a *Archive) sources() error {
	found := false
	for _, pattern := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if !bytes.Contains(b, []byte("debian.org")) {
				continue
			}
			found = true
			if err := os.WriteFile(filepath.Join(a.dir, "sources", filepath.Base(f)), b, 0o644); err != nil {
				return err
			}
		}
	}
	if !found {
		return errors.New("this machine has no Debian package sources")
	}
	return nil
}

func (a *Archive) run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(a.options), args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// Kernel fetches the newest kernel of a series ("6.1") in the flavour for
// virtual machines.
func (a *Archive) Kernel(ctx context.Context, series string) (Kernel, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "search", "--names-only", `^linux-image-`+strings.ReplaceAll(series, ".", `\.`)+`\.[^ ]*-cloud-`+a.arch+`$`)
	if err != nil {
		return Kernel{}, err
	}
	name := newest(string(out))
	if name == "" {
		return Kernel{}, fmt.Errorf("the archive has no cloud kernel %s for %s", series, a.arch)
	}
	dir, err := a.Package(ctx, name)
	if err != nil {
		return Kernel{}, err
	}
	return kernelIn(dir, name)
}

// Package fetches a package, unpacks it below the cache and returns where its
// files are. One that is there already is not refreshed.
func (a *Archive) Package(ctx context.Context, name string) (string, error) {
	dir := filepath.Join(a.dir, "packages", name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(a.dir, ".partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if _, err := a.run(ctx, partial, "apt-get", "-q", "download", name); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(partial, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files, expected one", name, len(debs))
	}
	root := filepath.Join(partial, "root")
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", debs[0], root).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking %s: %w\n%s", name, err, out)
	}
	return dir, os.Rename(root, dir)
}

func kernelIn(dir, name string) (Kernel, error) {
	k := Kernel{Release: strings.TrimPrefix(name, "linux-image-")}
	k.Image = filepath.Join(dir, "boot", "vmlinuz-"+k.Release)
	k.Modules = filepath.Join(dir, "lib", "modules", k.Release)
	for _, f := range []string{k.Image, k.Modules} {
		if _, err := os.Stat(f); err != nil {
			return Kernel{}, fmt.Errorf("package %s: %w", name, err)
		}
	}
	return k, nil
}

// newest returns the package with the highest version among lines as apt-cache
// search prints them.
func newest(lines string) string {
	best := ""
	for line := range strings.Lines(lines) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && (best == "" || slices.Compare(numbers(name), numbers(best)) > 0) {
			best = name
		}
	}
	return best
}

// numbers are the numbers in a package's name, which are its version.
func numbers(name string) []int {
	var out []int
	for _, f := range strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return out
		}
		out = append(out, n)
	}
	return out
}
