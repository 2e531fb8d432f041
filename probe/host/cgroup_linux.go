package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/yairfalse/tapio/observers"
)

// Bounds of the search for cgroups: a node has a few thousand at most, and
// nested nodes put some levels before the kubelet's.
const (
	maxDirs    = 100_000
	maxDepth   = 16
	rootsAgain = 10 * time.Second // how often to look for kubelets when none is known to be ours
	procLimit  = 4 << 20          // bytes of a mountinfo that are read
)

// MemoryCgroup is the need that every use of the memory hierarchy has.
var MemoryCgroup = observers.Need{Type: observers.Feature, Name: "memory cgroup", Why: "use and limit of a container", Optional: true}

// Container is the memory cgroup of one running container or pod sandbox.
type Container struct {
	PodUID string
	ID     string // the runtime's id, without scheme
	Dir    string // its directory, as a path of this process
	Inode  uint64 // of Dir, which is the kernel's id of the cgroup
}

// cgroups is the hierarchy that the memory controller is in.
type cgroups struct {
	dir string // its mount point, as a path of this process
	v2  bool
	err error // why it cannot be used, else nil

	ownPath  string // our own cgroup, below dir
	absolute bool   // ownPath counts from the kernel's own root
	ownInode uint64 // our own cgroup, where its path is hidden by a namespace

	mu     sync.Mutex
	roots  []string  // directories that kubelets keep their pods in
	own    bool      // roots is the one of our own node, for good
	looked time.Time // when roots were searched
	now    func() time.Time
}

func openCgroups(v view) *cgroups {
	c := &cgroups{now: time.Now}
	own, err := readSmall("/proc/self/cgroup", 64<<10)
	if v.root == ownRoot && inPod(string(own)) {
		c.err = errors.New("the probe's pod shows no process of the node whose files may be entered")
		return c
	}
	if c.dir, c.v2, c.err = memoryMount(v.mount, v.root); c.err != nil {
		return c
	}
	if err == nil {
		c.ownPath = memoryPath(string(own), c.v2)
	}
	ns, err := inode("/proc/self/ns/cgroup")
	c.absolute = err == nil && ns == initCgroupNS
	if c.ownPath == "/" && v.root != ownRoot {
		c.ownInode, _ = inode("/sys/fs/cgroup") // 0 matches no cgroup
	}
	return c
}

// MemoryHierarchy is the hierarchy that the memory controller is in: its mount
// point as a path of this process, empty when the node has none, and whether it
// is the unified one.
func (h *Host) MemoryHierarchy() (dir string, v2 bool) { return h.cgroups.dir, h.cgroups.v2 }

// Containers lists the memory cgroups of the containers that run now and that
// the run is about, pod sandboxes included, in the order of their paths. It is
// cheap enough to be called each second. The error is an
// *observers.Unsupported when the node has no memory cgroups to read.
func (h *Host) Containers() ([]Container, error) {
	roots, err := h.cgroups.kubeletRoots()
	if err != nil {
		return nil, err
	}
	var out []Container
	for _, root := range roots {
		for pod := range pods(root) {
			if !h.InScope(pod.uid) {
				continue
			}
			for name := range subdirs(pod.dir) {
				id, ok := containerElement(last(name))
				if !ok {
					continue
				}
				dir := filepath.Join(pod.dir, name)
				ino, err := inode(dir)
				if err != nil {
					continue // it ended while we looked
				}
				out = append(out, Container{PodUID: pod.uid, ID: id, Dir: dir, Inode: ino})
			}
		}
	}
	return out, nil
}

// KubeletRoot is the cgroup that this node's kubelet keeps its pods in: its
// inode, which is the kernel's id of it, and its path from the kernel's own
// root, as the kernel log names it. Where several nodes share one kernel it
// tells them apart. The inode is 0 when the node has no or several such
// cgroups and none is known to be ours; the path is empty when a cgroup
// namespace hides it.
func (h *Host) KubeletRoot() (ino uint64, path string) {
	roots, err := h.cgroups.kubeletRoots()
	if err != nil || len(roots) != 1 {
		return 0, ""
	}
	ino, err = inode(roots[0])
	if err != nil {
		return 0, ""
	}
	if h.cgroups.absolute {
		path = "/" + strings.TrimPrefix(strings.TrimPrefix(roots[0], h.cgroups.dir), "/")
	}
	return ino, path
}

