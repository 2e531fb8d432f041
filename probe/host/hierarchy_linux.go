package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// memoryMount finds the hierarchy with the memory controller in the text of a
// mountinfo file (proc(5)) whose paths are below root.
func memoryMount(info, root string) (dir string, v2 bool, err error) {
	var unified []string
	for line := range strings.Lines(info) {
		before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(super) < 3 {
			continue
		}
		at := filepath.Join(root, unescapeMount(fields[4]))
		switch super[0] {
		case "cgroup":
			if slices.Contains(strings.Split(super[2], ","), "memory") && isDir(at) {
				return at, false, nil
			}
		case "cgroup2":
			unified = append(unified, at)
		}
	}
	for _, at := range unified {
		b, err := readSmall(filepath.Join(at, "cgroup.controllers"), 4096)
		if err == nil && slices.Contains(strings.Fields(string(b)), "memory") {
			return at, true, nil
		}
	}
	return "", false, errors.New("no cgroup hierarchy with the memory controller is mounted on the node")
}

// controllerMount finds the cgroup v1 hierarchy of a controller in the text of
// a mountinfo file whose paths are below root.
func controllerMount(info, root, controller string) (dir string, ok bool) {
	for line := range strings.Lines(info) {
		before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(super) < 3 || super[0] != "cgroup" || !slices.Contains(strings.Split(super[2], ","), controller) {
			continue
		}
		if at := filepath.Join(root, unescapeMount(fields[4])); isDir(at) {
			return at, true
		}
	}
	return "", false
}

// Of is the container as another controller has it: the same one with the
// unified hierarchy, its cgroup of the same path with cgroup v1. ok is false
// when the node has no such controller or the cgroup is not there.
func (h *Host) Of(c Container, controller string) (of Container, ok bool) {
	if h.cgroups.v2 {
		return c, true
	}
	mount, ok := controllerMount(h.mounts, h.root, controller)
	below, inside := strings.CutPrefix(c.Dir, h.cgroups.dir)
	if !ok || !inside {
		return Container{}, false
	}
	c.Dir = filepath.Join(mount, below)
	return c, isDir(c.Dir)
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// memoryPath picks the path of the memory controller out of the text of a
// /proc/PID/cgroup file (cgroups(7)).
func memoryPath(text string, v2 bool) string {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if v2 && parts[0] == "0" && parts[1] == "" || !v2 && slices.Contains(strings.Split(parts[1], ","), "memory") {
			return parts[2]
		}
	}
	return ""
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
