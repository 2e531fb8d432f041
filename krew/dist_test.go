package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

func TestWriteArchive(t *testing.T) {
	members := []member{{"kubectl-tapio", 0o755, []byte("program")}, {"LICENSE", 0o644, []byte("text")}}
	var first, second bytes.Buffer
	for _, w := range []io.Writer{&first, &second} {
		if err := writeArchive(w, members); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same members gave other bytes")
	}
	zr, err := gzip.NewReader(&first)
	if err != nil {
		t.Fatal(err)
	}
	if zr.Name != "" || !zr.ModTime.IsZero() {
		t.Errorf("the gzip header names %q of %s", zr.Name, zr.ModTime)
	}
	tr := tar.NewReader(zr)
	for _, want := range members {
		h, err := tr.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil || !bytes.Equal(content, want.content) {
			t.Errorf("%s holds %q, %v", h.Name, content, err)
		}
		if h.Name != want.name || h.Mode != want.mode || h.ModTime.Unix() != 0 || h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" {
			t.Errorf("header %+v, want %s", h, want.name)
		}
	}
	if _, err := tr.Next(); err != io.EOF {
		t.Errorf("more members: %v", err)
	}
}

func TestArchiveIsBounded(t *testing.T) {
	// Bytes that do not compress: a xorshift sequence.
	noise := make([]byte, MaxArchive+1<<20)
	x := uint64(88172645463325252)
	for i := range noise {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		noise[i] = byte(x)
	}
	dir := t.TempDir()
	_, _, err := archive(dir, "v1.2.3", Platforms()[0], noise, []byte("text"))
	if err == nil || !strings.Contains(err.Error(), "more than the 30000000 that a download may have") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Error("an archive that is too large was written")
	}
}

func TestParsePlatforms(t *testing.T) {
	tests := []struct {
		in, want string
		err      string
	}{
		{in: "", want: "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"},
		{in: "linux/arm64", want: "linux/arm64"},
		{in: "windows/amd64,linux/amd64,linux/amd64", want: "linux/amd64 windows/amd64"},
		{in: "plan9/amd64", err: `no release is made for "plan9/amd64": there are linux/amd64, `},
		{in: "linux/amd64,", err: `no release is made for ""`},
	}
	for _, tt := range tests {
		got, err := ParsePlatforms(tt.in)
		var names []string
		for _, p := range got {
			names = append(names, p.String())
		}
		if strings.Join(names, " ") != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.HasPrefix(err.Error(), tt.err)) {
			t.Errorf("%q: %v, %v; want %q, %q", tt.in, names, err, tt.want, tt.err)
		}
	}
}

func TestProgram(t *testing.T) {
	for _, p := range Platforms() {
		if strings.HasSuffix(p.Program(), ".exe") != (p.OS == "windows") {
			t.Errorf("%s has the program %s", p, p.Program())
		}
	}
}

// A plugin of any platform carries a probe for every architecture of nodes.
func TestProbeArches(t *testing.T) {
	if diff := cmp.Diff(payload.Arches(), probeArches()); diff != "" {
		t.Errorf("the plugin carries other probes (-want +got):\n%s", diff)
	}
}

func TestReleaseRefuses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dist")
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Root: "..", Out: out, Version: "devel"}, "is no version of a release"},
		{Options{Root: t.TempDir(), Out: out, Version: "v1.2.3"}, "the license goes into every archive"},
		{Options{Root: "..", Out: out, Version: "v1.2.3", URI: "ftp://x"}, "is no place for archives"},
	} {
		tt.o.Report = io.Discard
		if err := Release(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
		if _, err := os.Stat(out); !os.IsNotExist(err) {
			t.Errorf("a refused release left its directory: %v", err)
		}
	}
}

// Only what a release writes is removed before the next.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kubectl-tapio_v0.0.1_linux_amd64.tar.gz", "checksums.txt", "tapio.yaml", "image.tar", "kubectl-tapio"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := clean(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"image.tar", "kubectl-tapio"}; !slices.Equal(names, want) {
		t.Errorf("left are %v, want %v", names, want)
	}
}