// kubeletRoots are the directories that hold the pods of this node, or of
// every node of the machine when it is not known which one is ours.
func (c *cgroups) kubeletRoots() ([]string, error) {
	if c.err != nil {
		return nil, &observers.Unsupported{Need: MemoryCgroup, Why: c.err.Error()}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.own && (c.looked.IsZero() || c.now().Sub(c.looked) > rootsAgain) {
		c.looked = c.now()
		c.roots, c.own = c.search()
	}
	return c.roots, nil
}

// search finds the directories that kubelets keep their pods in; own says that
// it is the one that we are in ourselves.
func (c *cgroups) search() (roots []string, own bool) {
	if root, ok := podsRoot(c.ownPath); ok {
		if dir := filepath.Join(c.dir, root); isDir(dir) {
			return []string{dir}, true
		}
	}
	roots = findRoots(c.dir)
	if c.ownInode == 0 {
		return roots, false
	}
	for _, root := range roots {
		for pod := range pods(root) {
			for name := range subdirs(pod.dir) {
				if ino, err := inode(filepath.Join(pod.dir, name)); err == nil && ino == c.ownInode {
					return []string{root}, true
				}
			}
		}
	}
	return roots, false
}

// findRoots searches a hierarchy for the cgroups of kubelets.
func findRoots(top string) []string {
	var roots []string
	level := []string{top}
	for depth, seen := 0, 0; depth < maxDepth && len(level) > 0; depth++ {
		var next []string
		for _, dir := range level {
			for name := range subdirs(dir) {
				if seen++; seen > maxDirs {
					return roots
				}
				at := filepath.Join(dir, name)
				if isPodsRoot(name) {
					roots = append(roots, at)
				} else if _, pod := podElement(name); !pod {
					next = append(next, at)
				}
			}
		}
		level = next
	}
	slices.Sort(roots)
	return roots
}

type podDir struct{ uid, dir string }

// pods yields the pods below a kubelet's cgroup: beside the QoS classes
// (guaranteed ones) and inside them.
func pods(root string) func(func(podDir) bool) {
	return func(yield func(podDir) bool) {
		for name := range subdirs(root) {
			if uid, ok := podElement(name); ok {
				if !yield(podDir{uid, filepath.Join(root, name)}) {
					return
				}
				continue
			}
			if !isQoS(name) {
				continue
			}
			for inner := range subdirs(filepath.Join(root, name)) {
				if uid, ok := podElement(inner); ok && !yield(podDir{uid, filepath.Join(root, name, inner)}) {
					return
				}
			}
		}
	}
}

// subdirs yields the names of the directories in dir, sorted; a directory that
// vanished has none.
func subdirs(dir string) func(func(string) bool) {
	return func(yield func(string) bool) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && len(entries) == 0 {
			return
		}
		for _, e := range entries {
			if e.IsDir() && !yield(e.Name()) {
				return
			}
		}
	}
}

// last is the part of a cgroup's name behind its last colon.
func last(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// ReadFile reads a file of a container's cgroup; more than 64 KiB of it are
// refused. The error matches fs.ErrNotExist when the container ended.
func (c Container) ReadFile(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(c.Dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(bufio.NewReader(f), 64<<10+1))
	if len(b) > 64<<10 {
		return nil, fmt.Errorf("%s of cgroup %s is longer than 64 KiB", name, c.ID)
	}
	return b, err
}

// HasPod tells whether the pod runs on this node, or is one of those that the
// run is about.
func (h *Host) HasPod(uid string) bool {
	if len(h.podUIDs) > 0 && h.InScope(uid) {
		return true
	}
	roots, err := h.cgroups.kubeletRoots()
	if err != nil {
		return false
	}
	for _, root := range roots {
		for pod := range pods(root) {
			if pod.uid == uid {
				return true
			}
		}
	}
	return false
}

// podsByName bounds how many pods are told one by one; beyond, the kubelet's
// cgroup stands for all.
const podsByName = 512

// PodCgroups lists the memory cgroups, by inode, below which are all containers
// that the run is about: those of its pods, or of the kubelet when it is about
// every pod. A pod that has none yet is left out: call again. The error is an
// *observers.Unsupported when the node has no memory cgroups to read.
func (h *Host) PodCgroups() ([]uint64, error) {
	roots, err := h.cgroups.kubeletRoots()
	if err != nil {
		return nil, err
	}
	var out []uint64
	add := func(dir string) {
		if ino, err := inode(dir); err == nil {
			out = append(out, ino)
		}
	}
	for _, root := range roots {
		if n := len(h.podUIDs); n == 0 || n > podsByName {
			add(root)
			continue
		}
		for pod := range pods(root) {
			if h.InScope(pod.uid) {
				add(pod.dir)
			}
		}
	}
	return out, nil
}

// Main is the oldest process of the container, as the probe's pid namespace
// numbers it: the one that it was started with. ok is false when none is
// visible.
func (c Container) Main() (pid int, ok bool) {
	var oldest uint64
	for _, n := range c.Processes() {
		if start, known := startTime(n); known && (!ok || start < oldest) {
			pid, oldest, ok = n, start, true
		}
	}
	return pid, ok
}

// Processes are the processes that are in the container's own cgroup, as the
// probe's pid namespace numbers them; those that it does not hold are left out.
func (c Container) Processes() []int {
	text, err := c.ReadFile("cgroup.procs")
	if err != nil {
		return nil
	}
	var out []int
	for line := range strings.Lines(string(text)) {
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}

// Started is when a process was started; ok is false when it is gone.
func (h *Host) Started(pid int) (at time.Time, ok bool) {
	ticks, ok := startTime(pid)
	// USER_HZ is 100 on every architecture that the probe runs on.
	return h.Wall(time.Duration(ticks) * 10 * time.Millisecond), ok
}

// startTime is when a process was started, in ticks since boot: field 22 of
// /proc/PID/stat (proc(5)), counted from behind the command's closing bracket.
func startTime(pid int) (ticks uint64, ok bool) {
	text, err := readSmall(fmt.Sprintf("/proc/%d/stat", pid), 4096)
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return 0, false
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, err == nil
}
