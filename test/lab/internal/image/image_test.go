package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type entry struct {
	header tar.Header
	data   []byte
}

func untar(t *testing.T, b []byte) (names []string, entries map[string]entry) {
	t.Helper()
	entries = map[string]entry{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, entries
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		entries[h.Name] = entry{*h, data}
	}
}

func sample(t *testing.T) Image {
	t.Helper()
	f := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(f, []byte("not really a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Image{Tag: "lab.local/x:1", Arch: "amd64", Entrypoint: []string{"/bin/x", "run"},
		Files: []File{{Path: "/usr/local/bin/x", Source: f}, {Path: "/x", Source: f}}}
}

func TestWrite(t *testing.T) {
	img := sample(t)
	var b, again bytes.Buffer
	if err := Write(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := Write(&again, img); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same image gives two different tarballs")
	}
	_, outer := untar(t, b.Bytes())
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(outer["manifest.json"].data, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{img.Tag}) {
		t.Fatalf("manifest is %+v", manifest)
	}
	layer := outer[manifest[0].Layers[0]].data
	var config struct {
		Architecture string
		OS           string
		Config       struct{ Entrypoint []string }
		RootFS       struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(outer[manifest[0].Config].data, &config); err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || !slices.Equal(config.Config.Entrypoint, img.Entrypoint) {
		t.Errorf("config is %+v", config)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); !slices.Equal(config.RootFS.DiffIDs, []string{want}) {
		t.Errorf("diff ids are %v, the layer has %s", config.RootFS.DiffIDs, want)
	}
	names, files := untar(t, layer)
	want := []string{"etc/", "tmp/", "usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/x", "x"}
	if !slices.Equal(names, want) {
		t.Errorf("layer holds %v, want %v", names, want)
	}
	if x := files["x"]; string(x.data) != "not really a program" || x.header.Mode != 0o755 {
		t.Errorf("file x has mode %o and content %q", x.header.Mode, x.data)
	}
	if m := files["tmp/"].header.Mode; m != 0o1777 {
		t.Errorf("/tmp has mode %o", m)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Image)
		want   string
	}{
		{"no tag", func(i *Image) { i.Tag = "lab.local/x" }, "repository:tag"},
		{"port instead of tag", func(i *Image) { i.Tag = "lab.local:5000/x" }, "repository:tag"},
		{"blank", func(i *Image) { i.Tag = "a b:1" }, "repository:tag"},
		{"architecture", func(i *Image) { i.Arch = "" }, "architecture"},
		{"entry point", func(i *Image) { i.Entrypoint = nil }, "entry point"},
		{"relative", func(i *Image) { i.Files[0].Path = "x" }, "absolute"},
		{"climbing", func(i *Image) { i.Files[0].Path = "/../x" }, "absolute"},
		{"root", func(i *Image) { i.Files[0].Path = "/" }, "absolute"},
		{"twice", func(i *Image) { i.Files[0].Path = "/x" }, "twice"},
		{"missing", func(i *Image) { i.Files[0].Source += "-not" }, "no such file"},
		{"directory", func(i *Image) { i.Files[0].Source = filepath.Dir(i.Files[0].Source) }, "regular"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			img := sample(t)
			tc.change(&img)
			err := Write(io.Discard, img)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
}

// limited fails after n bytes, as a full disk does.
type limited struct{ n int }

var errFull = errors.New("disk full")

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteReportsFullDisk(t *testing.T) {
	img := sample(t)
	var b bytes.Buffer
	if err := Write(&b, img); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < b.Len(); n += 512 {
		if err := Write(&limited{n}, img); !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: error is %v", n, err)
		}
	}
}
