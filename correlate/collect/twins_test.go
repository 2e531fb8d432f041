package collect

import (
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/wire"
)

// kill is an OOM kill as the probe of a node reports it: the subject is in a
// pod, or is the node itself when pod is "".
func kill(node, pod string, after time.Duration, pid int64) wire.Sourced {
	subject := event.NodeKey(node)
	if pod != "" {
		subject = event.CgroupKey(pod, "c")
	}
	e := event.Event{Kind: memory.OOMKill, At: t0.Add(after), Refs: []event.Ref{
		{Role: event.Subject, Key: subject}, {Role: event.Host, Key: event.NodeKey(node)},
	}}
	memory.VictimComm.Set(&e, "worker")
	if pid != 0 {
		memory.VictimPID.Set(&e, pid)
	}
	return wire.Sourced{Source: wire.Source{Name: "node/" + node, Side: observers.Node}, Frame: wire.Frame{Event: &e}}
}

func hello(node, boot string) wire.Sourced {
	return wire.Sourced{Source: wire.Source{Name: "node/" + node, Side: observers.Node}, Frame: wire.Frame{Hello: &wire.Hello{Node: node, BootID: boot}}}
}

// Nodes that share a kernel tell the same thing once.
func TestTwins(t *testing.T) {
	const us = time.Microsecond
	named := func(s wire.Sourced, name string) wire.Sourced {
		memory.VictimComm.Set(s.Event, name)
		return s
	}
	for name, tt := range map[string]struct {
		frames []wire.Sourced
		all    int            // kills in the window
		nodes  map[string]int // kills about each node
	}{
		"one kernel, the node": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "", 0, 7), kill("n2", "", 300*us, 7)},
			1, map[string]int{"n1": 1, "n2": 1}},
		"one kernel, own process ids": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "", 0, 7), kill("n2", "", 300*us, 0)},
			1, map[string]int{"n1": 1, "n2": 1}},
		"one kernel, a pod": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "p", 0, 7), kill("n2", "p", 300*us, 7)},
			1, nil},
		"two pods": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "p", 0, 7), kill("n2", "q", 0, 7)},
			2, nil},
		"another program": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "", 0, 7), named(kill("n2", "", 0, 7), "other")},
			2, nil},
		"two kernels": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "c"), kill("n1", "", 0, 7), kill("n2", "", 0, 7)},
			2, map[string]int{"n1": 1, "n2": 1}},
		"no boot id": {
			[]wire.Sourced{hello("n1", ""), hello("n2", ""), kill("n1", "", 0, 7), kill("n2", "", 0, 7)},
			2, map[string]int{"n1": 1, "n2": 1}},
		"one after the other": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "", 0, 7), kill("n2", "", time.Second, 7)},
			2, nil},
		"twice on one node": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), kill("n1", "p", 0, 7), kill("n1", "p", 0, 7)},
			2, nil},
		"three nodes, two kernels": {
			[]wire.Sourced{hello("n1", "b"), hello("n2", "b"), hello("n3", "c"), kill("n1", "", 0, 7), kill("n2", "", 0, 7), kill("n3", "", 0, 7)},
			2, map[string]int{"n1": 1, "n2": 1, "n3": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var first *window.Window
			for range 5 {
				c := New()
				for _, i := range rand.Perm(len(tt.frames)) {
					c.Add(tt.frames[i])
				}
				w := c.Window(window.Target{}, t0, t0.Add(time.Minute))
				if got := len(w.Of(memory.OOMKill)); got != tt.all {
					t.Fatalf("%d kills, want %d", got, tt.all)
				}
				for node, n := range tt.nodes {
					if got := len(w.About(memory.OOMKill, event.NodeKey(node))); got != n {
						t.Errorf("%d kills about %s, want %d", got, node, n)
					}
				}
				if first == nil {
					first = w
				} else if d := cmp.Diff(first.Facts, w.Facts, cmp.AllowUnexported(event.Value{})); d != "" {
					t.Errorf("another order of arrival gives other facts:\n%s", d)
				}
			}
		})
	}
}
