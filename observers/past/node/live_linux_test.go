package node

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/past"
	"github.com/yairfalse/tapio/probe/host"
)

// A process in a container and in a network of its own, where something failed
// before the observer came.
func TestLive(t *testing.T) {
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	root, v2 := h.MemoryHierarchy()
	pod := observertest.NewPod(t, root, v2)
	cmd := exec.Command("/bin/bash", "-c", "ip link set lo up; (echo x > /dev/tcp/127.0.0.1/9) 2>/dev/null; sleep 100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	if err := cmd.Start(); err != nil {
		observertest.Unable(t, "no network namespace can be made: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its sleep
		_ = cmd.Wait()
	})
	pod.Join(t, cmd.Process.Pid)
	if h, err = host.Open(host.Config{Node: "n1", PodUIDs: []string{pod.UID}}); err != nil {
		t.Fatal(err)
	}
	for tries := 0; ; tries++ { // until it has failed to connect
		o := &observer{host: h}
		start, _ := h.Started(cmd.Process.Pid)
		if ev, ok := o.network(pod.UID, process{cmd.Process.Pid, start}); ok && past.FailedAttempts.Or(ev, 0) > 0 {
			break
		}
		if tries > 1000 {
			t.Fatal("no failed connection is counted")
		}
	}
	obs, err := Open(h)
	if err != nil {
		observertest.Unable(t, "%v", err)
	}
	observertest.Run(t, obs, past.Spec, func(s *observertest.Session) {
		ev := s.Find(t, past.Network, func(event.Event) bool { return true })
		if ev.Subject() != event.PodKey(pod.UID) || past.FailedAttempts.Or(ev, 0) != 1 || past.ActiveOpens.Or(ev, 0) != 1 || past.ResetsSent.Or(ev, 0) != 1 || ev.Span <= 0 {
			t.Errorf("network of %v over %v: %v", ev.Subject(), ev.Span, ev.Attrs)
		}
		ev = s.Find(t, past.Tasks, func(event.Event) bool { return true })
		if ev.Subject() != pod.Key() || past.Processes.Or(ev, 0) < 1 || past.Ran.Or(ev, 0) <= 0 {
			t.Errorf("tasks of %v: %v", ev.Subject(), ev.Attrs)
		}
	})
}

// A process in the network of its parent has no counters of its own.
func TestNodesNetwork(t *testing.T) {
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	o := &observer{host: h}
	if ev, ok := o.network("u", process{pid: cmd.Process.Pid}); ok {
		t.Errorf("the node's network is told as a pod's: %v", ev)
	}
	if ev, ok := o.network("u", process{pid: 1 << 30}); ok {
		t.Errorf("a process that is not there has a network: %v", ev)
	}
}
