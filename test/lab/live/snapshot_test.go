//go:build live && linux

package live

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// volatile are kernel settings that change by themselves.
var volatile = regexp.MustCompile(`^/proc/sys/(fs/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota/.*|binfmt_misc/.*)` +
	`|kernel/(ns_last_pid|pty/nr|random/.*|perf_event_max_sample_rate|perf_cpu_time_max_percent|sched_domain/.*|tainted)` +
	`|net/netfilter/nf_conntrack_count|net/ipv4/tcp_mem|vm/stat_refresh)$`)

var counters = regexp.MustCompile(`\[\d+:\d+\]|(?m)^#.*\n`)

// snapshot describes the machine: one line for each thing that a lab could
// leave changed or behind.
func snapshot(t *testing.T) map[string]bool {
	t.Helper()
	lines := map[string]bool{}
	add := func(kind, text string) {
		for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
			if l != "" {
				lines[kind+": "+l] = true
			}
		}
	}
	sysctls(t, add)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(strings.TrimSpace(string(mounts)), "\n") {
		f := strings.Fields(l)
		add("mount", strings.Join(f[2:], " "))
	}
	for _, cmd := range []string{
		"ip -o link", "ip -o addr", "ip route show table all", "ip -6 route show table all", "ip rule", "ip netns",
		"iptables-save", "ip6tables-save",
	} {
		args := strings.Fields(cmd)
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		add(cmd, counters.ReplaceAllString(string(out), ""))
	}
	for _, dir := range []string{"/run", "/run/netns", "/var/lib", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log",
		"/etc", "/etc/cni", "/etc/containerd", "/opt", "/usr/libexec", "/sys/fs/bpf"} {
		es, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range es {
			add("file", filepath.Join(dir, e.Name()))
		}
	}
	cgroups(t, add)
	return lines
}

func sysctls(t *testing.T, add func(kind, text string)) {
	t.Helper()
	err := filepath.WalkDir("/proc/sys", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || volatile.MatchString(p) {
			return nil // gone meanwhile, or not of interest
		}
		if b, err := os.ReadFile(p); err == nil {
			add("sysctl", p+" = "+string(bytes.ReplaceAll(bytes.TrimSpace(b), []byte("\n"), []byte(" "))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cgroups notes the cgroups near the roots and what their roots delegate.
func cgroups(t *testing.T, add func(kind, text string)) {
	t.Helper()
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*"} {
		ps, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			if st, err := os.Stat(p); err == nil && st.IsDir() {
				add("cgroup", p)
			}
			if filepath.Base(p) == "cgroup.subtree_control" {
				b, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				add("delegation", p+" "+string(b))
			}
		}
	}
}

// compare fails the test if the machine differs from what it was before.
func compare(t *testing.T, before map[string]bool) {
	t.Helper()
	after := snapshot(t)
	var diff []string
	for l := range before {
		if !after[l] {
			diff = append(diff, "- "+l)
		}
	}
	for l := range after {
		if !before[l] {
			diff = append(diff, "+ "+l)
		}
	}
	if len(diff) > 0 {
		sort.Strings(diff)
		t.Errorf("the machine is not as it was found:\n%s", strings.Join(diff[:min(len(diff), 40)], "\n"))
	}
	if pids := inLab(t); len(pids) > 0 {
		t.Errorf("processes of the lab are left: %v", pids)
	}
}

// inLab lists the processes in the lab's cgroups, read from the processes'
// side. The dead do not count: those of a lab whose supervisor was killed wait
// for the machine's init to take notice.
func inLab(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		status, statusErr := os.ReadFile(filepath.Join(filepath.Dir(f), "status"))
		if statusErr != nil || bytes.Contains(status, []byte("\nState:\tZ")) || bytes.Contains(status, []byte("\nState:\tX")) {
			continue
		}
		if err == nil && regexp.MustCompile(`(?m):/lab(/|$)`).Match(b) {
			comm, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "comm"))
			pids = append(pids, fmt.Sprintf("%s(%s)", filepath.Base(filepath.Dir(f)), strings.TrimSpace(string(comm))))
		}
	}
	return pids
}
