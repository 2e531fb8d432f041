//go:build live

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

// shellPod is a pod on the second node whose container "app" runs a script of
// the shell; with shared, its containers see each other's processes. more are
// further containers, each a line of YAML.
func shellPod(name string, shared bool, script string, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  nodeName: n2\n  terminationGracePeriodSeconds: 3\n  shareProcessNamespace: %v\n  containers:\n", name, shared)
	fmt.Fprintf(&b, "  - {name: app, image: \"WORKLOAD_IMAGE\", imagePullPolicy: IfNotPresent, command: [/bin/sh, -c, %q]}\n", script)
	for _, c := range more {
		b.WriteString("  - " + c + "\n")
	}
	return b.String() + "---\n"
}

// endCase is an end that the kernel sees while the probe is there.
type endCase struct {
	name, manifest string
	act            func(t *testing.T, ns string) // while the probe watches, nil for nothing
	container      string
	cause          string
	says           []string // parts of the headline
	seen           []string // kinds of the kernel's evidence that must be cited
	chain          []string // mechanisms
	not            []string // causes that must not be supported
	out            []string // causes that must be ruled out
}

func (e endCase) run(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, e.manifest)
	status(t, c, ns, "x", "it runs", isRunning)
	if e.act != nil {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			e.act(t, ns)
		}()
	}
	s := explain(t, "pod/x", "-n", ns, "--duration=45s")
	h := leader(t, s)
	if s.Verdict != story.Explained || h.Cause != e.cause {
		t.Fatalf("%s, %s, want %s: %s\nunseen %+v", s.Verdict, h.Cause, e.cause, s.Headline, s.Unseen)
	}
	if want := (story.Entity{Kind: "Pod", Namespace: ns, Name: "x", Container: e.container}); h.Entity != want {
		t.Errorf("entity %+v, want %+v", h.Entity, want)
	}
	for _, part := range e.says {
		if !strings.Contains(s.Headline, part) {
			t.Errorf("headline lacks %q: %s", part, s.Headline)
		}
	}
	for _, kind := range e.seen {
		if !cites(s, h, kind, "seen", "") {
			t.Errorf("no evidence of kind %s: %+v", kind, s.Evidence)
		}
	}
	for _, m := range e.chain {
		if !strings.Contains(mechanisms(h), m) {
			t.Errorf("chain lacks %q: %s", m, mechanisms(h))
		}
	}
	for _, x := range s.Hypotheses {
		if x.Status == "supported" && slices.Contains(e.not, x.Cause) {
			t.Errorf("the rival %s is supported: %s", x.Cause, x.Headline)
		}
	}
	var out []string
	for _, r := range s.RuledOut {
		out = append(out, r.Cause)
	}
	for _, r := range e.out {
		if !slices.Contains(out, r) {
			t.Errorf("%s is not ruled out, only %v", r, out)
		}
	}
	if s.Coverage.Lost != 0 {
		t.Errorf("lost %d events", s.Coverage.Lost)
	}
	t.Log(s.Headline)
}

