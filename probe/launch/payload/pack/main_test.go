package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

func TestPack(t *testing.T) {
	program := bytes.Repeat([]byte("a program "), 10_000)
	packed, meta, err := pack(program, "v1")
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil || !bytes.Equal(back, program) {
		t.Errorf("unpacked to %d bytes, %v; want %d", len(back), err, len(program))
	}
	sum := sha256.Sum256(program)
	if want := (payload.Meta{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(program)), Build: "v1"}); meta != want {
		t.Errorf("described as %+v, want %+v", meta, want)
	}
	again, _, err := pack(program, "v1")
	if err != nil || !bytes.Equal(again, packed) {
		t.Error("the same program was packed to other bytes")
	}
}

func TestPackRefuses(t *testing.T) {
	for _, size := range []int{0, maxProgram + 1} {
		if _, _, err := pack(make([]byte, size), "v1"); err == nil || !strings.Contains(err.Error(), "expected 1 to") {
			t.Errorf("%d bytes: error %v", size, err)
		}
	}
}

func TestReplace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	for _, content := range []string{"long content", "short"} {
		if err := replace(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != content {
			t.Errorf("read %q, %v; want %q", got, err, content)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) != 1 {
		t.Errorf("%d files are left, want 1", len(left))
	}
	if err := replace(filepath.Join(name, "below a file"), nil); err == nil {
		t.Error("wrote below a file")
	}
}

// The real program, stamped: what is written is what it describes, and stays
// the same from one run to the next.
func TestPackArch(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the probe")
	}
	var first []byte
	for range 2 {
		dir, keep := t.TempDir(), filepath.Join(t.TempDir(), "new")
		var report bytes.Buffer
		if err := packArch(t.Context(), dir, keep, "amd64", "v9.9.9-test", &report); err != nil {
			t.Fatal(err)
		}
		program, err := os.ReadFile(filepath.Join(keep, "tapio-probe-linux-amd64"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(program, []byte("v9.9.9-test")) {
			t.Error("the program does not carry its stamp")
		}
		wd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(program, []byte(filepath.Dir(wd))) {
			t.Error("the program holds a path of the machine it was built on")
		}
		raw, err := os.ReadFile(filepath.Join(dir, "probe-linux-amd64.json"))
		if err != nil {
			t.Fatal(err)
		}
		var meta payload.Meta
		if err := json.Unmarshal(raw, &meta); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(program)
		if meta.SHA256 != hex.EncodeToString(sum[:]) || meta.Build != "v9.9.9-test" || meta.Size != int64(len(program)) {
			t.Errorf("described as %+v", meta)
		}
		packed, err := os.ReadFile(filepath.Join(dir, "probe-linux-amd64.fl"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = packed
		} else if !bytes.Equal(first, packed) {
			t.Error("a second run gave other bytes")
		}
		if !strings.HasPrefix(report.String(), "linux/amd64: build v9.9.9-test, ") {
			t.Errorf("report %q", report.String())
		}
	}
	if err := packArch(t.Context(), t.TempDir(), "", "nosuch", "v1", io.Discard); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that of the go command", err)
	}
}
