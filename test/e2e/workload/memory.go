//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

const (
	page  = 4 << 10
	chunk = 1 << 20
)

// memory is held for good; every page of it is touched, so that it counts.
type memory struct {
	blocks [][]byte
	bytes  int64
}

// grow takes n more bytes, in blocks of at most 1 MiB.
func (m *memory) grow(ctx context.Context, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := make([]byte, min(n, chunk))
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		m.blocks, m.bytes, n = append(m.blocks, b), m.bytes+int64(len(b)), n-int64(len(b))
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (p program) leak(ctx context.Context, args []string) error {
	f := flags("leak")
	step, start, until := size(8<<20), size(0), size(0)
	f.Var(&start, "start", "")
	f.Var(&step, "step", "")
	f.Var(&until, "until", "")
	every := f.Duration("every", 200*time.Millisecond, "")
	if _, err := parse(f, args); err != nil {
		return err
	}
	if step < 1 || *every <= 0 {
		return usagef("leak: --step and --every must be more than nothing")
	}
	var m memory
	if err := m.grow(ctx, int64(start)); err != nil {
		return err
	}
	tick := time.NewTicker(*every)
	defer tick.Stop()
	for {
		n := int64(step)
		if until > 0 {
			n = min(n, int64(until)-m.bytes)
		}
		if n <= 0 {
			fmt.Fprintf(p.stdout, "holding %s\n", mebibytes(m.bytes))
			err := p.pause(ctx, nil)
			runtime.KeepAlive(m.blocks)
			return err
		}
		if err := m.grow(ctx, n); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "leaked %s\n", mebibytes(m.bytes))
		if err := wait(ctx, tick.C); err != nil {
			return err
		}
	}
}

func (p program) hold(ctx context.Context, args []string) error {
	operands, err := parse(flags("hold"), args, "SIZE")
	if err != nil {
		return err
	}
	var n size
	if err := n.Set(operands[0]); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "taking %s\n", mebibytes(int64(n)))
	var m memory
	if err := m.grow(ctx, int64(n)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "holding %s\n", mebibytes(m.bytes))
	err = p.pause(ctx, nil)
	runtime.KeepAlive(m.blocks)
	return err
}

// cache fills the page cache: the memory of its cgroup grows, its anonymous
// memory does not.
func (p program) cache(ctx context.Context, args []string) error {
	f := flags("cache")
	dir := f.String("dir", "", "")
	operands, err := parse(f, args, "SIZE")
	if err != nil {
		return err
	}
	var n size
	if err := n.Set(operands[0]); err != nil {
		return err
	}
	file, err := os.CreateTemp(*dir, "cache-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	block := make([]byte, chunk)
	for left := int64(n); left > 0; left -= chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := file.Write(block[:min(left, chunk)]); err != nil {
			return fmt.Errorf("filling the page cache: %w", err)
		}
	}
	fmt.Fprintf(p.stdout, "cached %s in %s\n", mebibytes(int64(n)), file.Name())
	return read(ctx, file, int64(n), block)
}

// read reads a file over and over, once a second.
func read(ctx context.Context, file io.ReaderAt, n int64, block []byte) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for at := int64(0); at < n; at += int64(len(block)) {
			if _, err := file.ReadAt(block, at); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading the file: %w", err)
			}
		}
		if err := wait(ctx, tick.C); err != nil {
			return err
		}
	}
}

// wait waits for a tick or for the end.
func wait(ctx context.Context, tick <-chan time.Time) error {
	select {
	case <-tick:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
