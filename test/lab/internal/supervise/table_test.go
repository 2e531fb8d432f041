//go:build linux

package supervise

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// table runs a table with its reaper for one test. While it runs, no test may
// wait for children otherwise, so these tests are not parallel.
func table(t *testing.T) (*Table, *atomic.Int32) {
	t.Helper()
	var changes atomic.Int32
	tb := NewTable(func() { changes.Add(1) })
	c := make(chan os.Signal, 16)
	signal.Notify(c, unix.SIGCHLD)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-c:
				tb.Reap()
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { signal.Stop(c); cancel(); <-stopped })
	return tb, &changes
}

func shell(t *testing.T, script string) Spec {
	t.Helper()
	return Spec{Name: "test", Args: []string{"/bin/sh", "-c", script}, Env: os.Environ(), Log: filepath.Join(t.TempDir(), "log")}
}

func TestRun(t *testing.T) {
	tb, _ := table(t)
	for _, tc := range []struct {
		name, script string
		want         []string // parts of the error; none for success
	}{
		{"success", "exit 0", nil},
		{"failure", "echo first; echo the reason >&2; exit 3", []string{"exit code 3", "the reason"}},
		{"signal", "kill -KILL $$", []string{"signal: killed"}},
		{"silent", "exit 1", []string{"exit code 1", "is empty"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tb.Run(t.Context(), shell(t, tc.script))
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatal(err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error is %q, want %q in it", err, w)
				}
			}
		})
	}
}

func TestRunKillsOnCancel(t *testing.T) {
	tb, _ := table(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	s := shell(t, "sleep 1000 & sleep 1000")
	cause := errors.New("told so")
	done := make(chan error, 1)
	go func() { done <- tb.Run(ctx, s) }()
	var pid int
	for pid == 0 {
		tb.mu.Lock()
		for p := range tb.running {
			pid = p
		}
		tb.mu.Unlock()
	}
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Fatalf("error is %v", err)
	}
	for syscall.Kill(-pid, 0) == nil { // ends when the whole group is gone
		tb.Reap()
	}
}

func TestStartFails(t *testing.T) {
	tb, changes := table(t)
	s := shell(t, "")
	s.Args, s.Daemon = []string{"/no/such/program"}, true
	if _, err := tb.Start(s); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Fatalf("error is %v", err)
	}
	s.Log = "/no/such/dir/log"
	if _, err := tb.Start(s); err == nil || !strings.Contains(err.Error(), "log") {
		t.Fatalf("error is %v", err)
	}
	if changes.Load() != 0 || len(tb.Daemons()) != 0 {
		t.Error("a program that did not start is listed")
	}
}

func TestDaemons(t *testing.T) {
	tb, changes := table(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stay := shell(t, "read x")
	stay.Name, stay.Daemon, stay.Stdin = "stay", true, r
	fall := shell(t, "echo why; exit 4")
	fall.Name, fall.Daemon = "fall", true
	p, err := tb.Start(stay)
	if err != nil {
		t.Fatal(err)
	}
	q, err := tb.Start(fall)
	if err != nil {
		t.Fatal(err)
	}
	if dead := <-tb.Dead(); dead != q || q.Exit() != "exit code 4" || q.Ended().IsZero() {
		t.Errorf("dead is %s with %q", dead.Spec.Name, dead.Exit())
	}
	if p.Exit() != "" || !p.Ended().IsZero() {
		t.Errorf("a running daemon has ended with %q", p.Exit())
	}
	if ds := tb.Daemons(); len(ds) != 2 || ds[0] != q || ds[1] != p {
		t.Errorf("daemons are not listed by name")
	}
	w.Close()
	<-p.Done()
	if dead := <-tb.Dead(); dead != p {
		t.Errorf("dead is %s", dead.Spec.Name)
	}
	if n := changes.Load(); n != 4 {
		t.Errorf("%d changes, want 4", n)
	}
}

func TestFilesAreInherited(t *testing.T) {
	tb, _ := table(t)
	f := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(f, []byte("through descriptor 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := shell(t, "cat <&3")
	s.Files = []*os.File{in}
	if err := tb.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := Tail(s.Log, 1); got != "through descriptor 3" {
		t.Errorf("got %q", got)
	}
}

func TestReapTellsOfChildren(t *testing.T) {
	tb := NewTable(func() {})
	if tb.Reap() {
		t.Skip("another test's child is left")
	}
	s := shell(t, "sleep 1000")
	p, err := tb.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if !tb.Reap() {
		t.Error("a running child is overlooked")
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for tb.Reap() {
		time.Sleep(time.Millisecond) // nothing tells of a child's end but asking
	}
	if p.Exit() != "signal: killed" {
		t.Errorf("exit is %q", p.Exit())
	}
}

func TestTail(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name, text string
		lines      int
		want       string
	}{
		{"short", "a\nb\n", 5, "a\nb"},
		{"cut", "a\nb\nc\n", 2, "b\nc"},
		{"no newline", "a\nb", 1, "b"},
		{"huge line", strings.Repeat("x", 3*tailBytes) + "\nend\n", 1, "end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := filepath.Join(dir, tc.name)
			if err := os.WriteFile(f, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := Tail(f, tc.lines); got != tc.want {
				t.Errorf("got %q", got)
			}
		})
	}
	if got := Tail(filepath.Join(dir, "none"), 3); !strings.HasPrefix(got, "(no log") {
		t.Errorf("got %q", got)
	}
}
