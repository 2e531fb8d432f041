//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// summaryEvery is how often the client sums up.
const summaryEvery = 10 * time.Second

// maxBody bounds what the client reads of a reply.
const maxBody = 1 << 20

func (p program) call(ctx context.Context, args []string) error {
	f := flags("call")
	every := f.Duration("every", 100*time.Millisecond, "")
	timeout := f.Duration("timeout", time.Second, "")
	count := f.Int("count", 0, "")
	operands, err := parse(f, args, "URL")
	if err != nil {
		return err
	}
	u, err := url.Parse(operands[0])
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usagef("call: %q is not an http URL", operands[0])
	}
	if *every <= 0 || *timeout <= 0 || *count < 0 {
		return usagef("call: --every and --timeout must be more than nothing, --count not less")
	}
	c := &http.Client{Timeout: *timeout}
	requests, summary := time.NewTicker(*every), time.NewTicker(summaryEvery)
	defer requests.Stop()
	defer summary.Stop()
	var ok, failed, total int
	for {
		body, err := get(ctx, c, u.String())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failed++
			fmt.Fprintln(p.stderr, err)
		default:
			ok++
		}
		if total++; total == *count {
			fmt.Fprintf(p.stdout, "%d ok, %d failed; last reply: %s\n", ok, failed, body)
			if failed > 0 {
				return exitCode(1)
			}
			return nil
		}
		select {
		case <-summary.C:
			fmt.Fprintf(p.stdout, "last %s: %d ok, %d failed\n", summaryEvery, ok, failed)
			ok, failed = 0, 0
		default:
		}
		if err := wait(ctx, requests.C); err != nil {
			return err
		}
	}
}

// get makes one request; a status other than 2xx is an error too.
func get(ctx context.Context, c *http.Client, u string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return "", &url.Error{Op: "Get", URL: u, Err: fmt.Errorf("reading the reply: %w", err)}
	}
	if resp.StatusCode/100 != 2 {
		return "", &url.Error{Op: "Get", URL: u, Err: errors.New(resp.Status)}
	}
	return strings.TrimSpace(string(body)), nil
}

func (p program) lookup(ctx context.Context, args []string) error {
	operands, err := parse(flags("lookup"), args, "NAME")
	if err != nil {
		return err
	}
	start := time.Now()
	addrs, err := net.DefaultResolver.LookupHost(ctx, operands[0])
	took := time.Since(start).Round(time.Microsecond)
	if err != nil {
		return fmt.Errorf("%w (after %s)", err, took)
	}
	fmt.Fprintf(p.stdout, "%s is %s (%s)\n", operands[0], strings.Join(addrs, " "), took)
	return nil
}
