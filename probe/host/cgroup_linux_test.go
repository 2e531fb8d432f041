package host

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers"
)

func mkdirs(t *testing.T, top string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.MkdirAll(filepath.Join(top, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	mkdirs(t, filepath.Dir(path), ".")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// found lists containers as "uid/id" and checks what else is told of them.
func found(t *testing.T, h *Host) (out []string) {
	t.Helper()
	list, err := h.Containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if ino, err := inode(c.Dir); err != nil || ino != c.Inode {
			t.Errorf("%s has inode %d (%v), told is %d", c.Dir, ino, err, c.Inode)
		}
		out = append(out, c.PodUID+"/"+c.ID)
	}
	return out
}

func TestContainers(t *testing.T) {
	const (
		fsPod = "kubepods/burstable/pod" + uid1 + "/"
		sdPod = "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid1u + ".slice/"
	)
	tests := map[string]struct {
		dirs  []string
		scope []string
		own   string
		want  []string
	}{
		"cgroupfs":             {[]string{fsPod + id1, fsPod + id2, "kubepods/pod" + uid2 + "/" + id1}, nil, "", []string{uid1 + "/" + id1, uid1 + "/" + id2, uid2 + "/" + id1}},
		"systemd":              {[]string{sdPod + "cri-containerd-" + id1 + ".scope/sub", sdPod + "crio-conmon-" + id2 + ".scope"}, nil, "", []string{uid1 + "/" + id1}},
		"deep below":           {[]string{"system.slice/docker-" + id2 + ".scope/kubelet/" + fsPod + id1}, nil, "", []string{uid1 + "/" + id1}},
		"scope":                {[]string{fsPod + id1, "kubepods/pod" + uid2 + "/" + id1}, []string{uid2}, "", []string{uid2 + "/" + id1}},
		"two nodes, ours told": {[]string{"n1/" + fsPod + id1, "n2/kubepods/pod" + uid2 + "/" + id2}, nil, "/n2/kubepods/pod" + uid2 + "/" + id2, []string{uid2 + "/" + id2}},
		"two nodes":            {[]string{"n1/" + fsPod + id1, "n2/kubepods/pod" + uid2 + "/" + id2}, nil, "/user.slice", []string{uid1 + "/" + id1, uid2 + "/" + id2}},
		"no kubelet":           {[]string{"system.slice/x"}, nil, "", nil},
		"pod without one":      {[]string{fsPod}, nil, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			mkdirs(t, top, tt.dirs...)
			h := &Host{podUIDs: tt.scope, cgroups: &cgroups{dir: top, ownPath: tt.own, now: time.Now}}
			if diff := cmp.Diff(tt.want, found(t, h)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A probe in a cgroup namespace of its own sees "/" as its path and is found by
// the inode of its cgroup.
func TestOwnNodeByInode(t *testing.T) {
	top := t.TempDir()
	mine := "n2/kubepods/pod" + uid2 + "/" + id2
	mkdirs(t, top, "n1/kubepods/pod"+uid1+"/"+id1, mine)
	ino, err := inode(filepath.Join(top, mine))
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{cgroups: &cgroups{dir: top, ownPath: "/", ownInode: ino, now: time.Now}}
	if diff := cmp.Diff([]string{uid2 + "/" + id2}, found(t, h)); diff != "" {
		t.Error(diff)
	}
	root, path := h.KubeletRoot()
	if want, _ := inode(filepath.Join(top, "n2/kubepods")); root != want || path != "" {
		t.Errorf("the kubelet's cgroup is %d at %q, expected %d at an unknown path", root, path, want)
	}
}

func TestKubeletRoot(t *testing.T) {
	top := t.TempDir()
	mkdirs(t, top, "n1/kubepods/pod"+uid1+"/"+id1, "n2/kubepods")
	for name, tt := range map[string]struct {
		own  string
		want string
	}{
		"ours":         {"/n1/kubepods/pod" + uid1 + "/" + id1, "/n1/kubepods"},
		"which of two": {"/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Host{cgroups: &cgroups{dir: top, ownPath: tt.own, absolute: true, now: time.Now}}
			ino, path := h.KubeletRoot()
			if path != tt.want || (ino != 0) != (tt.want != "") {
				t.Errorf("the kubelet's cgroup is %d at %q, expected %q", ino, path, tt.want)
			}
		})
	}
}

// A kubelet that appears after the probe is found, but not searched for at
// every call.
func TestKubeletAppears(t *testing.T) {
	top, now := t.TempDir(), time.Unix(0, 0)
	h := &Host{cgroups: &cgroups{dir: top, now: func() time.Time { return now }}}
	now = now.Add(time.Hour)
	if got := found(t, h); got != nil {
		t.Fatalf("containers of nobody: %v", got)
	}
	mkdirs(t, top, "kubepods/pod"+uid1+"/"+id1)
	if got := found(t, h); got != nil {
		t.Errorf("searched again at once: %v", got)
	}
	now = now.Add(rootsAgain + 1)
	if diff := cmp.Diff([]string{uid1 + "/" + id1}, found(t, h)); diff != "" {
		t.Error(diff)
	}
	mkdirs(t, top, "kubepods/burstable/pod"+uid2+"/"+id2)
	if got := found(t, h); len(got) != 2 {
		t.Errorf("a new pod is not seen at once: %v", got)
	}
	if !h.HasPod(uid2) || h.HasPod(id1) {
		t.Error("the pods that run are not known")
	}
}

func TestHasPodOfScope(t *testing.T) {
	h := &Host{podUIDs: []string{uid1}, cgroups: &cgroups{dir: t.TempDir(), now: time.Now}}
	if !h.HasPod(uid1) || h.HasPod(uid2) {
		t.Error("a pod of the run counts although it does not run, and no other does")
	}
}

func TestNoCgroups(t *testing.T) {
	h := &Host{cgroups: &cgroups{err: errors.New("nothing is mounted")}}
	_, err := h.Containers()
	var u *observers.Unsupported
	if !errors.As(err, &u) || u.Why != "nothing is mounted" {
		t.Errorf("the reason is %v", err)
	}
	if ino, path := h.KubeletRoot(); ino != 0 || path != "" {
		t.Errorf("a kubelet's cgroup %d at %q without cgroups", ino, path)
	}
	if h.HasPod(uid1) {
		t.Error("a pod without cgroups")
	}
}

func TestMemoryMount(t *testing.T) {
	root := t.TempDir()
	mkdirs(t, root, "sys/fs/cgroup/memory", "sys/fs/cgroup/unified", "with space")
	write(t, filepath.Join(root, "v2/cgroup.controllers"), "cpuset cpu io memory pids\n")
	write(t, filepath.Join(root, "sys/fs/cgroup/unified/cgroup.controllers"), "\n")
	const (
		v1      = "36 25 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
		cpu     = "35 25 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		unified = "34 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		v2      = "34 25 0:28 / /v2 rw - cgroup2 cgroup2 rw,nsdelegate\n"
		spaced  = "36 25 0:30 / /with\\040space rw - cgroup cgroup rw,memory\n"
	)
	tests := map[string]struct {
		info, dir string
		v2        bool
	}{
		"v1":                       {cpu + v1, "sys/fs/cgroup/memory", false},
		"hybrid":                   {unified + cpu + v1, "sys/fs/cgroup/memory", false},
		"v2":                       {v2, "v2", true},
		"unified without it":       {unified, "", false},
		"hybrid with memory in v2": {unified + cpu + v2, "v2", true},
		"name with a space":        {spaced, "with space", false},
		"mount point is gone":      {"36 25 0:30 / /gone rw - cgroup cgroup rw,memory\n", "", false},
		"broken":                   {"x\n\n - \n1 2 - cgroup\n" + cpu, "", false},
		"empty":                    {"", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, v2, err := memoryMount(tt.info, root)
			if tt.dir == "" {
				if err == nil {
					t.Errorf("found %q", dir)
				}
				return
			}
			if err != nil || dir != filepath.Join(root, tt.dir) || v2 != tt.v2 {
				t.Errorf("found %q, v2 %v, %v; expected %q, v2 %v", dir, v2, err, tt.dir, tt.v2)
			}
		})
	}
}

func TestMemoryPath(t *testing.T) {
	const hybrid = "5:cpu,cpuacct:/a\n4:memory:/b:c\n1:name=systemd:/d\n0::/e\n"
	tests := []struct {
		text string
		v2   bool
		want string
	}{
		{hybrid, false, "/b:c"}, {hybrid, true, "/e"}, {"0::/\n", true, "/"}, {"0::/x\n", false, ""}, {"", true, ""}, {"garbage\n::\n", false, ""},
	}
	for _, tt := range tests {
		if got := memoryPath(tt.text, tt.v2); got != tt.want {
			t.Errorf("path in %q (v2 %v) is %q, expected %q", tt.text, tt.v2, got, tt.want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "memory.current"), "5\n")
	write(t, filepath.Join(dir, "big"), string(make([]byte, 64<<10+1)))
	c := Container{Dir: dir, ID: id1}
	if b, err := c.ReadFile("memory.current"); err != nil || string(b) != "5\n" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := c.ReadFile("big"); err == nil {
		t.Error("a file without bound was read")
	}
	if _, err := c.ReadFile("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}
}
