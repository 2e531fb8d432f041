package node

import (
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/past"
	"github.com/yairfalse/tapio/probe/host"
	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary the program that fails to connect and waits.
const roleEnv = "TAPIO_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "" {
		os.Exit(m.Run())
	}
	if err := loopbackUp(); err == nil {
		if c, err := net.Dial("tcp", "127.0.0.1:9"); err == nil {
			c.Close()
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // which the test holds open
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// start starts the program, with flags of clone(2).
func start(t *testing.T, flags uintptr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"=x")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		observertest.Unable(t, "no program can be started: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// A process in a container and in a network of its own, where something failed
// before the observer came.
func TestLive(t *testing.T) {
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	root, v2 := h.MemoryHierarchy()
	pod := observertest.NewPod(t, root, v2)
	cmd := start(t, syscall.CLONE_NEWNET)
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
	cmd := start(t, 0)
	o := &observer{host: h}
	if ev, ok := o.network("u", process{pid: cmd.Process.Pid}); ok {
		t.Errorf("the node's network is told as a pod's: %v", ev)
	}
	if ev, ok := o.network("u", process{pid: 1 << 30}); ok {
		t.Errorf("a process that is not there has a network: %v", ev)
	}
}
