//go:build linux

package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/yairfalse/tapio/test/lab/internal/image"
	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// Tarball is a built image.
type Tarball struct {
	Tag    string
	File   string
	Digest string // SHA-256 of the file, hexadecimal
}

// All is everything a lab is made of.
type All struct {
	Cluster string // directory with lab and coredns
	Runtime Runtime
	Images  []Tarball // pause first: no pod starts without it
}

// All builds what is missing.
func (b *Builder) All(ctx context.Context) (All, error) {
	var a All
	var err error
	if err := Check(); err != nil {
		return a, err
	}
	if a.Cluster, err = b.Cluster(ctx); err != nil {
		return a, err
	}
	if a.Runtime, err = b.Runtime(ctx); err != nil {
		return a, err
	}
	workload, err := b.Workload(ctx)
	if err != nil {
		return a, err
	}
	for _, img := range []image.Image{
		{Tag: layout.PauseImage, Entrypoint: []string{"/pause", "pause"}, Files: []image.File{{Path: "/pause", Source: workload}}},
		{Tag: layout.WorkloadImage, Entrypoint: []string{"/workload"}, Files: []image.File{
			{Path: "/workload", Source: workload},
			{Path: "/bin/busybox", Source: a.Runtime.Busybox}, {Path: "/bin/sh", Source: a.Runtime.Busybox},
		}},
		{Tag: layout.CoreDNSImage, Entrypoint: []string{"/coredns"}, Files: []image.File{{Path: "/coredns", Source: filepath.Join(a.Cluster, "coredns")}}},
	} {
		t, err := b.Tarball(img)
		if err != nil {
			return a, err
		}
		a.Images = append(a.Images, t)
	}
	return a, nil
}

// Program makes an image of one static program and returns its tarball.
func (b *Builder) Program(tag, program string) (Tarball, error) {
	at := "/" + filepath.Base(program)
	return b.Tarball(image.Image{Tag: tag, Entrypoint: []string{at}, Files: []image.File{{Path: at, Source: program}}})
}

// Tarball writes an image into the cache, replacing the one of the same name.
func (b *Builder) Tarball(img image.Image) (Tarball, error) {
	img.Arch = runtime.GOARCH
	dir := filepath.Join(b.Cache, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Tarball{}, err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return Tarball{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := sha256.New()
	if err := image.Write(io.MultiWriter(f, h), img); err != nil {
		return Tarball{}, err
	}
	if err := f.Close(); err != nil {
		return Tarball{}, err
	}
	sum := fmt.Sprintf("%x", h.Sum(nil))
	file := filepath.Join(dir, fmt.Sprintf("%x.tar", sha256.Sum256([]byte(img.Tag)))[:16]+".tar")
	return Tarball{Tag: img.Tag, File: file, Digest: sum}, os.Rename(f.Name(), file)
}
