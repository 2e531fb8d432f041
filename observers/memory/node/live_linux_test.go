package node

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/probe/host"
)

const (
	mib       = 1 << 20
	testLimit = 24 * mib
)

func openHost(t testing.TB) *host.Host {
	t.Helper()
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// open opens the observer with all it can see.
func open(t *testing.T, h *host.Host) observers.Observer {
	t.Helper()
	obs, err := Open(h)
	if err != nil {
		unable(t, "%v", err)
	}
	if gaps := obs.(observers.Gapper).Gaps(); len(gaps) > 0 {
		unable(t, "%v", gaps)
	}
	return obs
}

func killOf(pid int64) func(event.Event) bool {
	return func(ev event.Event) bool { return memory.VictimPID.Or(ev, 0) == pid }
}

func wantInt(t *testing.T, ev event.Event, f event.Field[int64], low, high int64) {
	t.Helper()
	if n, ok := f.Get(ev); !ok || n < low || n > high {
		t.Errorf("%s is %d (there: %v), expected %d to %d", f.Name, n, ok, low, high)
	}
}

func wantText(t *testing.T, ev event.Event, f event.Field[string], want string) {
	t.Helper()
	if got, _ := f.Get(ev); got != want {
		t.Errorf("%s is %q, expected %q", f.Name, got, want)
	}
}

func wantRef(t *testing.T, ev event.Event, role event.Role, want event.Key) {
	t.Helper()
	if got, _ := ev.Ref(role); got != want {
		t.Errorf("the %s is %v, expected %v", role, got, want)
	}
}

// comm is how the kernel calls a program started through /proc/self/exe.
const comm = "exe"

func TestLiveContainerLimit(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, testLimit)
	var pid int64
	events := observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		pid = pod.oom()
		s.Find(t, memory.OOMKill, killOf(pid))
	})
	kills := 0
	for _, ev := range events {
		if !killOf(pid)(ev) {
			continue
		}
		kills++
		checkKill(t, ev, pod, memory.ByContainer, pod.key())
		wantInt(t, ev, memory.TriggerPID, pid, pid)
		wantText(t, ev, memory.TriggerComm, comm)
		wantInt(t, ev, memory.VictimLife, 1, int64(observertest.Bound))
	}
	if kills != 1 {
		t.Errorf("the kill was told %d times", kills)
	}
}

func checkKill(t *testing.T, ev event.Event, pod *podCgroup, constraint string, limiter event.Key) {
	t.Helper()
	wantRef(t, ev, event.Subject, pod.key())
	wantRef(t, ev, event.Owner, event.PodKey(pod.uid))
	wantRef(t, ev, event.Culprit, pod.key())
	wantRef(t, ev, event.Limiter, limiter)
	wantRef(t, ev, event.Host, event.NodeKey("n1"))
	wantText(t, ev, memory.Constraint, constraint)
	wantText(t, ev, memory.Origin, memory.FromTracepoint)
	wantText(t, ev, memory.VictimComm, comm)
	wantInt(t, ev, memory.LimiterLimit, testLimit, testLimit)
	wantInt(t, ev, memory.LimiterUsage, testLimit-mib, testLimit+mib)
	wantInt(t, ev, memory.LimiterFailcnt, 1, 1<<40)
	// On cgroup v1 what the victim took before it joined is charged elsewhere.
	wantInt(t, ev, memory.VictimAnon, testLimit/2, testLimit+8*mib)
	wantInt(t, ev, memory.VictimNSPID, 1, 1<<30)
}

func TestLivePodLimit(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, testLimit, 0)
	observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		pid := pod.oom()
		checkKill(t, s.Find(t, memory.OOMKill, killOf(pid)), pod, memory.ByPod, event.CgroupKey(pod.uid, ""))
	})
}

func TestLiveChildIsTheVictim(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, 2*testLimit)
	observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		parent := pod.run(roleSpawn)
		if err := parent.Wait(); err != nil {
			t.Fatalf("the parent did not survive: %v", err)
		}
		ev := s.Find(t, memory.OOMKill, func(ev event.Event) bool {
			return ev.Subject() == pod.key() && memory.Origin.Or(ev, "") == memory.FromTracepoint
		})
		if pid, _ := memory.VictimPID.Get(ev); pid == int64(parent.Process.Pid) || pid == 0 {
			t.Errorf("the victim is process %d, the parent is %d", pid, parent.Process.Pid)
		}
	})
}

// A SIGKILL of somebody else is no OOM kill. A real one behind it proves that
// the observer was awake.
func TestLiveSignalIsNoOOM(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, testLimit)
	var killed, oom int64
	events := observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		cmd := pod.run(roleWait)
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed" is what was asked for
		killed = int64(cmd.Process.Pid)
		oom = pod.oom()
		s.Find(t, memory.OOMKill, killOf(oom))
	})
	for _, ev := range events {
		if killOf(killed)(ev) {
			t.Errorf("a process that was sent SIGKILL is told as an OOM kill: %v", ev)
		}
	}
}

