package host

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// view is how a probe in a pod reaches the files of its node: through a process
// outside of any pod that the shared pid namespace shows.
type view struct {
	root  string // the node's root directory as a path of this process
	mount string // text of the mountinfo that belongs to root
}

// ownRoot is the root of a probe that runs on the node itself.
const ownRoot = "/"

// findView takes the own root where that is also the root of pid 1: the probe
// runs on the node itself, or its pod shows no process but its own. Else it
// takes the root of pid 1, and where that may not be entered (its
// capabilities exceed ours, or a security module forbids it) that of the first
// other process that belongs to no pod. The directory is held open, so that the
// view outlives the process.
func findView() view {
	var ours, first unix.Stat_t
	here := unix.Stat("/proc/1/root", &first) == nil && unix.Stat(ownRoot, &ours) == nil &&
		first.Dev == ours.Dev && first.Ino == ours.Ino
	if !here && unix.Stat(ownRoot, &ours) == nil {
		for _, pid := range processes() {
			if v, ok := viewOf(pid, ours); ok {
				return v
			}
		}
	}
	text, _ := readSmall("/proc/self/mountinfo", procLimit)
	return view{root: ownRoot, mount: string(text)}
}

// viewOf is the view through one process, when it is another than ours, is in
// no pod, and shows cgroups.
func viewOf(pid int, ours unix.Stat_t) (view, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	var theirs unix.Stat_t
	if unix.Stat(dir+"root", &theirs) != nil || theirs.Dev == ours.Dev && theirs.Ino == ours.Ino {
		return view{}, false
	}
	groups, err := readSmall(dir+"cgroup", 64<<10)
	if err != nil || inPod(string(groups)) {
		return view{}, false
	}
	mount, err := readSmall(dir+"mountinfo", procLimit)
	if err != nil || !strings.Contains(string(mount), " - cgroup") {
		return view{}, false
	}
	fd, err := unix.Open(dir+"root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return view{}, false
	}
	return view{root: fmt.Sprintf("/proc/self/fd/%d", fd), mount: string(mount)}, true
}

// inPod tells whether the text of a /proc/PID/cgroup file (cgroups(7)) names a
// pod.
func inPod(text string) bool {
	for line := range strings.Lines(text) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			if _, _, ok := ParseCgroup(parts[2]); ok {
				return true
			}
		}
	}
	return false
}

// processes lists the process ids that /proc shows, in order.
func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
