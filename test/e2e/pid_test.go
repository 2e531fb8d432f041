//go:build live

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/tape"
)

// A process has another number in each pid namespace: what the probe says is
// that of the node, also where the node has a namespace of its own (labctl up
// --pidns, kind) and the kernel speaks of another one.
func TestProcessIdsAreTheNodes(t *testing.T) {
	needs(t, "TAPIO_LABCTL")
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, strings.Replace(pod("grows", "64Mi", "leak", "--step=2Mi", "--every=500ms", "--until=120Mi"), "spec:", "spec:\n  restartPolicy: Never", 1))
	id := strings.TrimPrefix(status(t, c, ns, "grows", "it runs", isRunning).ContainerID, "containerd://")
	p, err := c.CoreV1().Pods(ns).Get(t.Context(), "grows", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pids := nodePIDs(t, p.Spec.NodeName, id)
	if len(pids) == 0 {
		t.Fatalf("node %s shows no process of %s", p.Spec.NodeName, id)
	}
	kept := filepath.Join(t.TempDir(), "grows.tape")
	s := explain(t, "pod/grows", "-n", ns, "--full", "--duration=25s", "--save="+kept)
	if h := leader(t, s); h.Cause != "memory/limit-oom" || !cites(s, h, "memory.oom_kill", "seen", "") {
		t.Fatalf("%s: %s\n%+v", h.Cause, s.Headline, s.Evidence)
	}
	victim := victimPID(t, kept)
	if !slices.Contains(pids, victim) {
		t.Errorf("the probe names process %s, on the node the container had %v", victim, pids)
	}
	ours, _ := os.Readlink("/proc/self/ns/pid")
	theirs := enter(t, p.Spec.NodeName, "readlink", "/proc/self/ns/pid")
	t.Logf("pid %s; the node has a pid namespace of its own: %v", victim, strings.TrimSpace(theirs) != ours)
}

// victimPID is what the probe said of the OOM kill on a tape, as it happened.
func victimPID(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tp, err := tape.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range tp.Lines {
		if l.Frame != nil && l.Frame.Event != nil && l.Frame.Event.Kind == memory.OOMKill &&
			memory.Origin.Or(*l.Frame.Event, "") == memory.FromTracepoint {
			return strconv.FormatInt(memory.VictimPID.Or(*l.Frame.Event, 0), 10)
		}
	}
	t.Fatal("the probe saw no kill")
	return ""
}

// nodePIDs lists the processes of a container as its node numbers them.
func nodePIDs(t *testing.T, node, container string) []string {
	t.Helper()
	out := enter(t, node, "sh", "-c", "grep -l "+container+" /proc/[0-9]*/cgroup 2>/dev/null || true")
	var pids []string
	for _, file := range strings.Fields(out) {
		pids = append(pids, strings.Split(file, "/")[2])
	}
	return pids
}

// enter runs a program on a node of the lab.
func enter(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), os.Getenv("TAPIO_LABCTL"), append([]string{"enter", node}, args...)...).Output()
	if err != nil {
		t.Fatalf("labctl enter %s: %v", node, err)
	}
	return string(out)
}
