package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/signals"
	"github.com/yairfalse/tapio/probe/host"
)

// Roles in which the test binary starts itself as the program in a container.
const (
	roleEnv    = "TAPIO_TEST_ROLE"
	roleWait   = "wait"   // waits until its input ends
	roleIgnore = "ignore" // ignores SIGTERM and waits
	roleFault  = "fault"  // reads address 0x10 with SIGSEGV at its default
	roleAbort  = "abort"  // sends itself SIGABRT
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	switch role {
	case roleIgnore:
		signal.Ignore(syscall.SIGTERM)
	case roleFault:
		byDefault(syscall.SIGSEGV)
	case roleAbort:
		byDefault(syscall.SIGABRT)
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(3)
	}
	switch role {
	case roleFault:
		address := uintptr(0x10)
		fmt.Println(**(**int)(unsafe.Pointer(&address)))
	case roleAbort:
		_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// byDefault takes Go's own handler away: struct sigaction of all zeros.
func byDefault(s syscall.Signal) {
	var action [4]uint64
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 {
		fmt.Fprintln(os.Stderr, errno)
		os.Exit(4)
	}
}

// program is a running role; goOn lets it do what the role says.
type program struct {
	*exec.Cmd
	goOn func()
}

// run starts a role in the pod's container, with flags of clone(2).
func run(t *testing.T, pod observertest.Pod, role string, flags uintptr) program {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended already, unless the test failed
		_ = cmd.Wait()
	})
	pod.Join(t, cmd.Process.Pid)
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the program did not start: %v", err)
	}
	return program{cmd, func() {
		if _, err := io.WriteString(stdin, "go\n"); err != nil {
			t.Error(err)
		}
	}}
}

func open(t *testing.T) (observers.Observer, observertest.Pod) {
	t.Helper()
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	root, v2 := h.MemoryHierarchy()
	pod := observertest.NewPod(t, root, v2)
	if h, err = host.Open(host.Config{Node: "n1", PodUIDs: []string{pod.UID}}); err != nil {
		t.Fatal(err)
	}
	obs, err := Open(h)
	if err != nil {
		observertest.Unable(t, "%v", err)
	}
	if gaps := obs.(observers.Gapper).Gaps(); len(gaps) > 0 {
		observertest.Unable(t, "%v", gaps)
	}
	return obs, pod
}

func to(pid int, sig int64) func(event.Event) bool {
	return func(ev event.Event) bool {
		return signals.TargetPID.Or(ev, 0) == int64(pid) && signals.Signal.Or(ev, 0) == sig
	}
}

func TestLive(t *testing.T) {
	obs, pod := open(t)
	self := int64(os.Getpid())
	observertest.Run(t, obs, signals.Spec, func(s *observertest.Session) {
		tests := []struct {
			name  string
			role  string
			flags uintptr
			act   func(program)
			sig   int64
			want  event.Attrs
		}{
			{"from outside of any pod", roleWait, 0, func(p program) { _ = p.Process.Kill() }, signals.SIGKILL, event.Attrs{
				"sender": event.ValueOf(signals.ByHost), "sender_pid": event.ValueOf(self), "result": event.ValueOf(signals.Delivered),
			}},
			{"ignored on purpose", roleIgnore, 0, func(p program) { _ = p.Process.Signal(syscall.SIGTERM) }, signals.SIGTERM, event.Attrs{
				"result": event.ValueOf(signals.Ignored), "disposition": event.ValueOf(signals.IsIgnored), "first": event.ValueOf(false),
			}},
			{"to a first process", roleAbort, syscall.CLONE_NEWPID, func(p program) { p.goOn() }, signals.SIGABRT, event.Attrs{
				"result": event.ValueOf(signals.Ignored), "disposition": event.ValueOf(signals.ByDefault), "first": event.ValueOf(true),
				"sender": event.ValueOf(signals.BySelf), "target_ns_pid": event.ValueOf(int64(1)),
			}},
			{"fault", roleFault, 0, func(p program) { p.goOn() }, signals.SIGSEGV, event.Attrs{
				"sender": event.ValueOf(signals.ByKernel), "fault": event.ValueOf("SEGV_MAPERR"), "address": event.ValueOf("0x10"), "result": event.ValueOf(signals.Delivered),
			}},
			{"abort", roleAbort, 0, func(p program) { p.goOn() }, signals.SIGABRT, event.Attrs{
				"sender": event.ValueOf(signals.BySelf), "result": event.ValueOf(signals.Delivered),
			}},
		}
		for _, tt := range tests {
			p := run(t, pod, tt.role, tt.flags)
			tt.act(p)
			ev := s.Find(t, signals.Sent, to(p.Process.Pid, tt.sig))
			if ev.Subject() != pod.Key() {
				t.Errorf("%s: about %v, expected %v", tt.name, ev.Subject(), pod.Key())
			}
			for f, want := range tt.want {
				if ev.Attrs[f] != want {
					t.Errorf("%s: %s is %v, expected %v", tt.name, f, ev.Attrs[f], want)
				}
			}
		}
	})
}

// Go handles SIGURG and SIGSEGV itself: neither may be told, and a process
// outside of the pod is nobody's business.
func TestLiveSilence(t *testing.T) {
	obs, pod := open(t)
	var last int
	events := observertest.Run(t, obs, signals.Spec, func(s *observertest.Session) {
		outside := exec.Command("/proc/self/exe")
		outside.Env = append(os.Environ(), roleEnv+"="+roleWait)
		if _, err := outside.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := outside.Start(); err != nil {
			t.Fatal(err)
		}
		_ = outside.Process.Kill()
		_ = outside.Wait()
		p := run(t, pod, roleWait, 0)
		last = p.Process.Pid
		for range 100 {
			_ = p.Process.Signal(syscall.SIGURG)
		}
		_ = p.Process.Kill()
		s.Find(t, signals.Sent, to(last, signals.SIGKILL))
	})
	for _, ev := range events {
		if signals.Origin.Or(ev, "") == signals.FromKernelLog {
			continue // of the whole node, as the log is
		}
		if !to(last, signals.SIGKILL)(ev) && ev.Subject() == pod.Key() && signals.TargetPID.Or(ev, 0) == int64(last) {
			t.Errorf("told beside the kill: %v", ev)
		}
		if ev.Subject() != pod.Key() {
			t.Errorf("not of the pod: %v", ev)
		}
	}
}

// A fault from before the observer is in the kernel log, without its container.
func TestLivePastFault(t *testing.T) {
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.KernelLog(); err != nil {
		observertest.Unable(t, "%v", err)
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("only x86 logs faults by default")
	}
	root, v2 := h.MemoryHierarchy()
	pod := observertest.NewPod(t, root, v2)
	// The kernel logs no more than ten faults in five seconds (printk_ratelimit),
	// and tests before this one have made some.
	time.Sleep(6 * time.Second)
	p := run(t, pod, roleFault, 0)
	p.goOn()
	_ = p.Wait() // by SIGSEGV
	obs, err := Open(h)
	if err != nil {
		observertest.Unable(t, "%v", err)
	}
	observertest.Run(t, obs, signals.Spec, func(s *observertest.Session) {
		ev := s.Find(t, signals.Sent, to(p.Process.Pid, signals.SIGSEGV))
		if ev.Subject() != event.NodeKey("n1") || signals.Origin.Or(ev, "") != signals.FromKernelLog || signals.Address.Or(ev, "") != "0x10" {
			t.Errorf("told as %v of %v", ev.Attrs, ev.Subject())
		}
	})
}
