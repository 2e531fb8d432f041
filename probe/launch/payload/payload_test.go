package payload

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yairfalse/tapio/probe/wire"
)

const sum = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// folder is what make build leaves behind, changed by edit.
func folder(edit func(fstest.MapFS)) fs.FS {
	f := fstest.MapFS{
		"loader-linux-amd64":     {Data: []byte("loader")},
		"probe-linux-amd64.fl":   {Data: bytes.Repeat([]byte("x"), 2*PartSize+5)},
		"probe-linux-amd64.json": {Data: []byte(`{"sha256":"` + strings.ToUpper(sum) + `","size":5000000,"build":"v1"}`)},
	}
	if edit != nil {
		edit(f)
	}
	return f
}

func TestLoad(t *testing.T) {
	for _, build := range []string{"v1", wire.Unstamped} {
		p, err := load(folder(nil), build, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		if p.Arch != "amd64" || p.Build != "v1" || p.SHA256 != sum || string(p.Loader) != "loader" {
			t.Errorf("payload %s %s %s %s", p.Arch, p.Build, p.SHA256, p.Loader)
		}
		if len(p.Parts) != 3 || len(p.Parts[0]) != PartSize || len(p.Parts[1]) != PartSize || len(p.Parts[2]) != 5 {
			t.Errorf("%d parts", len(p.Parts))
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	none := "this build of kubectl-tapio carries no probe for linux/amd64: run make build, or pass --probe-image"
	sidecar := func(s string) func(fstest.MapFS) {
		return func(f fstest.MapFS) { f["probe-linux-amd64.json"] = &fstest.MapFile{Data: []byte(s)} }
	}
	without := func(name string) func(fstest.MapFS) { return func(f fstest.MapFS) { delete(f, name) } }
	tests := []struct {
		name  string
		edit  func(fstest.MapFS)
		build string
		is    error
		want  string
	}{
		{"no probe", without("probe-linux-amd64.fl"), "v1", ErrMissing, none},
		{"no description", without("probe-linux-amd64.json"), "v1", ErrMissing, none},
		{"no loader", without("loader-linux-amd64"), "v1", ErrMissing, none},
		{"stale", nil, "v2", ErrStale, "this kubectl-tapio is build v2 but carries the probe of build v1: run make build, or pass --probe-image"},
		{"not JSON", sidecar("{"), "v1", nil, "the description of the probe for linux/amd64 is broken, run make build: unexpected end of JSON input"},
		{"no hash", sidecar(`{"size":1,"build":"v1"}`), "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
		{"short hash", sidecar(`{"sha256":"00","size":1,"build":"v1"}`), "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
		{"no size", sidecar(`{"sha256":"` + sum + `","build":"v1"}`), "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
		{"larger than the loader takes", sidecar(`{"sha256":"` + sum + `","size":67108865,"build":"v1"}`), "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
		{"no build", sidecar(`{"sha256":"` + sum + `","size":1}`), "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
		{"empty probe", func(f fstest.MapFS) { f["probe-linux-amd64.fl"] = &fstest.MapFile{} }, "v1", nil, "the description of the probe for linux/amd64 is incomplete: run make build"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(folder(tt.edit), tt.build, "amd64")
			if err == nil || err.Error() != tt.want || (tt.is != nil && !errors.Is(err, tt.is)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLoadUnknownArch(t *testing.T) {
	for _, arch := range []string{"riscv64", "", "../../etc/passwd", "amd64/"} {
		if _, err := Load(arch); !errors.Is(err, ErrMissing) {
			t.Errorf("%q: error %v, want ErrMissing", arch, err)
		}
	}
}

// The loaders are committed: every build has them.
func TestLoadersAreEmbedded(t *testing.T) {
	for _, arch := range Arches() {
		b, err := files.ReadFile("loader-linux-" + arch)
		if err != nil || !bytes.HasPrefix(b, []byte("\x7fELF")) {
			t.Errorf("loader for %s: %d bytes, %v", arch, len(b), err)
		}
	}
}

func TestCut(t *testing.T) {
	for n, want := range map[int]int{1: 1, 9: 1, 10: 1, 11: 2, 20: 2, 21: 3} {
		raw := bytes.Repeat([]byte("abc"), n)[:n]
		parts := cut(raw, 10)
		if len(parts) != want || !bytes.Equal(bytes.Join(parts, nil), raw) {
			t.Errorf("%d bytes: %d parts, want %d", n, len(parts), want)
		}
	}
}

func TestExitReason(t *testing.T) {
	seen := map[string]int32{}
	for code := int32(-1); code < 256; code++ {
		reason, ok := ExitReason(code)
		if ok != (code >= 101 && code <= 108) || ok != (reason != "") {
			t.Errorf("code %d: %q, %v", code, reason, ok)
		}
		if other, dup := seen[reason]; ok && dup {
			t.Errorf("codes %d and %d have the same reason", code, other)
		}
		seen[reason] = code
	}
}
