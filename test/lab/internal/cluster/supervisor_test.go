//go:build linux

package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/yairfalse/tapio/test/lab/internal/layout"
	"github.com/yairfalse/tapio/test/lab/internal/state"
	"github.com/yairfalse/tapio/test/lab/internal/supervise"
)

func sample(t *testing.T) (*supervisor, *bytes.Buffer) {
	t.Helper()
	var report bytes.Buffer
	s := &supervisor{Plan: Plan{Dir: layout.Dir(t.TempDir()), Nodes: layout.Nodes(1)}, report: &report, phase: state.Starting}
	s.table = supervise.NewTable(s.publish)
	return s, &report
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sample(t)
		calls := 0
		err := s.until(t.Context(), "it", func(context.Context) error {
			if calls++; calls < 5 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || calls != 5 {
			t.Errorf("after %d calls: %v", calls, err)
		}
	})
}

func TestUntilTellsTheLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sample(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), startLimit, errors.New("too long"))
		defer cancel()
		err := s.until(ctx, "the moon", func(context.Context) error { return errors.New("still dark") })
		for _, want := range []string{"the moon", "too long", "still dark"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want %q in it", err, want)
			}
		}
	})
}

func TestUntilFailsWithADaemon(t *testing.T) {
	s, _ := sample(t)
	log := filepath.Join(t.TempDir(), "log")
	p, err := s.table.Start(supervise.Spec{Name: "etcd", Daemon: true, Log: log, Args: []string{"/bin/sh", "-c", "echo port taken; exit 1"}})
	if err != nil {
		t.Fatal(err)
	}
	err = s.until(t.Context(), "the API server", func(context.Context) error { s.table.Reap(); return errors.New("not yet") })
	for _, want := range []string{"etcd ended with exit code 1", "the API server", "port taken"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
	st, err := state.ReadStatus(s.Dir)
	if err != nil || len(st.Daemons) != 1 || st.Daemons[0].Exit != "exit code 1" || st.Daemons[0].PID != p.PID {
		t.Errorf("status is %+v, %v", st, err)
	}
}

func TestFinish(t *testing.T) {
	for _, tc := range []struct {
		name     string
		err      error
		stopping bool
		phase    state.Phase
		report   string
	}{
		{"up", nil, false, state.Up, `{"done":true}`},
		{"failed", errors.New("why"), false, state.Failed, `{"error":"why"}`},
		{"stopped", errors.New("told"), true, state.Starting, `{"error":"told"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, report := sample(t)
			s.publish()
			s.finish(tc.err, tc.stopping)
			st, err := state.ReadStatus(s.Dir)
			if err != nil || st.Phase != tc.phase || st.Supervisor != os.Getpid() {
				t.Errorf("status is %+v, %v", st, err)
			}
			if got := strings.TrimSpace(report.String()); got != tc.report {
				t.Errorf("report is %s", got)
			}
		})
	}
}

func TestEnvironmentFindsTheRuntimeFirst(t *testing.T) {
	s, _ := sample(t)
	s.Runtime.Path = "/cache/bin"
	t.Setenv("PATH", "/usr/bin")
	t.Setenv("HTTPS_PROXY", "http://x")
	var path string
	for _, kv := range s.env() {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			if path != "" {
				t.Error("PATH is there twice")
			}
			path = v
		}
		if strings.HasPrefix(kv, "HTTPS_PROXY") {
			t.Error("a proxy is set")
		}
	}
	if path != "/cache/bin:/usr/bin" {
		t.Errorf("PATH is %q", path)
	}
}
