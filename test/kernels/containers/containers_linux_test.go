//go:build guest

// Package containers runs where most users are: containerd and runc on cgroup
// version 2, with the paths that the kubelet and the runtime make when systemd
// manages cgroups. It runs inside an emulated machine only, as root of all of
// it (test/kernels).
package containers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/memory/node"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/probe/host"
)

const (
	podUID   = "9f1c2a34-5b6d-4e7f-8a90-b1c2d3e4f506"
	limit    = 64 << 20
	patience = 2 * time.Minute // emulation is slow
)

// id is as long as a runtime's.
var id = strings.Repeat("0123456789abcdef", 4)

// slice is the pod's cgroup as the kubelet's systemd driver names it.
func slice() string {
	return "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(podUID, "-", "_") + ".slice"
}

// containerd starts the daemon and returns once it answers.
func containerd(t *testing.T) {
	t.Helper()
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "containerd")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("containerd:\n%s", log.String())
		}
	})
	for begun := time.Now(); ; time.Sleep(time.Second) {
		out, err := ctr(t, "version")
		if err == nil {
			return
		}
		if time.Since(begun) > patience {
			t.Fatalf("containerd does not answer: %v\n%s\n%s", err, out, log.String())
		}
	}
}

func ctr(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ctr", append([]string{"-n", "k8s.io"}, args...)...).CombinedOutput()
	return string(out), err
}

// A container that grows into its limit: the observer names pod and container
// from paths that no test on a machine without systemd meets.
func TestLiveOOMUnderContainerd(t *testing.T) {
	containerd(t)
	h, err := host.Open(host.Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	obs, err := node.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	if gaps := obs.(observers.Gapper).Gaps(); len(gaps) > 0 {
		t.Fatal(gaps)
	}
	key := event.CgroupKey(podUID, id)
	s := observertest.Start(t, obs, memory.Spec)
	out, err := ctr(t, "run", "--detach", "--rootfs", "--memory-limit", fmt.Sprint(limit),
		"--cgroup", slice()+"/cri-containerd-"+id+".scope",
		"/rootfs", id, "/workload", "leak", "--start", "32Mi", "--step", "1Mi", "--every", "400ms")
	if err != nil {
		t.Fatalf("ctr run: %v\n%s", err, out)
	}
	kill := await(t, s, memory.OOMKill, func(ev event.Event) bool { return ev.Subject() == key })
	s.Stop(t)
	for role, want := range map[event.Role]event.Key{event.Owner: event.PodKey(podUID), event.Culprit: key, event.Limiter: key} {
		if got, _ := kill.Ref(role); got != want {
			t.Errorf("the %s is %v, expected %v", role, got, want)
		}
	}
	if got := memory.Constraint.Or(kill, ""); got != memory.ByContainer {
		t.Errorf("the limit was that of the %s", got)
	}
	if got := memory.LimiterLimit.Or(kill, 0); got != limit {
		t.Errorf("the limit is %d", got)
	}
	if got := memory.VictimComm.Or(kill, ""); got != "workload" {
		t.Errorf("the victim is %q", got)
	}
	sampled := false
	for _, ev := range s.Events() {
		if ev.Kind == memory.Usage && ev.Subject() == key && memory.Limit.Or(ev, 0) == limit {
			sampled = true
		}
	}
	if !sampled {
		t.Error("the memory of the container was not sampled while it grew")
	}
	if _, err := os.Stat("/sys/fs/cgroup" + slice()); err != nil {
		t.Errorf("the cgroup is not where systemd would have put it: %v", err)
	}
}

// await is Session.Find with the patience that emulation needs.
func await(t *testing.T, s *observertest.Session, kind event.Kind, ok func(event.Event) bool) event.Event {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(100 * time.Millisecond) {
		for _, ev := range s.Events() {
			if ev.Kind == kind && ok(ev) {
				return ev
			}
		}
	}
	out, _ := ctr(t, "tasks", "ls")
	t.Fatalf("no %s within %v; tasks:\n%s", kind, patience, out)
	return event.Event{}
}
