//go:build live

package krew_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/krew"
)

// Two releases of one commit by one toolchain are the same, byte for byte,
// whatever the caller's Go settings and in whichever directories they are made.
func TestReproducible(t *testing.T) {
	here := []krew.Platform{{OS: runtime.GOOS, Arch: runtime.GOARCH}}
	release := func() map[string][]byte {
		out := filepath.Join(t.TempDir(), "dist")
		if err := krew.Release(t.Context(), krew.Options{Root: "..", Out: out, Version: "v0.0.1", Platforms: here, Report: io.Discard}); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, e := range entries {
			if files[e.Name()], err = os.ReadFile(filepath.Join(out, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	first := release()
	t.Setenv("GOFLAGS", "-tags=other -buildvcs=true")
	t.Setenv("GOAMD64", "v2")
	t.Setenv("TMPDIR", t.TempDir())
	second := release()
	if len(first) != 3 {
		t.Errorf("a release for one platform has %d files, want archive, checksums and manifest", len(first))
	}
	for name, content := range first {
		if !cmp.Equal(content, second[name]) {
			t.Errorf("%s differs between two releases", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d and %d files", len(first), len(second))
	}
}
