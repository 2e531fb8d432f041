package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/host"
)

// Roles in which the test binary starts itself as the workload.
const (
	roleEnv   = "TAPIO_TEST_ROLE"
	roleEat   = "eat"   // takes memory until it is killed
	roleWait  = "wait"  // takes none and waits
	roleSpawn = "spawn" // starts a child that eats, and survives it
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case roleEat:
		barrier()
		eat()
	case roleWait:
		barrier()
		_, _ = io.Copy(io.Discard, os.Stdin) // which the test holds open
	case roleSpawn:
		barrier()
		child := exec.Command("/proc/self/exe")
		child.Env = append(os.Environ(), roleEnv+"="+roleEat)
		child.Stdin = strings.NewReader("go\n")
		if err := child.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
			fmt.Fprintln(os.Stderr, "the child was not killed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// barrier waits until the test has put the process into its cgroup.
func barrier() {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(3)
	}
}

func eat() {
	var held [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
		if len(held) > 4096 { // a test that goes wrong must not take the machine
			fmt.Fprintln(os.Stderr, "4 GiB were not too much")
			os.Exit(4)
		}
	}
}

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// podCgroup is a pod's memory cgroup as a kubelet makes it, with one container.
type podCgroup struct {
	t    *testing.T
	v2   bool
	uid  string
	dir  string // of the container
	pod  string // of the pod
	path string // of the container, from the root of the hierarchy
}

// needRoot skips a test that needs a real kernel to itself, except where one is
// promised.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		unable(t, "needs root")
	}
}

func unable(t *testing.T, why string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run here: "+why, args...)
	}
	t.Skipf("cannot run here: "+why, args...)
}

// newPod makes the cgroups of a pod with one container; limits of 0 are none.
func newPod(t *testing.T, h *host.Host, podLimit, containerLimit int64) *podCgroup {
	t.Helper()
	needRoot(t)
	root, v2 := h.MemoryHierarchy()
	if root == "" {
		unable(t, "no memory cgroups")
	}
	p := &podCgroup{t: t, v2: v2, uid: fmt.Sprintf("00000000-0000-4000-8000-%012x", os.Getpid())}
	top := fmt.Sprintf("tapio-test-%d", os.Getpid())
	p.path = filepath.Join("/", top, "kubepods", "burstable", "pod"+p.uid, containerID)
	p.dir = filepath.Join(root, p.path)
	p.pod = filepath.Dir(p.dir)
	made := root
	if v2 {
		p.enable(root)
	}
	for elem := range strings.SplitSeq(strings.TrimPrefix(p.path, "/"), "/") {
		dir := filepath.Join(made, elem)
		made = dir
		if err := os.Mkdir(dir, 0o755); err != nil {
			unable(t, "no cgroup can be made: %v", err)
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Errorf("a cgroup is left behind: %v", err)
			}
		})
		if v2 && dir != p.dir {
			p.enable(dir)
		}
	}
	p.limit(p.pod, podLimit)
	p.limit(p.dir, containerLimit)
	return p
}

func (p *podCgroup) enable(dir string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
		unable(p.t, "the memory controller cannot be delegated: %v", err)
	}
}

func (p *podCgroup) limit(dir string, bytes int64) {
	p.t.Helper()
	if bytes == 0 {
		return
	}
	name := "memory.limit_in_bytes"
	if p.v2 {
		name = "memory.max"
	}
	p.write(dir, name, strconv.FormatInt(bytes, 10))
}

func (p *podCgroup) write(dir, file, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
		p.t.Fatal(err)
	}
}

// run starts the test binary in a role inside the container's cgroup.
func (p *podCgroup) run(role string) *exec.Cmd {
	p.t.Helper()
	cmd, goOn := p.prepare(role, 0)
	goOn()
	return cmd
}

// prepare starts the test binary in a role inside the container's cgroup and,
// with flags of clone(2), in namespaces of its own; it waits for goOn.
func (p *podCgroup) prepare(role string, flags uintptr) (cmd *exec.Cmd, goOn func()) {
	p.t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "GOGC=off", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended already, unless the test failed
		_ = cmd.Wait()
	})
	p.write(p.dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid))
	return cmd, func() {
		if _, err := io.WriteString(stdin, "go\n"); err != nil {
			p.t.Error(err)
		}
	}
}

// oom runs the role to its end by the OOM killer and returns its pid.
func (p *podCgroup) oom() int64 {
	p.t.Helper()
	cmd := p.run(roleEat)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		p.t.Fatalf("the workload was not killed: %v", err)
	}
	return int64(cmd.Process.Pid)
}

func (p *podCgroup) key() event.Key { return event.CgroupKey(p.uid, containerID) }
