package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// program is the path of the probe in the image.
const program = "/tapio-probe"

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// arches in the order of the index.
var arches = []string{"amd64", "arm64"}

// write makes everything below out and returns the digest of the index.
func write(probes, out, ref string) (v1.Hash, error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("the name %q is not that of an image: %w", ref, err)
	}
	images := make([]v1.Image, len(arches))
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, arch := range arches {
		raw, err := os.ReadFile(filepath.Join(probes, "tapio-probe-linux-"+arch))
		if err != nil {
			return v1.Hash{}, fmt.Errorf("read the probe: %w", err)
		}
		if images[i], err = image(raw, arch); err != nil {
			return v1.Hash{}, fmt.Errorf("image for linux/%s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[i],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	oci := filepath.Join(out, "oci")
	if err := os.RemoveAll(oci); err != nil {
		return v1.Hash{}, err
	}
	if err := os.MkdirAll(oci, 0o755); err != nil {
		return v1.Hash{}, err
	}
	path, err := layout.Write(oci, empty.Index)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("write the OCI layout: %w", err)
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag.TagStr()})
	if err := path.AppendIndex(index, named); err != nil {
		return v1.Hash{}, fmt.Errorf("write the OCI layout: %w", err)
	}
	for i, arch := range arches {
		if err := tarball.WriteToFile(filepath.Join(out, "tapio-probe-linux-"+arch+".tar"), tag, images[i]); err != nil {
			return v1.Hash{}, fmt.Errorf("write the tar for linux/%s: %w", arch, err)
		}
	}
	return index.Digest()
}

// image is one layer with one file, and how to start it.
func image(raw []byte, arch string) (v1.Image, error) {
	if err := checkProgram(raw, arch); err != nil {
		return nil, err
	}
	content, err := archive(raw)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	epoch := v1.Time{Time: time.Unix(0, 0).UTC()}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: epoch, CreatedBy: "tools/image"}})
	if err != nil {
		return nil, err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Created = "linux", arch, epoch
	cfg.Config = v1.Config{
		Entrypoint: []string{program},
		Labels: map[string]string{
			"org.opencontainers.image.title":  "tapio-probe",
			"org.opencontainers.image.source": "https://github.com/yairfalse/tapio",
		},
	}
	return mutate.ConfigFile(img, cfg)
}

// checkProgram refuses what would not start from scratch on that architecture.
func checkProgram(raw []byte, arch string) error {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("the probe is not a program: %w", err)
	}
	if f.Machine != machines[arch] {
		return fmt.Errorf("the probe is for %v", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("the probe is not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// archive is the layer: the program, owned by root, without a date.
func archive(raw []byte) ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: program[1:], Mode: 0o555, Size: int64(len(raw)),
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := tw.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := tw.Write(raw); err != nil {
		return nil, err
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
