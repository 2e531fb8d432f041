//go:build linux

package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

// fake makes a machine out of plain files: sysctls with the given values, one
// mount point that exists and one that does not.
func fake(t *testing.T, values map[string]string) (Machine, layout.Dir) {
	t.Helper()
	top := t.TempDir()
	m := Machine{
		Proc:    filepath.Join(top, "proc"),
		Pointer: filepath.Join(top, "pointer"),
		Points:  []string{filepath.Join(top, "there"), filepath.Join(top, "not-there")},
	}
	if err := os.Mkdir(m.Points[0], 0o755); err != nil {
		t.Fatal(err)
	}
	for name, v := range values {
		if err := WriteFile(filepath.Join(m.Proc, name), []byte(v+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return m, layout.Dir(filepath.Join(top, "state"))
}

func value(t *testing.T, m Machine, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.Proc, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestPrepareAndRestore(t *testing.T) {
	m, d := fake(t, map[string]string{"vm/overcommit_memory": "0", "kernel/panic": "-1", inotifyInstances: "128"})
	if err := m.Prepare(d, nil); err != nil {
		t.Fatal(err)
	}
	if got := value(t, m, inotifyInstances); got != wantInotify {
		t.Errorf("inotify instances are %s", got)
	}
	if m.Owner("/other") != d {
		t.Errorf("owner is %s", m.Owner("/other"))
	}
	for _, p := range m.Points {
		if !exists(p) {
			t.Errorf("%s was not made", p)
		}
	}
	// What the kubelet does.
	if err := os.WriteFile(filepath.Join(m.Proc, "vm/overcommit_memory"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(d); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"vm/overcommit_memory": "0", "kernel/panic": "-1", inotifyInstances: "128"} {
		if got := value(t, m, name); got != want {
			t.Errorf("%s is %s, was %s", name, got, want)
		}
	}
	if !exists(m.Points[0]) || exists(m.Points[1]) || exists(m.Pointer) {
		t.Error("directories or the pointer are not as before")
	}
	if err := m.Restore(d); err != nil {
		t.Errorf("restoring twice: %v", err)
	}
}

func TestHigherLimitIsKept(t *testing.T) {
	m, d := fake(t, map[string]string{inotifyInstances: "8192"})
	if err := m.Prepare(d, nil); err != nil {
		t.Fatal(err)
	}
	if got := value(t, m, inotifyInstances); got != "8192" {
		t.Errorf("inotify instances are %s", got)
	}
}

// A lab that was killed between the record and the changes.
func TestRestoreAfterRecordOnly(t *testing.T) {
	m, d := fake(t, map[string]string{inotifyInstances: "128"})
	if err := m.Prepare(d, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(m.Points[1]), os.Remove(m.Pointer)); err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(d); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreKeepsRecordOnFailure(t *testing.T) {
	m, d := fake(t, map[string]string{inotifyInstances: "128"})
	if err := m.Prepare(d, nil); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(m.Points[1], "somebody's")
	if err := os.WriteFile(inside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(d); err == nil || !strings.Contains(err.Error(), m.Points[1]) {
		t.Fatalf("error is %v", err)
	}
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(d); err != nil {
		t.Fatalf("the second attempt: %v", err)
	}
	if exists(m.Points[1]) {
		t.Error("the directory is still there")
	}
}

func TestOwner(t *testing.T) {
	m, _ := fake(t, nil)
	if got := m.Owner("/fallback"); got != "/fallback" {
		t.Errorf("without a lab the owner is %s", got)
	}
	if err := os.Symlink("relative", m.Pointer); err != nil {
		t.Fatal(err)
	}
	if got := m.Owner("/fallback"); got != "/fallback" {
		t.Errorf("a relative pointer gives %s", got)
	}
}
