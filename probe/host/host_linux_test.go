package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/yairfalse/tapio/observers"
	"golang.org/x/sys/unix"
)

func TestOpen(t *testing.T) {
	h, err := Open(Config{Node: "n1", PodUIDs: []string{uid1, static}})
	if err != nil {
		t.Fatal(err)
	}
	if h.Node() != "n1" || len(h.BootID()) != uuidLen || h.Kernel() == "" || h.Root() == "" || h.PIDNamespace() == 0 {
		t.Errorf("the node is not known: %+v", h)
	}
	if !h.InScope(uid1) || h.InScope(uid2) || len(h.PodUIDs()) != 2 {
		t.Error("the pods of the run are not those given")
	}
	h.PodUIDs()[0] = uid2
	if h.InScope(uid2) {
		t.Error("the caller can change the pods of the run")
	}
	all, err := Open(Config{})
	if err != nil || !all.InScope(uid2) {
		t.Errorf("without pods every pod counts: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, uid := range []string{"", "..", "../../x", uid1 + "x", strings.ToUpper(uid1)} {
		if _, err := Open(Config{PodUIDs: []string{uid}}); err == nil || !strings.Contains(err.Error(), "not the uid of a pod") {
			t.Errorf("uid %q: %v", uid, err)
		}
	}
}

func TestClock(t *testing.T) {
	h, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	wall, boot := h.Clock()
	if boot <= 0 || h.Wall(boot).Sub(wall).Abs() > steady {
		t.Errorf("wall %v, boot %v, but the stamp is told as %v", wall, boot, h.Wall(boot))
	}
	if a, b := h.Wall(time.Second), h.Wall(2*time.Second); b.Sub(a) != time.Second {
		t.Errorf("stamps a second apart are told %v apart", b.Sub(a))
	}
}

func TestSettle(t *testing.T) {
	steps := []struct {
		name       string
		read, want time.Duration
	}{
		{"first", 1000 * time.Second, 1000 * time.Second},
		{"jitter", 1000*time.Second + steady/2, 1000 * time.Second},
		{"jitter back", 1000*time.Second - steady, 1000 * time.Second},
		{"step forward", 1060 * time.Second, 1060 * time.Second},
		{"step back", 900 * time.Second, 900 * time.Second},
		{"to zero", 0, 0},
	}
	var c clock
	for _, s := range steps {
		if got := c.settle(s.read); got != s.want {
			t.Errorf("%s: the offset is %v, expected %v", s.name, got, s.want)
		}
	}
}

func TestRefused(t *testing.T) {
	need := observers.Need{Type: observers.Hook, Name: "tp_btf/x"}
	own := &observers.Unsupported{Need: need, Why: "because"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"not permitted":   {fmt.Errorf("load: %w (MEMLOCK may be too low)", unix.EPERM), "capabilities BPF and PERFMON"},
		"access denied":   {os.ErrPermission, "capabilities BPF and PERFMON"},
		"no tracepoint":   {fmt.Errorf("x: %w", btf.ErrNotFound), "no such tracepoint"},
		"no program type": {fmt.Errorf("x: %w", ebpf.ErrNotSupported), "does not have it"},
		"no BTF":          {&os.PathError{Op: "open", Path: "/sys/kernel/btf/vmlinux", Err: os.ErrNotExist}, "CONFIG_DEBUG_INFO_BTF"},
		"verifier":        {&ebpf.VerifierError{Cause: unix.EINVAL, Log: []string{"R1 invalid"}}, "verifier refused"},
		"known already":   {fmt.Errorf("x: %w", own), "because"},
		"anything else":   {errors.New("the moon"), "the moon"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := Refused(need, tt.err)
			if !errors.Is(u, observers.ErrUnsupported) || u.Need != need || !strings.Contains(u.Why, tt.want) {
				t.Errorf("refused: %v, expected %q", u, tt.want)
			}
			if strings.Contains(u.Why, "MEMLOCK") {
				t.Errorf("the reason misleads: %s", u.Why)
			}
		})
	}
}

func TestLiveTryTracepoint(t *testing.T) {
	h := &Host{}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("cannot run here: needs root")
		}
		t.Skip("cannot run here: needs root")
	}
	if err := h.TryTracepoint("sched_switch"); err != nil {
		t.Errorf("a tracepoint that every kernel has: %v", err)
	}
	err := h.TryTracepoint("tapio_there_is_none")
	if !errors.Is(err, observers.ErrUnsupported) || !strings.Contains(err.Error(), "this kernel") {
		t.Errorf("a tracepoint that no kernel has: %v", err)
	}
}

func TestInPod(t *testing.T) {
	tests := map[string]struct {
		text string
		want bool
	}{
		"v1 pod":  {"4:memory:/kubepods/burstable/pod" + uid1 + "/" + id1 + "\n0::/\n", true},
		"v2 pod":  {"0::/kubepods.slice/kubepods-pod" + uid1u + ".slice/cri-containerd-" + id1 + ".scope\n", true},
		"above":   {"0::/../pod" + uid1 + "\n", true},
		"service": {"4:memory:/system.slice/containerd.service\n0::/\n", false},
		"broken":  {"pod" + uid1, false},
		"empty":   {"", false},
	}
	for name, tt := range tests {
		if got := inPod(tt.text); got != tt.want {
			t.Errorf("%s is in a pod: %v", name, got)
		}
	}
}

// Where the probe shares its root with pid 1 it reads the node through its own
// root, whatever other roots other processes have.
func TestFindView(t *testing.T) {
	v := findView()
	theirs, err := inode("/proc/1/root")
	ours, errOwn := inode("/")
	if err != nil || errOwn != nil {
		t.Skipf("the root of pid 1 cannot be seen: %v %v", err, errOwn)
	}
	if here := v.root == ownRoot; here != (theirs == ours) {
		t.Errorf("the node is read through %s", v.root)
	}
	if !strings.Contains(v.mount, " - ") {
		t.Errorf("the mounts that belong to it are %q", v.mount)
	}
	if len(processes()) == 0 {
		t.Error("/proc shows no process")
	}
	if _, err := os.Stat(filepath.Join(v.root, "proc")); err != nil {
		t.Error(err)
	}
}
