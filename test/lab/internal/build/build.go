//go:build linux

// Package build provides the lab's programs: it compiles the Kubernetes
// programs and CoreDNS once for each content of their module, the workload on
// every call, and unpacks the distribution's container runtime into a cache.
package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Builder builds into a cache directory.
type Builder struct {
	Root  string                           // the project's checkout
	Cache string                           // directory, shared by all checkouts
	Say   func(format string, args ...any) // progress
}

// FindRoot returns the checkout that contains dir.
func FindRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "test", "lab", "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside a checkout of kubectl-tapio: run labctl from one, it builds the lab from its sources", dir)
		}
	}
}

// CacheDir returns the cache directory: $TAPIO_LAB_CACHE, or tapio-lab in the
// user's cache directory.
func CacheDir() (string, error) {
	if d := os.Getenv("TAPIO_LAB_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory is known: set TAPIO_LAB_CACHE (%w)", err)
	}
	return filepath.Join(d, "tapio-lab"), nil
}

// Kubernetes is the version that is built; the kubelet and the API server
// report it.
const Kubernetes = "v1.35.4"

func ldflags() string {
	flags := []string{"-s", "-w"}
	minor := strings.Split(Kubernetes, ".")[1]
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range []string{"gitVersion=" + Kubernetes, "gitMajor=1", "gitMinor=" + minor, "gitTreeState=clean", "buildDate=2026-01-01T00:00:00Z"} {
			flags = append(flags, "-X", pkg+"."+kv)
		}
	}
	return strings.Join(flags, " ")
}

func buildArgs(ldflags, out, pkg string) []string {
	return []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", ldflags, "-o", out, pkg}
}

// Cluster returns the directory that holds the programs lab and coredns,
// building them when the cache has none of the same content.
func (b *Builder) Cluster(ctx context.Context) (string, error) {
	module := filepath.Join(b.Root, "test", "lab")
	version, err := b.output(ctx, module, "go", "env", "GOVERSION", "GOARCH")
	if err != nil {
		return "", err
	}
	key, err := Key(module, []string{"go.mod", "go.sum", "cmd/lab", "cmd/coredns"}, version, strings.Join(buildArgs(ldflags(), "", ""), " "))
	if err != nil {
		return "", err
	}
	return b.cached("cluster-"+key, func(dir string) error {
		b.Say("building the Kubernetes programs (minutes when the Go build cache is empty)")
		if err := b.run(ctx, module, "go", buildArgs(ldflags(), filepath.Join(dir, "lab"), "./cmd/lab")...); err != nil {
			return err
		}
		b.Say("building CoreDNS")
		return b.run(ctx, module, "go", buildArgs("-s -w", filepath.Join(dir, "coredns"), "./cmd/coredns")...)
	})
}

// Workload builds test/e2e/workload of the checkout and returns the program.
func (b *Builder) Workload(ctx context.Context) (string, error) {
	out := filepath.Join(b.Cache, "workload")
	return out, b.run(ctx, b.Root, "go", buildArgs("-s -w", out, "./test/e2e/workload")...)
}

// Key digests the named files and directories of root together with settings.
// Tests and hidden files do not count.
func Key(root string, names []string, settings ...string) (string, error) {
	h := sha256.New()
	for _, s := range settings {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	for _, name := range names {
		var files []string
		err := filepath.WalkDir(filepath.Join(root, name), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasSuffix(p, "_test.go") && !strings.HasPrefix(d.Name(), ".") {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("digesting the sources: %w", err)
		}
		sort.Strings(files)
		for _, f := range files {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				return "", err
			}
			content, err := os.ReadFile(f)
			if err != nil {
				return "", fmt.Errorf("digesting the sources: %w", err)
			}
			fmt.Fprintf(h, "%d:%s%d:", len(rel), rel, len(content))
			h.Write(content)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12]), nil
}

// cached returns the directory name of the cache after fill has filled it;
// a directory that is there is complete.
func (b *Builder) cached(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(b.Cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unlock, err := b.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(b.Cache, ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := fill(tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// lock keeps two builds from filling the same directory.
func (b *Builder) lock() (unlock func(), err error) {
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(b.Cache)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", b.Cache, err)
	}
	return func() { f.Close() }, nil
}

// environment is the caller's, made independent of its Go settings that would
// change what is built.
func environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=linux", "GOARCH="+runtime.GOARCH)
}

func (b *Builder) run(ctx context.Context, dir, program string, args ...string) error {
	_, err := b.output(ctx, dir, program, args...)
	return err
}

func (b *Builder) output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s is not installed, and the lab needs it", program)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", program, args[0], err, lastLines(stderr.String(), 15))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// digestFile returns the SHA-256 of a file in hexadecimal.
func digestFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