// deleteLater asks the pod to end once the probe had time to come.
func deleteLater(t *testing.T, ns string) {
	time.Sleep(12 * time.Second)
	if out, err := exec.CommandContext(t.Context(), "kubectl", "-n", ns, "delete", "pod", "x", "--wait=false").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWhoEndedIt(t *testing.T) {
	for _, e := range []endCase{
		{
			name: "killed from another container", container: "app", cause: "exit/killed-by-other",
			manifest: shellPod("x", true, "exec /workload pause",
				`{name: killer, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, command: [/bin/sh, -c, "while sleep 12; do kill -9 $(pidof workload); done"]}`),
			says: []string{"container app was ended by SIGKILL from sh (pid ", "of container killer of the same pod"},
			seen: []string{"signals.sent", "runtime.exit"}, chain: []string{"kills", "restarts"},
			not: []string{"memory/limit-oom", "exit/killed-after-grace"}, out: []string{"memory/limit-oom", "exit/killed-after-grace"},
		},
		{
			name: "SIGTERM ignored by a shell as first process", container: "app", cause: "exit/sigterm-ignored", act: deleteLater,
			manifest: shellPod("x", false, "while sleep 1; do :; done"),
			says:     []string{"never gets SIGTERM, because its first process is the shell sh", "was killed 3"},
			seen:     []string{"signals.sent", "runtime.exit"}, chain: []string{"kills"},
			not: []string{"exit/killed-after-grace", "exit/killed-by-other", "memory/limit-oom"}, out: []string{"exit/killed-after-grace"},
		},
		{
			name: "grace period run out", container: "app", cause: "exit/killed-after-grace", act: deleteLater,
			manifest: shellPod("x", false, "trap : TERM; while :; do sleep 1; done"),
			says:     []string{"did not end on SIGTERM and was killed 3", "when its grace period was over"},
			seen:     []string{"signals.sent"}, chain: []string{"kills"},
			not: []string{"exit/sigterm-ignored", "memory/limit-oom"}, out: []string{"exit/sigterm-ignored", "exit/killed-by-other"},
		},
		{
			name: "segfault", container: "app", cause: "exit/segfault",
			manifest: shellPod("x", false, "exec /workload fault segv --after 9s"),
			says:     []string{"touched memory that is not its own (SEGV_MAPERR at 0x10, a null pointer, in workload): exit 139 (SIGSEGV)"},
			seen:     []string{"signals.sent", "runtime.exit"}, chain: []string{"kills", "ends", "restarts"},
			not: []string{"exit/killed-by-other", "exit/abort", "memory/limit-oom"}, out: []string{"exit/abort", "exit/killed-by-other"},
		},
		{
			name: "abort", container: "app", cause: "exit/abort",
			manifest: shellPod("x", true, "exec /workload fault abort --after 9s"),
			says:     []string{"aborted itself", "exit 134 (SIGABRT)"},
			seen:     []string{"signals.sent", "runtime.exit"}, chain: []string{"kills", "ends"},
			not: []string{"exit/killed-by-other", "exit/segfault"}, out: []string{"exit/segfault", "exit/killed-by-other"},
		},
		{
			name: "a child's segfault that its shell passes on", container: "app", cause: "exit/segfault",
			manifest: shellPod("x", false, "/workload fault segv --after 9s; exit $?"),
			says:     []string{"in workload): exit 139 (SIGSEGV)"},
			seen:     []string{"signals.sent", "runtime.exit"}, chain: []string{"kills", "ends"},
			not: []string{"exit/killed-by-other"},
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.run(t)
		})
	}
}

// A worker is OOM-killed, its parent and the container live on, Kubernetes
// tells nothing: before the probe came, as the kernel log tells, and again.
func TestChildOOM(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	manifest := strings.Replace(shellPod("x", false, "while :; do /workload hold 120Mi; sleep 20; done"), "IfNotPresent,", "IfNotPresent, resources: {limits: {memory: 48Mi}},", 1)
	apply(t, ns, manifest)
	status(t, c, ns, "x", "it runs", isRunning)
	time.Sleep(4 * time.Second) // nothing in the API tells of the kill that happens now
	s := explain(t, "pod/x", "-n", ns, "--duration=40s")
	h := leader(t, s)
	if s.Verdict != story.Explained || h.Cause != "memory/child-oom" {
		t.Fatalf("%s, %s: %s", s.Verdict, h.Cause, s.Headline)
	}
	if want := (story.Entity{Kind: "Pod", Namespace: ns, Name: "x", Container: "app"}); h.Entity != want {
		t.Errorf("entity %+v, want %+v", h.Entity, want)
	}
	if !strings.Contains(s.Headline, "the kernel OOM-killed process workload") || !strings.Contains(s.Headline, "the container lives on") {
		t.Errorf("headline: %s", s.Headline)
	}
	if !cites(s, h, "memory.oom_kill", "seen", "") {
		t.Errorf("evidence: %+v", s.Evidence)
	}
	for _, x := range s.Hypotheses {
		if x.Status == "supported" && x.Cause == "memory/limit-oom" {
			t.Errorf("the rival is supported: %s", x.Headline)
		}
	}
	p, err := c.CoreV1().Pods(ns).Get(t.Context(), "x", metav1.GetOptions{})
	if err != nil || p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the container did not live on: %v, %+v", err, p.Status.ContainerStatuses)
	}
}

