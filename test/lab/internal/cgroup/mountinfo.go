//go:build linux

package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Hierarchy is one mounted cgroup tree: a version 1 tree with some
// controllers, a named version 1 tree without any, or the unified tree.
type Hierarchy struct {
	Path        string   // where it is mounted
	V2          bool     // the unified tree
	Controllers []string // version 1 only
}

// Hierarchies lists the cgroup trees of this machine.
func Hierarchies() ([]Hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hs, err := parseMountinfo(f)
	if err == nil && len(hs) == 0 {
		err = fmt.Errorf("no cgroup tree is mounted on this machine")
	}
	return hs, err
}

// parseMountinfo reads proc_pid_mountinfo(5). A tree that is mounted several
// times is listed once, mounts of a subtree not at all.
func parseMountinfo(r io.Reader) ([]Hierarchy, error) {
	var hs []Hierarchy
	seen := map[string]bool{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<10)
	for s.Scan() {
		before, after, ok := strings.Cut(s.Text(), " - ")
		pre, post := strings.Fields(before), strings.Fields(after)
		if !ok || len(pre) < 6 || len(post) < 3 {
			continue
		}
		device, root, mountPoint, fsType := pre[2], pre[3], unescape(pre[4]), post[0]
		if root != "/" || (fsType != "cgroup" && fsType != "cgroup2") || seen[device] {
			continue
		}
		seen[device] = true
		h := Hierarchy{Path: mountPoint, V2: fsType == "cgroup2"}
		if !h.V2 {
			h.Controllers = controllers(post[2])
		}
		hs = append(hs, h)
	}
	return hs, s.Err()
}

// controllers filters super block options for the names of controllers.
func controllers(options string) []string {
	var cs []string
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "rw", "ro", "xattr", "noprefix", "clone_children", "none":
			continue
		}
		if !strings.Contains(o, "=") {
			cs = append(cs, o)
		}
	}
	return cs
}

// unescape undoes the octal escapes of blank characters in mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