// logged tells whether the kernel log reports the kill of a process in full.
func logged(t *testing.T, h *host.Host, pid int64) bool {
	t.Helper()
	log, err := h.KernelLog()
	if err != nil {
		unable(t, "%v", err)
	}
	defer log.Close()
	for {
		rec, err := log.Next()
		if err == io.EOF {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(rec.Text, "oom-kill:") && strings.Contains(rec.Text, fmt.Sprintf(",pid=%d,", pid)) {
			return true
		}
	}
}

func TestLivePast(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, testLimit)
	before := pod.oom()
	for late := time.Now().Add(observertest.Bound); !logged(t, h, before); before = pod.oom() {
		if time.Now().After(late) {
			unable(t, "the kernel log reports no OOM kill in full")
		}
		time.Sleep(time.Second) // it reports ten in five seconds at most
	}
	obs := open(t, h)
	between := pod.oom() // attached, not yet running: in the log and in the ring

	events := observertest.Run(t, obs, memory.Spec, func(s *observertest.Session) {
		s.Find(t, memory.OOMKill, killOf(between))
	})
	origins := map[int64][]string{}
	for _, ev := range events {
		pid := memory.VictimPID.Or(ev, 0)
		origins[pid] = append(origins[pid], memory.Origin.Or(ev, ""))
		if pid != before {
			continue
		}
		wantRef(t, ev, event.Subject, pod.key())
		wantRef(t, ev, event.Limiter, pod.key())
		wantText(t, ev, memory.Constraint, memory.ByContainer)
		wantInt(t, ev, memory.LimiterLimit, testLimit, testLimit)
		wantInt(t, ev, memory.LimiterUsage, testLimit-mib, testLimit+mib)
		wantInt(t, ev, memory.TriggerPID, before, before)
	}
	if got := origins[before]; len(got) != 1 || got[0] != memory.FromKernelLog {
		t.Errorf("the kill before the observer was opened is told from %v", got)
	}
	if got := origins[between]; len(got) != 1 || got[0] != memory.FromTracepoint {
		t.Errorf("the kill between opening and running is told from %v", got)
	}
}

func TestLiveUsage(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, testLimit)
	pod.oom()
	observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		ev := s.Find(t, memory.Usage, func(ev event.Event) bool { return ev.Subject() == pod.key() })
		wantRef(t, ev, event.Owner, event.PodKey(pod.uid))
		wantInt(t, ev, memory.Limit, testLimit, testLimit)
		wantInt(t, ev, memory.Peak, testLimit-mib, testLimit+mib)
		wantInt(t, ev, memory.Failcnt, 1, 1<<40)
		wantInt(t, ev, memory.OOMKills, 1, 1)
		wantInt(t, ev, memory.Anon, 0, testLimit)
	})
}

// With memory.oom.group set a cgroup dies as a whole, and each of its processes
// is a victim.
func TestLiveGroup(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, testLimit)
	if !pod.v2 {
		t.Skip("cgroup v1 has no memory.oom.group")
	}
	pod.write(pod.dir, "memory.oom.group", "1")
	observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		bystander := pod.run(roleWait)
		eater := pod.oom()
		_ = bystander.Wait() // killed with the eater
		for _, pid := range []int64{eater, int64(bystander.Process.Pid)} {
			ev := s.Find(t, memory.OOMKill, killOf(pid))
			wantRef(t, ev, event.Subject, pod.key())
			wantRef(t, ev, event.Limiter, pod.key())
			wantInt(t, ev, memory.TriggerPID, eater, eater)
		}
	})
}

// Where a machine may be brought to its end, the whole node runs out of memory.
func TestLiveNodeWide(t *testing.T) {
	if os.Getenv("TAPIO_TEST_NODE_OOM") != "1" {
		t.Skip("TAPIO_TEST_NODE_OOM=1 is not set: the whole machine would run out of memory")
	}
	h := openHost(t)
	pod := newPod(t, h, 0, 0)
	past := pod.oom()
	observertest.Run(t, open(t, h), memory.Spec, func(s *observertest.Session) {
		for _, pid := range []int64{past, pod.oom()} {
			ev := s.Find(t, memory.OOMKill, killOf(pid))
			wantRef(t, ev, event.Subject, pod.key())
			wantRef(t, ev, event.Limiter, event.NodeKey("n1"))
			wantText(t, ev, memory.Constraint, memory.ByNode)
			if n, there := memory.LimiterLimit.Get(ev); there {
				t.Errorf("no limit was hit, yet one of %d is told", n)
			}
		}
	})
}
