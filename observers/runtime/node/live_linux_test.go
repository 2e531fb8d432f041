package node

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/runtime"
	"github.com/yairfalse/tapio/probe/host"
)

// roleEnv holds an act that the test binary does at once, "exit 7" or "kill 9",
// or, once it is told to go on, starts a program for: in its place ("exec exit
// 7") or as its child ("child exit 7").
const roleEnv = "TAPIO_TEST_ROLE"

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleEnv))
	if len(role) == 0 {
		os.Exit(m.Run())
	}
	if n, err := strconv.Atoi(role[1]); err == nil {
		if role[0] == "kill" {
			_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
			time.Sleep(time.Minute) // it comes to another thread, maybe
		}
		os.Exit(n)
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(3)
	}
	os.Setenv(roleEnv, strings.Join(role[1:], " "))
	self, err := os.Executable()
	if err == nil && role[0] == "exec" {
		err = syscall.Exec(self, []string{self}, os.Environ())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	child := exec.Command(self)
	_ = child.Run() // its end is what the test looks at
}

// run runs a role in the pod's container and returns its process id once it
// ended.
func run(t *testing.T, pod observertest.Pod, role string) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
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
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	pod.Join(t, cmd.Process.Pid)
	if _, err := io.WriteString(stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // how it ended is what the observer shall tell
	return cmd.Process.Pid
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

func of(pid int) func(event.Event) bool {
	return func(ev event.Event) bool { return runtime.PID.Or(ev, 0) == int64(pid) }
}

func TestLive(t *testing.T) {
	obs, pod := open(t)
	observertest.Run(t, obs, runtime.Spec, func(s *observertest.Session) {
		first := run(t, pod, "exec exit 7")
		started := s.Find(t, runtime.Exec, of(first))
		if !runtime.Main.Or(started, false) || !strings.HasPrefix(runtime.Program.Or(started, ""), "/") || started.Subject() != pod.Key() {
			t.Errorf("the start is told as %v of %v", started.Attrs, started.Subject())
		}
		ended := s.Find(t, runtime.Exit, of(first))
		if runtime.Code.Or(ended, -1) != 7 || !runtime.Main.Or(ended, false) || runtime.Life.Or(ended, 0) <= 0 {
			t.Errorf("the end is told as %v", ended.Attrs)
		}
		later := run(t, pod, "exec kill 9")
		ended = s.Find(t, runtime.Exit, of(later))
		if runtime.Signal.Or(ended, -1) != int64(syscall.SIGKILL) || runtime.Main.Or(ended, true) {
			t.Errorf("the end of what was started later is told as %v", ended.Attrs)
		}
	})
}

// Of what a container's own processes start, only what a signal ends is told.
func TestLiveChildren(t *testing.T) {
	obs, pod := open(t)
	var first, second int
	events := observertest.Run(t, obs, runtime.Spec, func(s *observertest.Session) {
		first = run(t, pod, "child exit 3")
		second = run(t, pod, "child kill 9")
		s.Find(t, runtime.Exit, func(ev event.Event) bool { return runtime.Signal.Or(ev, 0) == int64(syscall.SIGKILL) })
	})
	for _, ev := range events {
		if of(first)(ev) || of(second)(ev) {
			continue
		}
		if runtime.Signal.Or(ev, 0) == 0 {
			t.Errorf("an end in good order inside of the container is told: %v", ev)
		}
		if runtime.Main.Or(ev, true) {
			t.Errorf("a child is told as the first process: %v", ev)
		}
	}
}

const uid = "00000000-0000-4000-8000-000000000001"

// record is a record of a process in a container.
func record(what, status uint32, comm string) bpfProcess {
	p := bpfProcess{BootNs: uint64(time.Second), What: what, Status: status}
	p.Pid.Asked, p.Pid.Own, p.Where.Id, p.Where.Depth = 7, 1, 1, 4
	for i, name := range []string{observertest.ContainerID, "pod" + uid, "kubepods", ""} {
		copy(p.Where.Name[i][:], name)
	}
	copy(p.Comm[:], comm)
	return p
}

func encode(t testing.TB, p bpfProcess) []byte {
	t.Helper()
	raw, err := binary.Append(nil, binary.NativeEndian, &p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func observerFor(t testing.TB) *observer {
	t.Helper()
	h, err := host.Open(host.Config{Node: "n1", PodUIDs: []string{uid}})
	if err != nil {
		t.Fatal(err)
	}
	return &observer{host: h}
}

func TestRecord(t *testing.T) {
	elsewhere := record(1, 9, "x")
	copy(elsewhere.Where.Name[1][:], "pod00000000-0000-4000-8000-000000000002")
	tests := map[string]struct {
		record bpfProcess
		want   event.Kind // "" for nothing
	}{
		"a start":                       {record(isExec, 0, "server"), runtime.Exec},
		"an end":                        {record(1, 9, "server"), runtime.Exit},
		"the runtime on its way in":     {record(isExec, 0, "runc:[2:INIT]"), ""},
		"the runtime's stage is over":   {record(1, 0, "runc:[1:CHILD]"), ""},
		"the runtime's init was killed": {record(1, 9, "runc:[2:INIT]"), runtime.Exit},
		"another pod":                   {elsewhere, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got event.Kind
			if err := observerFor(t).record(encode(t, tt.record), func(ev event.Event) { got = ev.Kind }); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("told as %q, expected %q", got, tt.want)
			}
		})
	}
	deep := record(1, 9, "x")
	deep.Where.Depth = 99
	for name, raw := range map[string][]byte{"short": make([]byte, 8), "too deep": encode(t, deep)} {
		if err := observerFor(t).record(raw, func(event.Event) {}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(encode(f, record(isExec, 0, "server")))
	f.Add(encode(f, record(1, 139, "server")))
	o := observerFor(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = o.record(raw, func(ev event.Event) {
			if err := observertest.Check(runtime.Spec, ev); err != nil {
				t.Error(err)
			}
		})
	})
}
