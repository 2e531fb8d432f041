package observertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/observers/event"
)

// ContainerID is the runtime's id of every container that NewPod makes.
const ContainerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Pod is the memory cgroup of a pod as a kubelet makes it, with one container.
type Pod struct {
	UID string
	Dir string // of the container
}

// Key is the key of the container's cgroup.
func (p Pod) Key() event.Key { return event.CgroupKey(p.UID, ContainerID) }

// NewPod makes the cgroups of a pod with one container in the hierarchy of the
// memory controller, which is mounted at root, and removes them with the test.
// Where that is not possible the test is skipped, in CI it fails.
func NewPod(t *testing.T, root string, v2 bool) Pod {
	t.Helper()
	if os.Geteuid() != 0 || root == "" {
		Unable(t, "needs root and memory cgroups")
	}
	p := Pod{UID: fmt.Sprintf("00000000-0000-4000-8000-%012x", os.Getpid())}
	path := filepath.Join(fmt.Sprintf("tapio-test-%d", os.Getpid()), "kubepods", "burstable", "pod"+p.UID, ContainerID)
	p.Dir = filepath.Join(root, path)
	at := root
	for elem := range strings.SplitSeq(path, "/") {
		if v2 {
			if err := os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
				Unable(t, "the memory controller cannot be delegated: %v", err)
			}
		}
		dir := filepath.Join(at, elem)
		at = dir
		if err := os.Mkdir(dir, 0o755); err != nil {
			Unable(t, "no cgroup can be made: %v", err)
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Errorf("a cgroup is left behind: %v", err)
			}
		})
	}
	return p
}

// Join puts a process into the container.
func (p Pod) Join(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
}

// Unable skips a test that cannot run on this machine, except where one is
// promised.
func Unable(t *testing.T, why string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run here: "+why, args...)
	}
	t.Skipf("cannot run here: "+why, args...)
}
