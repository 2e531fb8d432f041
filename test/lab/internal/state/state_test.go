//go:build linux

package state

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
)

func TestStatusRoundTrip(t *testing.T) {
	d := layout.Dir(t.TempDir())
	if _, err := ReadStatus(d); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no status: error is %v", err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := Status{Phase: Up, Supervisor: 7, Started: now, Nodes: layout.Nodes(2), Daemons: []Daemon{
		{Name: "etcd", PID: 8, Started: now, Log: "/x"},
		{Name: "n1-kubelet", PID: 9, Started: now, Ended: now, Exit: "exit code 1", Log: "/y"},
	}}
	if err := WriteStatus(d, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadStatus(d)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestImages(t *testing.T) {
	d := layout.Dir(t.TempDir())
	m, err := ReadImages(d)
	if err != nil || m == nil || len(m) != 0 {
		t.Fatalf("no record: %v, %v", m, err)
	}
	m["a:1"] = "digest"
	if err := WriteImages(d, m); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadImages(d); err != nil || !maps.Equal(got, m) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	d := layout.Dir(t.TempDir())
	for _, tc := range []struct{ name, text, want string }{
		{"cut off", `{"phase":"up"`, "reading"},
		{"other type", `[1]`, "reading"},
		{"huge", strings.Repeat(" ", maxFile+1), "larger"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(statusFile(d), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadStatus(d); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestWriteFileReplacesAtOnce(t *testing.T) {
	f := filepath.Join(t.TempDir(), "deep", "er", "file")
	for _, text := range []string{"old and long", "new"} {
		if err := WriteFile(f, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(f)
		if err != nil || string(b) != text {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	st, err := os.Stat(f)
	if err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v", st.Mode(), err)
	}
	if es, err := os.ReadDir(filepath.Dir(f)); err != nil || len(es) != 1 {
		t.Errorf("temporary files are left: %v, %v", es, err)
	}
}
