//go:build linux

package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Runtime is where the container runtime's programs are.
type Runtime struct {
	Containerd string // the daemon
	Ctr        string // its client
	Path       string // PATH under which containerd finds runc and its shim
	CNI        string // directory of the network plugins
	Busybox    string // static shell for images
}

var packages = []string{"containerd", "runc", "containernetworking-plugins", "busybox-static"}

// Runtime unpacks the distribution's packages into the cache; nothing is
// installed. Packages that are there are not refreshed.
func (b *Builder) Runtime(ctx context.Context) (Runtime, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return Runtime{}, fmt.Errorf("finding out the distribution: %w", err)
	}
	key, err := Key("/", nil, string(release), runtime.GOARCH, strings.Join(packages, " "))
	if err != nil {
		return Runtime{}, err
	}
	dir, err := b.cached("runtime-"+key, func(dir string) error { return b.unpack(ctx, dir) })
	if err != nil {
		return Runtime{}, err
	}
	return runtimeIn(dir), nil
}

func runtimeIn(dir string) Runtime {
	p := func(s string) string { return filepath.Join(dir, s) }
	return Runtime{
		Containerd: p("usr/bin/containerd"),
		Ctr:        p("usr/bin/ctr"),
		Path:       p("usr/bin") + ":" + p("usr/sbin"),
		CNI:        p("usr/lib/cni"),
		Busybox:    p("bin/busybox"),
	}
}

func (b *Builder) unpack(ctx context.Context, dir string) error {
	b.Say("fetching the container runtime (%s)", strings.Join(packages, ", "))
	debs, err := os.MkdirTemp(b.Cache, ".debs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	for _, name := range packages {
		deb, err := b.fetch(ctx, debs, name)
		if err != nil {
			return err
		}
		if err := b.run(ctx, debs, "dpkg-deb", "-x", deb, dir); err != nil {
			return err
		}
	}
	r := runtimeIn(dir)
	for _, f := range []string{r.Containerd, r.Ctr, r.Busybox, filepath.Join(r.CNI, "bridge"), filepath.Join(r.CNI, "portmap"), filepath.Join(r.CNI, "host-local")} {
		if _, err := os.Stat(f); err != nil {
			return fmt.Errorf("the packages of this distribution lack a file: %w", err)
		}
	}
	for _, program := range []string{r.Containerd, filepath.Join(dir, "usr/sbin/runc")} {
		if err := b.run(ctx, "/", program, "--version"); err != nil {
			return fmt.Errorf("the container runtime does not start, perhaps for a missing library (libseccomp2): %w", err)
		}
	}
	return nil
}

// fetch downloads the candidate version of a package and returns the file,
// after comparing its digest with that of the package lists.
func (b *Builder) fetch(ctx context.Context, dir, name string) (string, error) {
	p, err := b.candidate(ctx, name)
	if err != nil {
		b.Say("updating the package lists")
		if err := b.run(ctx, "/", "apt-get", "-q", "update"); err != nil {
			return "", err
		}
		if p, err = b.candidate(ctx, name); err != nil {
			return "", err
		}
	}
	// As its own user apt cannot write here; it is told not to change users.
	if err := b.run(ctx, dir, "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name+"="+p.version); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files, expected one", name, len(files))
	}
	have, err := digestFile(files[0])
	if err != nil {
		return "", err
	}
	if have != p.sha256 {
		return "", fmt.Errorf("package %s %s has the digest %s, the package lists say %s", name, p.version, have, p.sha256)
	}
	return files[0], nil
}

type pkg struct{ version, sha256 string }

func (b *Builder) candidate(ctx context.Context, name string) (pkg, error) {
	out, err := b.output(ctx, "/", "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return pkg{}, err
	}
	p := parseControl(out)
	if p.version == "" || len(p.sha256) != 64 {
		return pkg{}, fmt.Errorf("the package lists have no version and digest for %s", name)
	}
	return p, nil
}

// parseControl reads the first paragraph of a package list (deb822(5)).
func parseControl(text string) pkg {
	var p pkg
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if s.Text() == "" {
			break
		}
		k, v, _ := strings.Cut(s.Text(), ": ")
		switch k {
		case "Version":
			p.version = strings.TrimSpace(v)
		case "SHA256":
			p.sha256 = strings.TrimSpace(v)
		}
	}
	return p
}

// hostPrograms are the programs of the machine that the lab's own programs
// run, with the package that has them.
var hostPrograms = []struct{ program, pkg string }{
	{"go", "the Go toolchain"},
	{"apt-get", "apt"},
	{"apt-cache", "apt"},
	{"dpkg-deb", "dpkg"},
	{"iptables", "iptables"}, {"iptables-save", "iptables"}, {"iptables-restore", "iptables"}, {"ip6tables", "iptables"},
	{"mount", "mount"}, {"umount", "mount"},
}

// Check reports, in one sentence, which programs of the machine are missing.
func Check() error {
	var missing []string
	for _, h := range hostPrograms {
		if _, err := exec.LookPath(h.program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (of %s)", h.program, h.pkg))
		}
	}
	if len(missing) > 0 {
		return errors.New("the lab needs programs that are not installed: " + strings.Join(missing, ", "))
	}
	return nil
}