// A segfault from before the probe: the API has the code, the kernel log the
// address and the program. The kernel limits how often it writes such lines, so
// one of a few attempts must be told in full.
func TestSegfaultBeforeTheProbe(t *testing.T) {
	c := client(t)
	var last *story.Story
	for range 4 {
		ns := namespace(t, c, nil)
		apply(t, ns, strings.Replace(shellPod("x", false, "exec /workload fault segv --after 1s"), "spec:", "spec:\n  restartPolicy: Never", 1))
		status(t, c, ns, "x", "it ended", func(s corev1.ContainerStatus) bool { return s.State.Terminated != nil })
		last = explain(t, "pod/x", "-n", ns, "--duration=8s")
		h := leader(t, last)
		if last.Verdict != story.Explained || h.Cause != "exit/segfault" {
			t.Fatalf("%s, %s: %s", last.Verdict, h.Cause, last.Headline)
		}
		if cites(last, h, "signals.sent", "seen", "kernel log") && strings.Contains(last.Headline, "(SEGV_MAPERR at 0x10, a null pointer, in workload): exit 139 (SIGSEGV)") {
			return
		}
	}
	t.Errorf("not told from the kernel log: %s\n%+v", last.Headline, last.Evidence)
}

// besteffort is the cgroup of the second node's pods without requests.
const besteffort = "/sys/fs/cgroup/memory/lab/n2/kubepods/besteffort"

// A cgroup above the pods has a limit, and a pod without one is the victim:
// once before the probe comes.
func TestOOMAboveThePod(t *testing.T) {
	needs(t, "TAPIO_LABCTL")
	limit := filepath.Join(besteffort, "memory.limit_in_bytes")
	if _, err := os.Stat(limit); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the lab's second node has no such cgroup here: %v", err)
	}
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, shellPod("x", false, "sleep 3; exec /workload leak --step=16Mi --every=50ms"))
	status(t, c, ns, "x", "it runs", isRunning)
	text, err := os.ReadFile(filepath.Join(besteffort, "memory.usage_in_bytes"))
	if err != nil {
		t.Fatal(err)
	}
	used, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	set := func(v string) error { return os.WriteFile(limit, []byte(v), 0) }
	if err := set(strconv.Itoa(used + 300<<20)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := set("-1"); err != nil {
			t.Error(err)
		}
	}()
	status(t, c, ns, "x", "it is OOM-killed", func(s corev1.ContainerStatus) bool { return oomKilled(s) })
	s := explain(t, "pod/x", "-n", ns, "--duration=20s")
	h := leader(t, s)
	if s.Verdict != story.Explained || h.Cause != "memory/node-oom" {
		t.Fatalf("%s, %s: %s", s.Verdict, h.Cause, s.Headline)
	}
	if h.Entity.Kind != "Node" || h.Entity.Name != "n2" {
		t.Errorf("entity %+v", h.Entity)
	}
	for _, part := range []string{"x: container app was OOM-killed because cgroup ", "kubepods/besteffort (limit ", "of node n2 ran out of memory, not for its own limit"} {
		if !strings.Contains(s.Headline, part) {
			t.Errorf("headline lacks %q: %s", part, s.Headline)
		}
	}
	if !cites(s, h, "memory.oom_kill", "seen", "") || !cites(s, h, "lifecycle.container_ended", "api", "") {
		t.Errorf("evidence: %+v", s.Evidence)
	}
	for _, x := range s.Hypotheses {
		if x.Status == "supported" && x.Cause != h.Cause && strings.HasPrefix(x.Cause, "memory/") {
			t.Errorf("the rival %s is supported: %s", x.Cause, x.Headline)
		}
	}
}
