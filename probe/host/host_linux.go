// Package host is the node as a probe sees it: its clocks, its cgroups, its
// kernel log, and what its kernel lets a probe do. It is the one place that
// knows whether the probe runs in a pod or on the node itself.
package host

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Numbers the kernel gives to the first namespaces of a boot
// (include/uapi/linux/nsfs.h, enum init_ns_ino).
const (
	initCgroupNS = 0xEFFFFFFB
	initPIDNS    = 0xEFFFFFFC
)

// Config says where the probe runs and what it is about.
type Config struct {
	Node    string   // metadata.name of the node
	PodUIDs []string // the pods of the run; none means every pod of the node
}

// Host is one node. Its methods are safe for concurrent use.
type Host struct {
	node    string
	bootID  string
	kernel  string
	root    string
	mounts  string // text of the mountinfo that belongs to root
	podUIDs []string
	clock   clock
	pidNS   uint64
	cgroups *cgroups
}

// Open looks at the node. It fails only when the machine does not tell its
// boot id, its kernel or its time; whatever else is missing becomes an
// *observers.Unsupported of the call that needs it.
func Open(cfg Config) (*Host, error) {
	for _, uid := range cfg.PodUIDs {
		if !validUID(uid) {
			return nil, fmt.Errorf("%q is not the uid of a pod: expected a UUID or the 32 hexadecimal digits of a static pod", uid)
		}
	}
	id, err := readSmall("/proc/sys/kernel/random/boot_id", 128)
	if err != nil {
		return nil, fmt.Errorf("the boot id of the node cannot be read: %w", err)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("the kernel does not tell its version: %w", err)
	}
	v := findView()
	h := &Host{
		node:    cfg.Node,
		bootID:  strings.TrimSpace(string(id)),
		kernel:  unix.ByteSliceToString(uts.Release[:]),
		root:    v.root,
		mounts:  v.mount,
		podUIDs: slices.Clone(cfg.PodUIDs),
	}
	if _, _, err := h.clock.read(); err != nil {
		return nil, fmt.Errorf("the clocks of the node cannot be read: %w", err)
	}
	if h.pidNS, err = inode("/proc/self/ns/pid"); err != nil {
		return nil, fmt.Errorf("the probe's own pid namespace cannot be read, is /proc mounted? %w", err)
	}
	h.cgroups = openCgroups(v)
	return h, nil
}

// Node is metadata.name of the node.
func (h *Host) Node() string { return h.node }

// BootID tells boots and kernels apart: two nodes with one boot id share a
// kernel (random(4), boot_id).
func (h *Host) BootID() string { return h.bootID }

// Kernel is the release of the running kernel, as uname(2) gives it.
func (h *Host) Kernel() string { return h.kernel }

// Root is the node's root directory as a path of this process: files of the
// node are below it.
func (h *Host) Root() string { return h.root }

// PodUIDs are the pods of the run; none means every pod of the node.
func (h *Host) PodUIDs() []string { return slices.Clone(h.podUIDs) }

// InScope tells whether the run is about this pod.
func (h *Host) InScope(podUID string) bool {
	return len(h.podUIDs) == 0 || slices.Contains(h.podUIDs, podUID)
}

// PIDNamespace is the number of the probe's own pid namespace, in whose terms
// process ids are reported.
func (h *Host) PIDNamespace() uint64 { return h.pidNS }

// InitPIDNamespace tells whether the probe's process ids are those that the
// kernel prints in its log.
func (h *Host) InitPIDNamespace() bool { return h.pidNS == initPIDNS }

// readSmall reads a file of the kernel that is expected to be at most limit
// bytes long; longer ones are refused rather than cut.
func readSmall(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return b, nil
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// ReadSmall reads a file of the kernel that is expected to be at most limit
// bytes long; longer ones are refused rather than cut.
func ReadSmall(path string, limit int) ([]byte, error) { return readSmall(path, limit) }
