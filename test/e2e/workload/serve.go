//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// leakSteps is how often a second a leaking server takes more memory.
const leakSteps = 10

// server answers for itself and lets its health be switched.
type server struct {
	live, ready atomic.Bool
	host        string
}

func newServer(ready bool) *server {
	s := &server{}
	s.host, _ = os.Hostname() // an unnamed host is told as ""
	s.live.Store(true)
	s.ready.Store(ready)
	return s
}

func (s *server) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s to %s\n", s.host, r.RemoteAddr)
	})
	for name, b := range map[string]*atomic.Bool{"live": &s.live, "ready": &s.ready} {
		m.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			ok := b.Load()
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprintf(w, "%s: %t\n", name, ok)
		})
		m.HandleFunc("/toggle/"+name, func(w http.ResponseWriter, r *http.Request) {
			for {
				old := b.Load()
				if b.CompareAndSwap(old, !old) {
					fmt.Fprintf(w, "%s: %t\n", name, !old)
					return
				}
			}
		})
	}
	return m
}

func (p program) serve(ctx context.Context, args []string) error {
	f := flags("serve")
	port := f.Uint("port", 8080, "")
	var rate size
	f.Var(&rate, "leak-per-second", "")
	readyAfter := f.Duration("ready-after", 0, "")
	if _, err := parse(f, args); err != nil {
		return err
	}
	if *port > 65535 {
		return usagef("serve: %d is not a port", *port)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(int(*port))))
	if err != nil {
		return err
	}
	s := newServer(*readyAfter == 0)
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(p.stdout, "serving on %s\n", l.Addr())
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	ready := time.AfterFunc(*readyAfter, func() { s.ready.Store(true) })
	defer ready.Stop()
	if rate > 0 {
		go p.leakSlowly(ctx, int64(rate))
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := h.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// leakSlowly takes rate bytes a second until the end.
func (p program) leakSlowly(ctx context.Context, rate int64) {
	var m memory
	tick := time.NewTicker(time.Second / leakSteps)
	defer tick.Stop()
	for i := 1; ; i++ {
		if wait(ctx, tick.C) != nil || m.grow(ctx, max(1, rate/leakSteps)) != nil {
			return
		}
		if i%leakSteps == 0 {
			fmt.Fprintf(p.stdout, "leaked %s\n", mebibytes(m.bytes))
		}
	}
}
