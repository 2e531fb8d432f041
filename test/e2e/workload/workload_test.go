//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestUsageErrors(t *testing.T) {
	for _, line := range []string{
		"", "fly",
		"pause now", "pause --long",
		"leak 8Mi", "leak --step", "leak --step=8MB", "leak --step=0", "leak --step=-1", "leak --every=0s", "leak --every=soon", "leak --until=x", "leak --start=1.5Mi",
		"hold", "hold much", "hold 1Mi 2Mi", "hold 9999999999Gi", "hold -5",
		"cache", "cache x", "cache 1Mi 2Mi",
		"spin", "spin 0", "spin 1025", "spin many",
		"serve 8080", "serve --port=65536", "serve --port=-1", "serve --port=http", "serve --leak-per-second=fast", "serve --ready-after=later",
		"call", "call localhost", "call ftp://x/", "call http://", "call http://x/ http://y/", "call http://x/ --every=0s", "call http://x/ --timeout=-1s", "call http://x/ --count=-1", "call http://x/ --every",
		"lookup", "lookup a b",
		"exit", "exit -1", "exit 256", "exit three", "exit 3 4", "exit 3 --after",
		"fault", "fault x", "fault segv abort", "fault abort --after=soon",
		"ignore-term now",
	} {
		t.Run(line, func(t *testing.T) {
			var out, errs bytes.Buffer
			err := program{&out, &errs}.run(t.Context(), strings.Fields(line))
			var use usageError
			if !errors.As(err, &use) {
				t.Fatalf("error is %v", err)
			}
			if code := report(err, &errs); code != 2 || !strings.Contains(errs.String(), "usage: workload MODE") || out.Len() > 0 {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, out.String(), errs.String())
			}
		})
	}
}

func TestReport(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{context.Canceled, 0, ""},
		{fmt.Errorf("stopped: %w", context.Canceled), 0, ""},
		{exitCode(0), 0, ""},
		{exitCode(137), 137, ""},
		{errors.New("no such host"), 1, "workload: no such host\n"},
	} {
		var b bytes.Buffer
		if code := report(tc.err, &b); code != tc.code || b.String() != tc.text {
			t.Errorf("%v: exit code %d, stderr %q", tc.err, code, b.String())
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "8Ki": 8192, "8Mi": 8 << 20, "2Gi": 2 << 30} {
		var s size
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "Mi", "8M", "8 Mi", "+8", "8Mib", "9223372036854775808", "8589934592Gi"} {
		var s size
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("8Mi")
	f.Add("99999999999999999999Gi")
	f.Fuzz(func(t *testing.T, text string) {
		var s size
		if err := s.Set(text); err == nil && s < 0 {
			t.Errorf("%q is %d", text, s)
		}
	})
}

func TestFlagsAroundOperands(t *testing.T) {
	for _, line := range []string{"--after=5s 3", "3 --after=5s", "3 --after 5s"} {
		f := flags("exit")
		after := f.Duration("after", 0, "")
		got, err := parse(f, strings.Fields(line), "CODE")
		if err != nil || len(got) != 1 || got[0] != "3" || *after != 5*time.Second {
			t.Errorf("%s: %v, %s, %v", line, got, *after, err)
		}
	}
}

// start runs a mode inside a synctest bubble; the returned function ends it.
func start(t *testing.T, line string) (out, errs *bytes.Buffer, end func() error) {
	t.Helper()
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- program{out, errs}.run(ctx, strings.Fields(line)) }()
	return out, errs, func() error { cancel(); return <-done }
}

func TestLeak(t *testing.T) {
	for _, tc := range []struct {
		line  string
		after time.Duration
		want  string
	}{
		{"leak --step 1Mi --every 1s", 2500 * time.Millisecond, "leaked 1.0 MiB\nleaked 2.0 MiB\nleaked 3.0 MiB\n"},
		{"leak --start 4Mi --step 1Mi --every 1s", 500 * time.Millisecond, "leaked 5.0 MiB\n"},
		{"leak --step 2Mi --every 1s --until 3Mi", time.Hour, "leaked 2.0 MiB\nleaked 3.0 MiB\nholding 3.0 MiB\n"},
		{"leak --start 4Mi --until 1Mi", time.Second, "holding 4.0 MiB\n"},
		{"hold 3Mi", time.Hour, "taking 3.0 MiB\nholding 3.0 MiB\n"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out, _, end := start(t, tc.line)
				time.Sleep(tc.after)
				synctest.Wait()
				if err := end(); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if out.String() != tc.want {
					t.Errorf("printed %q", out.String())
				}
			})
		})
	}
}

func TestGrowTouchesEveryPage(t *testing.T) {
	var m memory
	if err := m.grow(t.Context(), 2*chunk+page+1); err != nil {
		t.Fatal(err)
	}
	if m.bytes != 2*chunk+page+1 || len(m.blocks) != 3 {
		t.Errorf("%d bytes in %d blocks", m.bytes, len(m.blocks))
	}
	for _, b := range m.blocks {
		for i := 0; i < len(b); i += page {
			if b[i] != 1 {
				t.Fatalf("page at %d is untouched", i)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.grow(ctx, 1<<50); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- program{w, io.Discard}.run(ctx, []string{"cache", "3Mi", "--dir", dir}) }()
	b := make([]byte, 256)
	n, err := r.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "cached 3.0 MiB in "+dir) {
		t.Fatalf("printed %q, %v", b[:n], err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "cache-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files are %v, %v", files, err)
	}
	if st, err := os.Stat(files[0]); err != nil || st.Size() != 3<<20 {
		t.Errorf("file is %v, %v", st, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(files[0]); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}

func TestExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		err := program{io.Discard, io.Discard}.run(t.Context(), []string{"exit", "3", "--after", "1h"})
		if !errors.Is(err, exitCode(3)) || time.Since(begin) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

// The mode ends the process, so it runs in one of its own: this test again.
func TestFault(t *testing.T) {
	const kind = "TAPIO_TEST_FAULT"
	if k := os.Getenv(kind); k != "" {
		t.Fatal(program{io.Discard, io.Discard}.run(t.Context(), []string{"fault", k}))
	}
	for k, want := range map[string]syscall.Signal{"segv": syscall.SIGSEGV, "abort": syscall.SIGABRT} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestFault$")
		cmd.Env = append(os.Environ(), kind+"="+k)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != want {
			t.Errorf("%s ended with %v, expected %v\n%s", k, err, want, out)
		}
	}
}

func TestPauseEndsWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, end := start(t, "pause")
		time.Sleep(24 * time.Hour)
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestSpinEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- program{w, io.Discard}.run(ctx, []string{"spin", "2"}) }()
	b := make([]byte, 64)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "spinning 2 threads\n" {
		t.Fatalf("printed %q, %v", b[:n], err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestIgnoreTerm(t *testing.T) {
	defer signal.Reset(syscall.SIGTERM)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- program{w, io.Discard}.run(t.Context(), []string{"ignore-term"}) }()
	b := make([]byte, 64)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "ignoring SIGTERM\n" {
		t.Fatalf("printed %q, %v", b[:n], err)
	}
	// Only the second of the two ends it; were the first not ignored, it would
	// end the test itself.
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
