//go:build live

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

func leader(t *testing.T, s *story.Story) story.Hypothesis {
	t.Helper()
	if len(s.Hypotheses) == 0 {
		t.Fatalf("no hypothesis: %s: %s\nunseen: %+v", s.Verdict, s.Headline, s.Unseen)
	}
	return s.Hypotheses[0]
}

// cites tells whether the hypothesis rests on evidence of that kind and trust.
func cites(s *story.Story, h story.Hypothesis, kind, trust, origin string) bool {
	ids := strings.Join(h.Evidence, " ") + " "
	for _, l := range h.Chain {
		ids += strings.Join(l.Evidence, " ") + " "
	}
	for _, e := range s.Evidence {
		if strings.Contains(ids, e.ID+" ") && e.Kind == kind && e.Trust == trust && strings.HasPrefix(e.Origin, origin) {
			return true
		}
	}
	return false
}

func mechanisms(h story.Hypothesis) string {
	var out []string
	for _, l := range h.Chain {
		out = append(out, l.Mechanism)
	}
	return strings.Join(out, " ")
}

// A server leaks into its limit while a caller calls it: the kill, who
// triggered it, the restart and the caller's errors are one story.
func TestLeakingServerAndItsCaller(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	manifest, err := os.ReadFile("demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, ns, string(manifest))
	var name string
	eventually(t, "cart is OOM-killed once and runs again", func() bool {
		pods, err := c.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=cart"})
		if err != nil || len(pods.Items) != 1 || len(pods.Items[0].Status.ContainerStatuses) == 0 {
			return false
		}
		name = pods.Items[0].Name
		s := pods.Items[0].Status.ContainerStatuses[0]
		return oomKilled(s) && isRunning(s)
	})

	s := explain(t, "deploy/cart", "-n", ns, "--full", "--duration=12s")
	h := leader(t, s)
	if s.Verdict != story.Explained || h.Cause != "memory/limit-oom" {
		t.Fatalf("%s, %s: %s", s.Verdict, h.Cause, s.Headline)
	}
	if want := (story.Entity{Kind: "Pod", Namespace: ns, Name: name, Container: "server"}); h.Entity != want {
		t.Errorf("entity %+v, want %+v", h.Entity, want)
	}
	for _, part := range []string{"container server", "64Mi memory limit", "used", "OOM-killed", "UTC", "trigger", "workload"} {
		if !strings.Contains(s.Headline, part) {
			t.Errorf("headline lacks %q: %s", part, s.Headline)
		}
	}
	for _, m := range []string{"exhausts", "kills", "restarts", "interrupts"} {
		if !strings.Contains(mechanisms(h), m) {
			t.Errorf("chain lacks %q: %s", m, mechanisms(h))
		}
	}
	if !cites(s, h, "memory.oom_kill", "seen", "") || !cites(s, h, "lifecycle.container_ended", "api", "") || !cites(s, h, "logs.failure", "api", "") {
		t.Errorf("evidence: %+v", s.Evidence)
	}
	if s.Coverage.Lost != 0 {
		t.Errorf("lost %d events", s.Coverage.Lost)
	}
	if len(h.Advice) == 0 || !h.Advice[0].ChangesCluster || h.Advice[0].Undo == "" {
		t.Errorf("advice: %+v", h.Advice)
	}

	t.Run("asked about the caller", func(t *testing.T) {
		s := explain(t, "checkout", "-n", ns)
		if h := leader(t, s); h.Cause != "memory/limit-oom" || h.Entity.Name != name {
			t.Errorf("%s at %+v", h.Cause, h.Entity)
		}
	})
	t.Run("as text", func(t *testing.T) {
		r := tapio(t, nil, "explain", "deploy/cart", "-n", ns)
		if r.code != 0 || strings.Count(r.stdout, "\n") > 24 {
			t.Errorf("exit %d, %d lines:\n%s", r.code, strings.Count(r.stdout, "\n"), r.stdout)
		}
		for _, part := range []string{"SURE ", "NOW ", "CHANGED ", "DO ", "WHY", "RULED OUT", "NOT SEEN"} {
			if !strings.Contains(r.stdout, part) {
				t.Errorf("no %s in\n%s", part, r.stdout)
			}
		}
		t.Logf("\n%s%s", r.stderr, r.stdout)
	})
}

// The kill was before the probe came; the kernel log still knows it.
func TestKillBeforeTheProbe(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	once := strings.Replace(pod("gone", "48Mi", "leak", "--step=4Mi", "--every=400ms", "--until=120Mi"), "spec:", "spec:\n  restartPolicy: Never", 1)
	apply(t, ns, once)
	status(t, c, ns, "gone", "it is OOM-killed for good", func(s corev1.ContainerStatus) bool {
		return s.State.Terminated != nil && s.State.Terminated.Reason == "OOMKilled"
	})
	s := explain(t, "pod/gone", "-n", ns)
	h := leader(t, s)
	if h.Cause != "memory/limit-oom" || !cites(s, h, "memory.oom_kill", "seen", "kernel log") {
		t.Errorf("%s: %s\n%+v", h.Cause, s.Headline, s.Evidence)
	}
	if s.State != "failing" {
		t.Errorf("state %s: %s", s.State, s.Now)
	}
}

// A limit that cannot hold even the start is told from growth.
func TestLimitTooSmall(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("tiny", "24Mi", "hold", "96Mi"))
	status(t, c, ns, "tiny", "it died twice", func(s corev1.ContainerStatus) bool {
		return s.RestartCount >= 1 && s.LastTerminationState.Terminated != nil
	})
	s := explain(t, "pod", "tiny", "-n", ns)
	h := leader(t, s)
	if h.Cause != "memory/limit-too-small" || !strings.Contains(s.Headline, "24Mi") {
		t.Errorf("%s: %s", h.Cause, s.Headline)
	}
}

