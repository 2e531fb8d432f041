package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// programs builds a static program for each architecture.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, arch := range arches {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "tapio-probe-linux-"+arch), filepath.Join("testdata", "program.go"))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, msg)
		}
	}
	return dir
}

// tree reads every file below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWrite(t *testing.T) {
	probes, out := programs(t), t.TempDir()
	digest, err := write(probes, out, "tapio-probe:v1")
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.FromPath(filepath.Join(out, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(digest)
	if err != nil {
		t.Fatalf("the layout lacks the index %s: %v", digest, err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("the index is not valid: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != len(arches) {
		t.Fatalf("%d images, want %d", len(manifest.Manifests), len(arches))
	}
	tag := name.MustParseReference("tapio-probe:v1").(name.Tag)
	for i, arch := range arches {
		if p := manifest.Manifests[i].Platform; p == nil || p.OS != "linux" || p.Architecture != arch {
			t.Errorf("image %d is for %v, want linux/%s", i, p, arch)
		}
		raw, err := os.ReadFile(filepath.Join(probes, "tapio-probe-linux-"+arch))
		if err != nil {
			t.Fatal(err)
		}
		fromIndex, err := index.Image(manifest.Manifests[i].Digest)
		if err != nil {
			t.Fatal(err)
		}
		fromTar, err := tarball.ImageFromPath(filepath.Join(out, "tapio-probe-linux-"+arch+".tar"), &tag)
		if err != nil {
			t.Fatal(err)
		}
		for from, img := range map[string]v1.Image{"layout": fromIndex, "tar": fromTar} {
			checkImage(t, from, arch, img, raw)
		}
	}
}

// checkImage fails unless the image holds the program alone and starts it.
func checkImage(t *testing.T, from, arch string, img v1.Image, program []byte) {
	t.Helper()
	if err := validate.Image(img); err != nil {
		t.Errorf("%s, %s: not valid: %v", from, arch, err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OS != "linux" || cfg.Architecture != arch || cfg.Created.Unix() != 0 || strings.Join(cfg.Config.Entrypoint, " ") != "/tapio-probe" || cfg.Config.User != "" {
		t.Errorf("%s, %s: configuration %+v", from, arch, cfg)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%s, %s: %d layers, %v", from, arch, len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	tr := tar.NewReader(content)
	h, err := tr.Next()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "tapio-probe" || h.Mode != 0o555 || h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 || h.Uname != "" {
		t.Errorf("%s, %s: file %+v", from, arch, h)
	}
	got, err := io.ReadAll(tr)
	if err != nil || !bytes.Equal(got, program) {
		t.Errorf("%s, %s: the program differs (%d bytes, %v)", from, arch, len(got), err)
	}
	if _, err := tr.Next(); err != io.EOF {
		t.Errorf("%s, %s: more than one file: %v", from, arch, err)
	}
}

// The same programs give the same files, also over those of a run before.
func TestReproducible(t *testing.T) {
	probes, again := programs(t), t.TempDir()
	outs := []string{t.TempDir(), again, again}
	var first map[string]string
	var digest v1.Hash
	for _, out := range outs {
		d, err := write(probes, out, "tapio-probe:v1")
		if err != nil {
			t.Fatal(err)
		}
		files := tree(t, out)
		if first == nil {
			first, digest = files, d
			continue
		}
		if d != digest || len(files) != len(first) {
			t.Errorf("digest %v with %d files, want %v with %d", d, len(files), digest, len(first))
		}
		for name, content := range first {
			if files[name] != content {
				t.Errorf("%s differs", name)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := programs(t)
	amd64 := filepath.Join(good, "tapio-probe-linux-amd64")
	raw, err := os.ReadFile(amd64)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs a Linux program that is not static")
	}
	dynamic, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		arch    string
		content []byte
		ref     string
		want    string
	}{
		{"bad name", "amd64", raw, "Not A Name", "is not that of an image"},
		{"other architecture", "arm64", raw, "x:y", "image for linux/arm64: the probe is for EM_X86_64"},
		{"no program", "amd64", []byte("#!/bin/sh\n"), "x:y", "the probe is not a program"},
		{"not static", runtime.GOARCH, dynamic, "x:y", "the probe is not static: build it with CGO_ENABLED=0"},
		{"missing", "arm64", nil, "x:y", "read the probe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string][]byte{}
			for _, arch := range arches {
				b, err := os.ReadFile(filepath.Join(good, "tapio-probe-linux-"+arch))
				if err != nil {
					t.Fatal(err)
				}
				files[arch] = b
			}
			files[tt.arch] = tt.content
			for arch, content := range files {
				if content == nil {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "tapio-probe-linux-"+arch), content, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := write(dir, t.TempDir(), tt.ref); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
