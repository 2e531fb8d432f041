package loader

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

const committed = "../launch/payload"

// The committed programs are what the sources give.
func TestCommittedIsCurrent(t *testing.T) {
	for _, tool := range []string{"clang", "ld.lld"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	for arch := range Triples() {
		out := filepath.Join(t.TempDir(), "loader")
		if err := Compile(t.Context(), "src", arch, out); err != nil {
			t.Fatal(err)
		}
		got, want := read(t, out), read(t, filepath.Join(committed, "loader-linux-"+arch))
		if !bytes.Equal(got, want) {
			t.Errorf("the loader for %s is not built from the sources: run go generate ./probe/loader", arch)
		}
	}
}

func TestCompileFails(t *testing.T) {
	if err := Compile(t.Context(), "src", "mips", "x"); err == nil || err.Error() != "there is no loader for mips" {
		t.Errorf("error %v", err)
	}
	if err := Compile(t.Context(), t.TempDir(), "amd64", filepath.Join(t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), "compile the loader for amd64") {
		t.Errorf("error %v", err)
	}
}

// Static, small, not executable stack, loadable with the largest page size of
// the architecture.
func TestELF(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	pages := map[string]uint64{"amd64": 4 << 10, "arm64": 64 << 10}
	for arch := range Triples() {
		raw := read(t, filepath.Join(committed, "loader-linux-"+arch))
		if len(raw) > 16<<10 {
			t.Errorf("%s: %d bytes, want a few KiB", arch, len(raw))
		}
		f, err := elf.NewFile(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != machines[arch] || f.Type != elf.ET_EXEC {
			t.Errorf("%s: %v %v", arch, f.Machine, f.Type)
		}
		for _, p := range f.Progs {
			switch {
			case p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC:
				t.Errorf("%s: not static: %v", arch, p.Type)
			case p.Type == elf.PT_LOAD && p.Align < pages[arch]:
				t.Errorf("%s: segment aligned to %d, want %d", arch, p.Align, pages[arch])
			case p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0:
				t.Errorf("%s: a segment can be written and executed", arch)
			}
		}
	}
}

func TestRuns(t *testing.T) {
	for arch := range Triples() {
		t.Run(arch, func(t *testing.T) {
			newCell(t, arch) // skips early
			raw, sum := program(t)
			packed := deflate(t, flate.BestCompression, raw)
			tests := []struct {
				name    string
				prepare func(*cell)
				memfd   bool // executed from memory
			}{
				{"one part", func(c *cell) { c.parts(packed, len(packed)) }, false},
				{"many parts", func(c *cell) { c.parts(packed, len(packed)/14) }, false},
				{"an empty part", func(c *cell) {
					c.write("tapio/0/part", packed[:1000])
					c.write("tapio/1/part", nil)
					c.write("tapio/2/part", packed[1000:])
				}, false},
				{"a larger file is there", func(c *cell) {
					c.parts(packed, 900<<10)
					c.write("run/tapio/tapio-probe", make([]byte, len(raw)+1<<20))
				}, false},
				{"no volume", func(c *cell) {
					c.parts(packed, 900<<10)
					if err := os.Remove(filepath.Join(c.root, "run/tapio")); err != nil {
						c.t.Fatal(err)
					}
				}, true},
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					c := newCell(t, arch)
					if c.emu != "" && tt.memfd {
						t.Skip("the emulator knows no execveat")
					}
					tt.prepare(c)
					code, out, errs := c.run(sum, "agent", "--flag", "two words", "")
					want := fmt.Sprintf("%q\n%q\n", []string{"tapio-probe", "agent", "--flag", "two words", ""}, []string{"GREETING=hello from outside"})
					if code != 42 || errs != "" || out != want {
						t.Errorf("exit %d, output %q, want exit 42 and %q; errors %q", code, out, want, errs)
					}
				})
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	good := deflate(t, flate.BestCompression, samples()["words"])
	h := sha256.Sum256(samples()["words"])
	sum := hex.EncodeToString(h[:])
	write := func(packed []byte) func(*cell) { return func(c *cell) { c.parts(packed, 20_000) } }
	tests := []struct {
		name    string
		prepare func(*cell)
		args    []string
		code    int
		says    string
	}{
		{"no arguments", write(good), nil, 101, "usage: loader SHA256 ARGS..."},
		{"short hash", write(good), []string{sum[:63]}, 101, "usage"},
		{"long hash", write(good), []string{sum + "0"}, 101, "usage"},
		{"no parts", func(*cell) {}, []string{sum}, 102, "there is no part of the probe under /tapio"},
		{"empty part", func(c *cell) { c.write("tapio/0/part", nil) }, []string{sum}, 103, "incomplete or corrupt"},
		{"truncated", write(good[:len(good)-10]), []string{sum}, 103, "incomplete or corrupt"},
		{"a part is missing", func(c *cell) {
			c.parts(good, 20_000)
			if err := os.Remove(filepath.Join(c.root, "tapio/1/part")); err != nil {
				c.t.Fatal(err)
			}
		}, []string{sum}, 103, "incomplete or corrupt"},
		{"garbage", write([]byte("\xff\xffnot deflate")), []string{sum}, 103, "incomplete or corrupt"},
		{"more behind the end", write(append(bytes.Clone(good), 0)), []string{sum}, 103, "go on behind their end"},
		{"other hash", write(good), []string{strings.Repeat("0", 64)}, 104, "SHA-256 differs"},
		{"upper case hash", write(good), []string{strings.ToUpper(sum)}, 104, "SHA-256 differs"},
		{"other content", write(deflate(t, 9, samples()["noise"])), []string{sum}, 104, "SHA-256 differs"},
		{"full volume", func(c *cell) {
			c.parts(good, 20_000)
			mount(c, "run/tapio", "size=64k")
		}, []string{sum}, 105, "cannot be written"},
		{"not a program", write(good), []string{sum}, 106, "cannot be executed"},
		{"noexec volume", func(c *cell) {
			c.parts(good, 20_000)
			if err := os.MkdirAll(filepath.Join(c.root, "run/tapio"), 0o755); err != nil {
				c.t.Fatal(err)
			}
			mount(c, "run/tapio", "size=8m,noexec")
		}, []string{sum}, 106, "cannot be executed"},
		{"part is a directory", func(c *cell) {
			if err := os.MkdirAll(filepath.Join(c.root, "tapio/0/part"), 0o755); err != nil {
				c.t.Fatal(err)
			}
		}, []string{sum}, 107, "cannot be read"},
		{"bomb", write(deflate(t, 9, make([]byte, 65<<20))), []string{sum}, 108, "more than 64 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCell(t, "amd64")
			tt.prepare(c)
			code, out, errs := c.run(tt.args...)
			if code != tt.code || !strings.Contains(errs, tt.says) || out != "" {
				t.Errorf("exit %d, %q; want exit %d and %q", code, errs, tt.code, tt.says)
			}
			if strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "tapio loader: ") {
				t.Errorf("%q is not one line of the loader", errs)
			}
			if reason, ok := payload.ExitReason(int32(code)); !ok || reason == "" {
				t.Errorf("exit code %d has no reason for the client", code)
			}
		})
	}
}

// A flipped bit anywhere ends as a corrupt stream or as another hash, and
// nothing is executed.
func TestRefusesFlippedBits(t *testing.T) {
	raw, sum := program(t)
	good := deflate(t, flate.BestCompression, raw)
	for i := range 32 {
		c := newCell(t, "amd64")
		damaged := bytes.Clone(good)
		damaged[i*len(good)/32] ^= 1 << (i % 8)
		want := 104
		rest := bytes.NewReader(damaged)
		if _, err := io.Copy(io.Discard, flate.NewReader(rest)); err != nil || rest.Len() > 0 {
			want = 103
		}
		c.parts(damaged, 900<<10)
		if code, out, errs := c.run(sum); code != want || out != "" {
			t.Errorf("byte %d: exit %d, %q, %q; want exit %d", i*len(good)/32, code, out, errs, want)
		}
	}
}
