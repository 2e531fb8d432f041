//go:build linux

package cgroup

import (
	"slices"
	"strings"
	"testing"
)

const hybrid = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
35 30 0:28 /docker /mnt/part rw,relatime - cgroup cgroup rw,memory
36 30 0:28 / /mnt/again rw,relatime - cgroup cgroup rw,memory
`

func TestParseMountinfo(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []Hierarchy
	}{
		{"hybrid", hybrid, []Hierarchy{
			{Path: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
			{Path: "/sys/fs/cgroup/memory", Controllers: []string{"memory"}},
			{Path: "/sys/fs/cgroup/systemd"},
			{Path: "/sys/fs/cgroup/unified", V2: true},
		}},
		{"version 2", "24 22 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			[]Hierarchy{{Path: "/sys/fs/cgroup", V2: true}}},
		{"blank in the path", `24 22 0:22 / /mnt/my\040tree rw - cgroup2 c rw` + "\n", []Hierarchy{{Path: "/mnt/my tree", V2: true}}},
		{"none", "22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n", nil},
		{"broken lines", "\n - \n1 2\n24 22 0:22 / /x rw - cgroup2\nx - cgroup2 c rw\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseMountinfo(strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, tc.want, func(a, b Hierarchy) bool {
				return a.Path == b.Path && a.V2 == b.V2 && slices.Equal(a.Controllers, b.Controllers)
			}) {
				t.Errorf("got %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestParseMountinfoBoundsLines(t *testing.T) {
	if _, err := parseMountinfo(strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("a line of 1 MiB is accepted")
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(hybrid)
	f.Add("1 2 3:4 / /a\\040b rw - cgroup cgroup rw,name=")
	f.Fuzz(func(t *testing.T, text string) {
		hs, _ := parseMountinfo(strings.NewReader(text))
		for _, h := range hs {
			if h.V2 && len(h.Controllers) > 0 {
				t.Errorf("the unified tree has controllers of version 1: %+v", h)
			}
		}
	})
}

func TestInSubtree(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       bool
	}{
		{"pod", "4:memory:/lab/n1/kubepods/burstable/pod1/abc\n0::/lab/n1/kubepods/burstable/pod1/abc\n", true},
		{"one hierarchy only", "4:memory:/\n0::/lab\n", true},
		{"same beginning", "4:memory:/laboratory\n0::/lab2/x\n", false},
		{"deeper", "0::/other/lab\n", false},
		{"root", "0::/\n", false},
		{"empty", "", false},
		{"broken", "lab\n::\n0:/lab\n", false},
		{"colon in the path", "0::/lab/a:b\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := inSubtree(tc.text, "lab"); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func FuzzInSubtree(f *testing.F) {
	f.Add("0::/lab/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if inSubtree(text, "lab") && !strings.Contains(text, "/lab") {
			t.Error("found what is not there")
		}
	})
}
