//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestServer(t *testing.T) {
	s := newServer(true)
	web := httptest.NewServer(s.handler())
	defer web.Close()
	for _, step := range []struct {
		path   string
		status int
		body   string
	}{
		{"/live", 200, "live: true"},
		{"/ready", 200, "ready: true"},
		{"/toggle/ready", 200, "ready: false"},
		{"/ready", 503, "ready: false"},
		{"/live", 200, "live: true"},
		{"/toggle/ready", 200, "ready: true"},
		{"/ready", 200, "ready: true"},
		{"/toggle/live", 200, "live: false"},
		{"/live", 503, "live: false"},
		{"/", 200, s.host + " to 127.0.0.1:"},
		{"/other", 404, "404"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+step.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != step.status || !strings.HasPrefix(string(b), step.body) {
			t.Errorf("%s: %d %q, %v", step.path, resp.StatusCode, b, err)
		}
	}
	if newServer(false).ready.Load() {
		t.Error("ready from the start")
	}
}

func TestServeTakenPort(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = program{io.Discard, io.Discard}.run(t.Context(), []string{"serve", "--port", fmt.Sprint(port)})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error is %v", err)
	}
}

func TestServeLeaksAndStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- program{w, io.Discard}.run(ctx, []string{"serve", "--port=0", "--leak-per-second=1Mi"})
	}()
	b := make([]byte, 256)
	for _, want := range []string{"serving on ", "leaked "} {
		n, err := r.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Fatalf("printed %q, %v", b[:n], err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCall(t *testing.T) {
	var n atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprintln(w, "hello")
	}))
	var out, errs bytes.Buffer
	err := program{&out, &errs}.run(t.Context(), []string{"call", web.URL + "/", "--every=1ms", "--count=3"})
	if !errors.Is(err, exitCode(1)) || out.String() != "2 ok, 1 failed; last reply: hello\n" {
		t.Errorf("%v, printed %q", err, out.String())
	}
	if want := fmt.Sprintf("Get %q: 502 Bad Gateway\n", web.URL+"/"); errs.String() != want {
		t.Errorf("errors are %q", errs.String())
	}
	web.Close()
	errs.Reset()
	err = program{io.Discard, &errs}.run(t.Context(), []string{"call", "--count=1", web.URL + "/"})
	if !errors.Is(err, exitCode(1)) || !strings.Contains(errs.String(), "connect: connection refused") {
		t.Errorf("%v, errors are %q", err, errs.String())
	}
}

func TestLookup(t *testing.T) {
	var out bytes.Buffer
	if err := (program{&out, io.Discard}).run(t.Context(), []string{"lookup", "localhost"}); err != nil || !strings.HasPrefix(out.String(), "localhost is ") {
		t.Errorf("%v, printed %q", err, out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (program{&out, io.Discard}).run(ctx, []string{"lookup", "does-not.exist.invalid"}); err == nil {
		t.Error("a name that does not exist was found")
	}
}