// Ends that look alike (exit 137) and are no OOM kill.
func TestNotCalledOOM(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("killed", "64Mi", "pause")+pod("leaving", "64Mi", "ignore-term")+pod("well", "64Mi", "pause"))
	for _, name := range []string{"killed", "leaving", "well"} {
		status(t, c, ns, name, name+" runs", isRunning)
	}

	t.Run("killed by a plain SIGKILL", func(t *testing.T) {
		needs(t, "TAPIO_LABCTL")
		p, err := c.CoreV1().Pods(ns).Get(t.Context(), "killed", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(mainPID(t, string(p.UID)), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		status(t, c, ns, "killed", "it was restarted", func(s corev1.ContainerStatus) bool { return s.RestartCount == 1 && isRunning(s) })
		s := explain(t, "pod/killed", "-n", ns, "--duration=6s")
		if s.Verdict != story.Inconclusive || len(s.Hypotheses) > 0 {
			t.Errorf("%s: %s", s.Verdict, s.Headline)
		}
		if !strings.Contains(s.Headline, "SIGKILL") {
			t.Errorf("headline: %s", s.Headline)
		}
		if len(s.RuledOut) == 0 || s.RuledOut[0].Cause != "memory/limit-oom" {
			t.Errorf("ruled out: %+v", s.RuledOut)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		grace := int64(8)
		if err := c.CoreV1().Pods(ns).Delete(t.Context(), "leaving", metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
			t.Fatal(err)
		}
		s := explain(t, "pod/leaving", "-n", ns, "--duration=6s")
		for _, h := range s.Hypotheses {
			if strings.HasPrefix(h.Cause, "memory/") {
				t.Errorf("%s: %s", h.Cause, h.Headline)
			}
		}
	})
	t.Run("healthy", func(t *testing.T) {
		s := explain(t, "pod/well", "-n", ns, "--duration=6s")
		if s.Verdict != story.Healthy || len(s.Checked) < 3 {
			t.Errorf("%s: %s, checked %v", s.Verdict, s.Headline, s.Checked)
		}
	})
}

// mainPID finds the first process of the pod's container "workload" on this
// machine, which on the lab holds all nodes.
func mainPID(t *testing.T, uid string) int {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err != nil || !strings.Contains(string(b), "pod"+uid) {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(p, "/")[2])
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasSuffix(strings.TrimRight(string(args), "\x00"), "\x00pause") && strings.Contains(string(args), "workload") {
			return pid
		}
	}
	t.Fatalf("no process of pod %s on this machine", uid)
	return 0
}
