package cpio

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func archive(t *testing.T) []byte {
	t.Helper()
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "run.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run.sh", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	w.File("/init", 0o755, []byte("x"))
	w.File("etc/app/conf", 0o600, []byte("12345"))
	w.Tree("/opt", src)
	w.Dir("/etc/app")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFormat(t *testing.T) {
	b := archive(t)
	if len(b)%4 != 0 || !bytes.HasPrefix(b, []byte("070701")) {
		t.Errorf("%d bytes that begin with %q", len(b), b[:6])
	}
	if got := bytes.Count(b, []byte("070701")); got != 8 {
		t.Errorf("%d entries, expected init, etc, etc/app, conf, opt, run.sh, link and the trailer", got)
	}
}

// The reader of the same name, where there is one, is the judge.
func TestReadByCpio(t *testing.T) {
	program, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio here; the kernel reads these archives in test/kernels")
	}
	cmd := exec.Command(program, "-t", "--quiet")
	cmd.Stdin = bytes.NewReader(archive(t))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	want := []string{"etc", "etc/app", "etc/app/conf", "init", "opt", "opt/link", "opt/run.sh"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMissingFile(t *testing.T) {
	w := NewWriter(&bytes.Buffer{})
	w.Tree("/x", filepath.Join(t.TempDir(), "none"))
	if w.Close() == nil {
		t.Error("a tree that is not there was archived")
	}
}
