package krew

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// payloadDir is what the plugin embeds the probes from, below the root.
const payloadDir = "probe/launch/payload"

// maxSaid bounds what an error quotes of the go command's own words, in bytes.
const maxSaid = 4 << 10

// probeArches are the architectures of nodes; every plugin carries a probe for
// each of them.
func probeArches() []string { return []string{"amd64", "arm64"} }

// Options say what Release makes.
type Options struct {
	Root      string     // the checkout
	Out       string     // directory to write to; made when missing
	Version   string     // with leading v
	URI       string     // where the archives will lie; "" is DefaultURI
	Platforms []Platform // nil is Platforms()
	Report    io.Writer  // gets one line an archive
}

// Release builds the plugin for every platform, each with the same Linux probes
// inside, and writes archives, checksums.txt and the krew manifest. The same
// commit and Go toolchain give the same bytes on every machine. Archives of
// other versions in Out are removed. Nothing else in the checkout is changed:
// the probes reach the build through an overlay.
func Release(ctx context.Context, o Options) error {
	if err := CheckVersion(o.Version); err != nil {
		return err
	}
	if o.URI == "" {
		o.URI = DefaultURI(o.Version)
	}
	if err := checkURI(o.URI); err != nil {
		return err
	}
	if o.Platforms == nil {
		o.Platforms = Platforms()
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return fmt.Errorf("the license goes into every archive: %w", err)
	}
	if err := clean(o.Out); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "tapio-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := &builder{root: root, scratch: scratch, version: o.Version}
	if err := b.packProbes(ctx); err != nil {
		return fmt.Errorf("build the probes: %w", err)
	}
	var made []Artifact
	for _, p := range o.Platforms {
		program, err := b.plugin(ctx, p)
		if err != nil {
			return fmt.Errorf("build the plugin for %s: %w", p, err)
		}
		a, size, err := archive(o.Out, o.Version, p, program, license)
		if err != nil {
			return err
		}
		made = append(made, a)
		if _, err := fmt.Fprintf(o.Report, "%s  %.1f MB, program %.1f MB\n", p.Archive(o.Version), float64(size)/1e6, float64(len(program))/1e6); err != nil {
			return err
		}
	}
	manifest, err := Manifest(o.Version, o.URI, made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.Out, "checksums.txt"), Checksums(o.Version, made), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.Out, ManifestName), manifest, 0o644)
}

// clean makes the directory and removes what an earlier release left in it.
func clean(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "kubectl-tapio_*.tar.gz"))
	if err != nil {
		return err
	}
	for _, name := range append(old, filepath.Join(dir, "checksums.txt"), filepath.Join(dir, ManifestName)) {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// archive writes the archive of a platform and returns its size in bytes.
func archive(dir, version string, p Platform, program, license []byte) (Artifact, int, error) {
	var packed bytes.Buffer
	if err := writeArchive(&packed, []member{{p.Program(), 0o755, program}, {"LICENSE", 0o644, license}}); err != nil {
		return Artifact{}, 0, err
	}
	if packed.Len() > MaxArchive {
		return Artifact{}, 0, fmt.Errorf("%s has %d bytes, more than the %d that a download may have", p.Archive(version), packed.Len(), MaxArchive)
	}
	sum := sha256.Sum256(packed.Bytes())
	a := Artifact{Platform: p, SHA256: hex.EncodeToString(sum[:])}
	return a, packed.Len(), os.WriteFile(filepath.Join(dir, p.Archive(version)), packed.Bytes(), 0o644)
}

// builder compiles one version of the plugin.
type builder struct {
	root, scratch, version string
	probes                 map[string][]byte // by arch, as the plugin embeds them
}

// packProbes builds the Linux probes and an overlay that puts them where the
// plugin embeds them from.
func (b *builder) packProbes(ctx context.Context) error {
	if err := b.run(ctx, nil, "run", "./"+payloadDir+"/pack", "-version", b.version, "-dir", b.scratch); err != nil {
		return err
	}
	replace := map[string]string{}
	b.probes = map[string][]byte{}
	for _, arch := range probeArches() {
		for _, ext := range []string{".fl", ".json"} {
			name := "probe-linux-" + arch + ext
			replace[filepath.Join(b.root, filepath.FromSlash(payloadDir), name)] = filepath.Join(b.scratch, name)
		}
		var err error
		if b.probes[arch], err = os.ReadFile(filepath.Join(b.scratch, "probe-linux-"+arch+".fl")); err != nil {
			return err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(b.overlay(), overlay, 0o644)
}

func (b *builder) overlay() string { return filepath.Join(b.scratch, "overlay.json") }

// plugin compiles the plugin and makes sure that it carries every probe.
func (b *builder) plugin(ctx context.Context, p Platform) ([]byte, error) {
	out := filepath.Join(b.scratch, p.OS+"-"+p.Arch)
	ldflags := "-s -w -buildid= -X github.com/yairfalse/tapio/probe/wire.build=" + b.version
	err := b.run(ctx, []string{"GOOS=" + p.OS, "GOARCH=" + p.Arch},
		"build", "-trimpath", "-overlay", b.overlay(), "-ldflags", ldflags, "-o", out, "./cmd/kubectl-tapio")
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	for _, arch := range probeArches() {
		if !bytes.Contains(program, b.probes[arch]) {
			return nil, fmt.Errorf("the program does not carry the probe for linux/%s", arch)
		}
	}
	return program, os.Remove(out)
}

// run calls the go command with everything pinned that would change the bytes:
// the caller's flags and experiments, and the state of the checkout.
func (b *builder) run(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		said := stderr.Bytes()
		return fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(said[max(0, len(said)-maxSaid):]))
	}
	return nil
}
