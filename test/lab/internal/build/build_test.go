//go:build linux

package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/yairfalse/tapio/test/lab/internal/image"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func quiet(t *testing.T) *Builder {
	t.Helper()
	return &Builder{Root: t.TempDir(), Cache: filepath.Join(t.TempDir(), "cache"), Say: func(string, ...any) {}}
}

func TestKey(t *testing.T) {
	make := func(t *testing.T) string {
		root := t.TempDir()
		write(t, filepath.Join(root, "go.mod"), "module x\n")
		write(t, filepath.Join(root, "cmd", "lab", "main.go"), "package main\n")
		write(t, filepath.Join(root, "cmd", "lab", "main_test.go"), "package main\n")
		write(t, filepath.Join(root, "cmd", "other", "main.go"), "package main\n")
		return root
	}
	names := []string{"go.mod", "cmd/lab"}
	key := func(root string, settings ...string) string {
		k, err := Key(root, names, settings...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := key(make(t), "go1", "-s")
	for _, tc := range []struct {
		name     string
		change   func(root string)
		settings []string
		same     bool
	}{
		{"another place", func(string) {}, []string{"go1", "-s"}, true},
		{"test changed", func(r string) { write(t, filepath.Join(r, "cmd/lab/main_test.go"), "x") }, []string{"go1", "-s"}, true},
		{"other command changed", func(r string) { write(t, filepath.Join(r, "cmd/other/main.go"), "x") }, []string{"go1", "-s"}, true},
		{"hidden file", func(r string) { write(t, filepath.Join(r, "cmd/lab/.swp"), "x") }, []string{"go1", "-s"}, true},
		{"source changed", func(r string) { write(t, filepath.Join(r, "cmd/lab/main.go"), "x") }, []string{"go1", "-s"}, false},
		{"source added", func(r string) { write(t, filepath.Join(r, "cmd/lab/a.go"), "") }, []string{"go1", "-s"}, false},
		{"module changed", func(r string) { write(t, filepath.Join(r, "go.mod"), "x") }, []string{"go1", "-s"}, false},
		{"other compiler", func(string) {}, []string{"go2", "-s"}, false},
		{"settings run together", func(string) {}, []string{"go1-s", ""}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := make(t)
			tc.change(root)
			if got := key(root, tc.settings...); (got == base) != tc.same {
				t.Errorf("key %s, base %s", got, base)
			}
		})
	}
	if _, err := Key(t.TempDir(), names); err == nil {
		t.Error("missing sources have a key")
	}
}

func TestCachedFillsOnce(t *testing.T) {
	b := quiet(t)
	var fills atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir, err := b.cached("x", func(dir string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(dir, "f"), nil, 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "f")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times", n)
	}
}

func TestCachedForgetsFailure(t *testing.T) {
	b := quiet(t)
	broken := errors.New("broken")
	if _, err := b.cached("x", func(string) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("error is %v", err)
	}
	if es, err := os.ReadDir(b.Cache); err != nil || len(es) != 0 {
		t.Errorf("left in the cache: %v, %v", es, err)
	}
	if _, err := b.cached("x", func(string) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestFindRoot(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "test", "lab", "go.mod"), "")
	deep := filepath.Join(root, "probe", "host")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{root, deep, filepath.Join(root, "test", "lab")} {
		if got, err := FindRoot(d); err != nil || got != root {
			t.Errorf("from %s: %s, %v", d, got, err)
		}
	}
	if got, err := FindRoot(t.TempDir()); err == nil {
		t.Errorf("found %s from nowhere", got)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("TAPIO_LAB_CACHE", "/x/cache")
	if got, err := CacheDir(); err != nil || got != "/x/cache" {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("TAPIO_LAB_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/home/x/.cache")
	if got, err := CacheDir(); err != nil || got != "/home/x/.cache/tapio-lab" {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := CacheDir(); err == nil || !strings.Contains(err.Error(), "TAPIO_LAB_CACHE") {
		t.Errorf("error is %v", err)
	}
}

func TestOutput(t *testing.T) {
	b := quiet(t)
	if got, err := b.output(t.Context(), "/", "echo", "x"); err != nil || got != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := b.output(t.Context(), "/", "no-such-program-anywhere"); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("error is %v", err)
	}
	if _, err := b.output(t.Context(), "/", "sh", "-c", "echo the reason >&2; exit 1"); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error is %v", err)
	}
}

func TestParseControl(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, tc := range []struct {
		name, text string
		want       pkg
	}{
		{"paragraph", "Package: runc\nVersion: 1.1.5+ds1-1\nDescription: x\n Version: 9\nSHA256: " + sum + "\n", pkg{"1.1.5+ds1-1", sum}},
		{"first of two", "Version: 2\nSHA256: " + sum + "\n\nVersion: 1\nSHA256: other\n", pkg{"2", sum}},
		{"no digest", "Version: 2\n", pkg{version: "2"}},
		{"empty", "", pkg{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseControl(tc.text); got != tc.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add("Version: 1\nSHA256: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p := parseControl(text); strings.ContainsAny(p.version+p.sha256, "\n") {
			t.Errorf("a field spans lines: %q", p)
		}
	})
}

func TestTarballReplaces(t *testing.T) {
	b := quiet(t)
	program := filepath.Join(t.TempDir(), "tool")
	var last Tarball
	for i, text := range []string{"one", "two", "two"} {
		write(t, program, text)
		got, err := b.Program("lab.local/tool:1", program)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := digestFile(got.File)
		if err != nil || sum != got.Digest {
			t.Errorf("digest is %s, the file has %s (%v)", got.Digest, sum, err)
		}
		if i > 0 && (got.File != last.File || (got.Digest == last.Digest) != (i == 2)) {
			t.Errorf("round %d: %+v after %+v", i, got, last)
		}
		last = got
	}
	if es, err := os.ReadDir(filepath.Dir(last.File)); err != nil || len(es) != 1 {
		t.Errorf("the cache holds %v, %v", es, err)
	}
	if _, err := b.Tarball(image.Image{Tag: "bad"}); err == nil {
		t.Error("a bad image was written")
	}
}

func TestLdflagsNameTheVersion(t *testing.T) {
	for _, want := range []string{"component-base/version.gitVersion=" + Kubernetes, "client-go/pkg/version.gitMinor=35"} {
		if !strings.Contains(ldflags(), want) {
			t.Errorf("%q lacks %s", ldflags(), want)
		}
	}
}

// The version that the programs report is the one that go.mod requires.
func TestVersionIsTheModules(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("k8s.io/kubernetes %s\n", Kubernetes); !strings.Contains(string(b), want) {
		t.Errorf("go.mod does not require %s", want)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Check()
	if err == nil || !strings.Contains(err.Error(), "iptables-save (of iptables)") {
		t.Errorf("error is %v", err)
	}
}
