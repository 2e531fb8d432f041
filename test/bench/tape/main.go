//go:build linux

// Command tape measures what the worst tapes cost that "explain --from" must
// read: each as full as the format allows, of facts chosen to take much memory
// or time. It prints wall time and the most memory that the plugin held.
//
//	go run ./test/bench/tape -plugin bin/kubectl-tapio
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/services"
	"github.com/yairfalse/tapio/probe/tape"
	"github.com/yairfalse/tapio/probe/wire"
)

func main() {
	plugin := flag.String("plugin", "bin/kubectl-tapio", "the plugin to run")
	flag.Parse()
	if err := run(*plugin); err != nil {
		fmt.Fprintln(os.Stderr, "tape:", err)
		os.Exit(1)
	}
}

var epoch = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

const namespace = "bench"

func subject(k event.Key) []event.Ref { return []event.Ref{{Role: event.Subject, Key: k}} }

func uid(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }

// worst are the tapes: what their i-th fact is.
var worst = []struct {
	name string
	fact func(i int) event.Event
}{
	{"as many pods as fit", func(i int) event.Event {
		e := event.Event{Kind: lifecycle.Pod, At: epoch.Add(time.Duration(i)), Refs: subject(event.PodKey(uid(i)))}
		lifecycle.Namespace.Set(&e, namespace)
		lifecycle.Name.Set(&e, fmt.Sprint(i))
		lifecycle.Phase.Set(&e, "Failed")
		return e
	}},
	{"one container that ended again and again", func(i int) event.Event {
		e := event.Event{Kind: lifecycle.Ended, At: epoch.Add(time.Duration(i) * time.Millisecond), Refs: subject(event.ContainerKey(uid(0), "app"))}
		lifecycle.Reason.Set(&e, "OOMKilled")
		lifecycle.ExitCode.Set(&e, 137)
		return e
	}},
	{"kills without end", func(i int) event.Event {
		e := event.Event{Kind: memory.OOMKill, At: epoch.Add(time.Duration(i) * time.Second), Refs: subject(event.CgroupKey(uid(i%1000), "c"))}
		memory.Constraint.Set(&e, memory.ByContainer)
		return e
	}},
	{"services that select everything", func(i int) event.Event {
		e := event.Event{Kind: services.Selects, At: epoch, Refs: subject(event.ServiceKey(namespace, fmt.Sprint(i)))}
		for n := range 1000 {
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(fmt.Sprint(n))})
		}
		return e
	}},
	{"everything names everything", func(i int) event.Event {
		return event.Event{Kind: services.Names, At: epoch, Refs: append(subject(event.PodKey(fmt.Sprint(i%1000))),
			event.Ref{Role: event.Peer, Key: event.ServiceKey(namespace, fmt.Sprint(i/1000))})}
	}},
}

func run(plugin string) error {
	dir, err := os.MkdirTemp("", "tapio-tape-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("tape                                        facts   file KiB   wall s   peak MiB")
	for _, w := range worst {
		path := filepath.Join(dir, "worst.tape")
		facts, size, err := write(path, w.fact)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(context.Background(), plugin, "explain", "--from", path, "-o", "json")
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = io.Discard, &stderr
		began := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", w.name, err, stderr.String())
		}
		peak := int64(0)
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			peak = u.Maxrss >> 10
		}
		fmt.Printf("%-42s %7d %10d %8.1f %10d\n", w.name, facts, size>>10, time.Since(began).Seconds(), peak)
	}
	return nil
}

// write fills a tape about a namespace until no more fits.
func write(path string, fact func(int) event.Event) (facts int, size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	w, err := tape.NewWriter(f, tape.Header{From: epoch.Add(-time.Hour), Target: tape.Target{
		Key: event.Key{Type: event.Namespace, ID: namespace}, Kind: "Namespace", Namespace: namespace,
	}})
	if err != nil {
		return 0, 0, err
	}
	source := wire.Source{Name: "api", Side: observers.Cluster}
	for ; ; facts++ {
		e := fact(facts)
		e.Seq = uint64(facts + 1)
		_, err := w.Write(tape.Line{At: epoch, Source: source, Frame: &wire.Frame{Seq: e.Seq, Event: &e}})
		if errors.Is(err, tape.ErrFull) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if err := w.Close(); err != nil {
		return 0, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return facts, info.Size(), nil
}
