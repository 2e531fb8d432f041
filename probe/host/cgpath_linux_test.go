package host

import (
	"strings"
	"testing"
)

const (
	uid1   = "0d9b2f0e-6a57-4f0c-9d53-3a8f1f0f7a11"
	uid1u  = "0d9b2f0e_6a57_4f0c_9d53_3a8f1f0f7a11"
	uid2   = "ffffffff-0000-4000-8000-123456789abc"
	static = "0123456789abcdef0123456789abcdef"
	id1    = "4f2c8a7be1d94e03b6c5f8a90d1e2f3346557788990011223344556677889900"
	id2    = "aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999"
)

func TestParseCgroup(t *testing.T) {
	tests := map[string]struct {
		path, uid, id string
	}{
		"cgroupfs, burstable":                {"/kubepods/burstable/pod" + uid1 + "/" + id1, uid1, id1},
		"cgroupfs, best effort":              {"/kubepods/besteffort/pod" + uid1 + "/" + id1, uid1, id1},
		"cgroupfs, guaranteed":               {"/kubepods/pod" + uid1 + "/" + id1, uid1, id1},
		"cgroupfs, pod":                      {"/kubepods/burstable/pod" + uid1, uid1, ""},
		"cgroupfs, pod, with slash":          {"/kubepods/burstable/pod" + uid1 + "/", uid1, ""},
		"cgroupfs, below a prefix":           {"/a/b/c/kubepods/burstable/pod" + uid1 + "/" + id1, uid1, id1},
		"cgroupfs, static pod":               {"/kubepods/burstable/pod" + static + "/" + id1, static, id1},
		"systemd, containerd":                {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid1u + ".slice/cri-containerd-" + id1 + ".scope", uid1, id1},
		"systemd, guaranteed":                {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/cri-containerd-" + id1 + ".scope", uid1, id1},
		"systemd, static pod":                {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + static + ".slice/cri-containerd-" + id1 + ".scope", static, id1},
		"systemd, CRI-O":                     {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/crio-" + id1 + ".scope", uid1, id1},
		"systemd, CRI-O, cgroup inside":      {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/crio-" + id1 + ".scope/container", uid1, id1},
		"systemd, CRI-O's monitor":           {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/crio-conmon-" + id1 + ".scope", uid1, ""},
		"systemd, Docker":                    {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/docker-" + id1 + ".scope", uid1, id1},
		"systemd, pod":                       {"/kubepods.slice/kubepods-pod" + uid1u + ".slice", uid1, ""},
		"systemd, any prefix":                {"/kubepods.slice/kubepods-pod" + uid1u + ".slice/my-runtime-x-" + id1 + ".scope", uid1, id1},
		"node in a container, systemd":       {"/system.slice/docker-" + id2 + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + uid1u + ".slice/cri-containerd-" + id1 + ".scope", uid1, id1},
		"node in a container, cgroupfs":      {"/docker/" + id2 + "/kubelet/kubepods/burstable/pod" + uid1 + "/" + id1, uid1, id1},
		"node in a pod: the outer one":       {"/kubepods/pod" + uid1 + "/" + id1 + "/kubelet/kubepods/pod" + uid2 + "/" + id2, uid1, id1},
		"cgroup inside the container":        {"/kubepods/pod" + uid1 + "/" + id1 + "/init.scope", uid1, id1},
		"systemd form over cgroupfs":         {"/system.slice/containerd.service/kubepods-burstable-pod" + uid1u + ".slice:cri-containerd:" + id1, uid1, id1},
		"cgroup namespace, upwards":          {"/../pod" + uid1 + "/" + id1, uid1, id1},
		"system service":                     {"/system.slice/containerd.service", "", ""},
		"root":                               {"/", "", ""},
		"nothing":                            {"", "", ""},
		"container of no pod":                {"/docker/" + id1, "", ""},
		"a pod's name is no uid":             {"/kubepods/podinfo/" + id1, "", ""},
		"uid too short":                      {"/kubepods/pod" + uid1[1:] + "/" + id1, "", ""},
		"uid with capitals":                  {"/kubepods/pod" + strings.ToUpper(uid1) + "/" + id1, "", ""},
		"uid with a dash astray":             {"/kubepods/pod" + strings.Replace(uid1, "6a57-", "6a5-7", 1) + "/" + id1, "", ""},
		"id too short":                       {"/kubepods/pod" + uid1 + "/" + id1[1:], uid1, ""},
		"id not hexadecimal":                 {"/kubepods/pod" + uid1 + "/" + "g" + id1[1:], uid1, ""},
		"id glued to its prefix":             {"/kubepods/pod" + uid1 + "/x" + id1, uid1, ""},
		"slice whose name only ends like it": {"/xpod" + uid1u + ".slice/" + id1, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			uid, id, ok := ParseCgroup(tt.path)
			if uid != tt.uid || id != tt.id || ok != (tt.uid != "") {
				t.Errorf("%s is pod %q, container %q (%v); expected pod %q, container %q", tt.path, uid, id, ok, tt.uid, tt.id)
			}
		})
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("/kubepods/pod" + uid1 + "/" + id1)
	f.Add("/kubepods.slice/kubepods-pod" + uid1u + ".slice:cri-containerd:" + id1)
	f.Fuzz(func(t *testing.T, path string) {
		uid, id, ok := ParseCgroup(path)
		if ok != validUID(uid) || !ok && uid != "" {
			t.Errorf("%q has the pod %q: %v", path, uid, ok)
		}
		if id != "" && (!ok || len(id) != containerIDLen || !isHex(id)) {
			t.Errorf("%q has the container %q", path, id)
		}
	})
}

func TestPodsRoot(t *testing.T) {
	tests := []struct{ path, root string }{
		{"/kubepods/burstable/pod" + uid1 + "/" + id1, "/kubepods"},
		{"/kubepods/pod" + uid1 + "/" + id1, "/kubepods"},
		{"/a/b/kubepods/besteffort/pod" + uid1 + "/" + id1, "/a/b/kubepods"},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid1u + ".slice/x", "/kubepods.slice"},
		{"/burstable/kubepods/pod" + uid1, "/burstable/kubepods"},
		{"/pod" + uid1, "/"},
		{"/system.slice", ""},
		{"/", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if root, ok := podsRoot(tt.path); root != tt.root || ok != (tt.root != "") {
			t.Errorf("the pods of %s are in %q (%v), expected %q", tt.path, root, ok, tt.root)
		}
	}
}

func TestJoinCgroup(t *testing.T) {
	tests := []struct {
		names []string
		cut   bool
		want  string
	}{
		{[]string{"c", "pod1", "kubepods", ""}, false, "/kubepods/pod1/c"},
		{[]string{"c", "/"}, false, "/c"},
		{[]string{"c", "pod1"}, true, "/.../pod1/c"},
		{nil, false, "/"},
		{[]string{"\xff"}, false, "/\uFFFD"},
	}
	for _, tt := range tests {
		if got := JoinCgroup(tt.names, tt.cut); got != tt.want {
			t.Errorf("%q is %q, expected %q", tt.names, got, tt.want)
		}
	}
}
