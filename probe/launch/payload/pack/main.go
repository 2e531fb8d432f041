// Command pack builds the probe for every architecture and writes what the
// plugin embeds. The Makefile runs it before it builds the plugin; the same
// sources and toolchain give the same bytes.
package main

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/yairfalse/tapio/probe/launch/payload"
	"github.com/yairfalse/tapio/probe/wire"
)

const (
	module = "github.com/yairfalse/tapio"
	// maxProgram bounds the unpacked probe: its compressed parts travel through
	// the API server and etcd at every run.
	maxProgram = 12 << 20
)

func main() {
	dir := flag.String("dir", filepath.Join("probe", "launch", "payload"), "directory to write to")
	version := flag.String("version", "", "build to stamp the probe with; the plugin must get the same (default: what the go command derives from the checkout)")
	keep := flag.String("keep", "", "directory to leave the unpacked programs in, as tapio-probe-linux-ARCH")
	flag.Parse()
	if err := packAll(*dir, *keep, *version); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func packAll(dir, keep, version string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, arch := range payload.Arches() {
		if err := packArch(ctx, dir, keep, arch, version, os.Stdout); err != nil {
			return fmt.Errorf("probe for linux/%s: %w", arch, err)
		}
	}
	return nil
}

// packArch builds, packs and writes the probe of one architecture.
func packArch(ctx context.Context, dir, keep, arch, version string, report io.Writer) error {
	scratch := keep
	if keep == "" {
		tmp, err := os.MkdirTemp("", "tapio-pack-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		scratch = tmp
	} else if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	program := filepath.Join(scratch, "tapio-probe-linux-"+arch)
	if err := build(ctx, program, arch, version); err != nil {
		return err
	}
	if version == "" {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return fmt.Errorf("read the build of the probe: %w", err)
		}
		version = wire.BuildOf(info)
	}
	raw, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	packed, meta, err := pack(raw, version)
	if err != nil {
		return err
	}
	sidecar, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	base := filepath.Join(dir, "probe-linux-"+arch)
	// The description goes last: whoever sees it sees the program it describes.
	if err := replace(base+".fl", packed); err != nil {
		return err
	}
	if err := replace(base+".json", append(sidecar, '\n')); err != nil {
		return err
	}
	_, err = fmt.Fprintf(report, "linux/%s: build %s, %d bytes, %d packed in %d parts\n",
		arch, meta.Build, meta.Size, len(packed), (len(packed)+payload.PartSize-1)/payload.PartSize)
	return err
}

// build compiles the probe into one static program without paths of this
// machine.
func build(ctx context.Context, out, arch, version string) error {
	ldflags := "-s -w -buildid="
	if version != "" {
		ldflags += " -X " + module + "/probe/wire.build=" + version
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", out, module+"/cmd/tapio-probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// pack compresses a program and describes it.
func pack(program []byte, build string) ([]byte, payload.Meta, error) {
	if len(program) == 0 || len(program) > maxProgram {
		return nil, payload.Meta{}, fmt.Errorf("the program has %d bytes, expected 1 to %d", len(program), maxProgram)
	}
	var buf bytes.Buffer
	zw, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		return nil, payload.Meta{}, err
	}
	if _, err := zw.Write(program); err != nil {
		return nil, payload.Meta{}, err
	}
	if err := zw.Close(); err != nil {
		return nil, payload.Meta{}, err
	}
	sum := sha256.Sum256(program)
	return buf.Bytes(), payload.Meta{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(program)), Build: build}, nil
}

// replace writes a file in one step, so that no build ever embeds half of it.
func replace(name string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".pack-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(content); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
