// Package image writes one-layer container images as docker-archive tarballs,
// which "ctr images import" reads. The same files give the same bytes.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// Image describes an image.
type Image struct {
	Tag        string   // repository:tag
	Arch       string   // GOARCH
	Entrypoint []string // the program and its first arguments
	Files      []File
}

// File is one regular file of the image, readable and executable by all.
type File struct {
	Path   string // absolute, in the image
	Source string // on this machine
}

// Write writes the tarball of img to w.
func Write(w io.Writer, img Image) error {
	if err := img.validate(); err != nil {
		return err
	}
	// The layer is written twice, first only to be measured, so that no
	// image has to fit into memory.
	h := sha256.New()
	n := &counter{}
	if err := img.layer(io.MultiWriter(h, n)); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": img.Arch,
		"os":           "linux",
		"config":       map[string]any{"Env": []string{"PATH=/bin:/"}, "WorkingDir": "/", "Entrypoint": img.Entrypoint},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", h.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{img.Tag}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := add(t, "config.json", config); err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: n.n}); err != nil {
		return err
	}
	if err := img.layer(t); err != nil {
		return err
	}
	if err := add(t, "manifest.json", manifest); err != nil {
		return err
	}
	return t.Close()
}

func (img Image) validate() error {
	name, tag, ok := strings.Cut(path.Base(img.Tag), ":")
	switch {
	case !ok || name == "" || tag == "" || strings.ContainsAny(img.Tag, " \t\n"):
		return fmt.Errorf("image name %q must have the form repository:tag", img.Tag)
	case img.Arch == "":
		return errors.New("an image needs an architecture")
	case len(img.Entrypoint) == 0:
		return fmt.Errorf("image %s needs an entry point", img.Tag)
	}
	seen := map[string]bool{}
	for _, f := range img.Files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			return fmt.Errorf("image %s: %q is not an absolute file path", img.Tag, f.Path)
		}
		if seen[f.Path] {
			return fmt.Errorf("image %s has %s twice", img.Tag, f.Path)
		}
		seen[f.Path] = true
	}
	return nil
}

// layer writes the image's only layer: parents first, in path order.
func (img Image) layer(w io.Writer) error {
	t := tar.NewWriter(w)
	dirs := map[string]int64{"etc": 0o755, "tmp": 0o1777}
	for _, f := range img.Files {
		for d := path.Dir(f.Path); d != "/"; d = path.Dir(d) {
			if _, ok := dirs[d[1:]]; !ok {
				dirs[d[1:]] = 0o755
			}
		}
	}
	names := make([]string, 0, len(dirs))
	for d := range dirs {
		names = append(names, d)
	}
	sort.Strings(names)
	for _, d := range names {
		if err := t.WriteHeader(&tar.Header{Name: d + "/", Typeflag: tar.TypeDir, Mode: dirs[d]}); err != nil {
			return err
		}
	}
	for _, f := range img.Files {
		if err := copyFile(t, f); err != nil {
			return fmt.Errorf("image %s: %w", img.Tag, err)
		}
	}
	return t.Close()
}

func copyFile(t *tar.Writer, f File) error {
	src, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.Source)
	}
	if err := t.WriteHeader(&tar.Header{Name: f.Path[1:], Mode: 0o755, Size: st.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(t, src); err != nil {
		return fmt.Errorf("copying %s: %w", f.Source, err)
	}
	return nil
}

func add(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
