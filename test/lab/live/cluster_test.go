//go:build live && linux

package live

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLab is one life of a lab with two nodes.
func TestLab(t *testing.T) {
	before := snapshot(t)
	must(t, "up", "--nodes", "2")
	kubectl(t, "apply", "-f", "testdata/pods.yaml")
	for _, sub := range []struct {
		name string
		test func(*testing.T)
	}{
		{"nodes", testNodes}, {"logs, exec, port-forward", testStreams}, {"DNS and Services", testServices},
		{"faults", testFaults}, {"admission", testAdmission}, {"user without rights", testUser},
		{"up again", testUpAgain}, {"load", testLoad}, {"inside a node", testEnter},
		{"dead daemon", testDeadDaemon}, {"dead supervisor", testDeadSupervisor},
	} {
		t.Run(sub.name, sub.test)
	}
	must(t, "down")
	compare(t, before)
}

func testNodes(t *testing.T) {
	if got := strings.Count(kubectl(t, "get", "nodes", "--no-headers"), " Ready "); got != 2 {
		t.Errorf("%d nodes are Ready", got)
	}
	if out := must(t, "status"); !strings.Contains(out, "2 nodes Ready") || !strings.Contains(out, "n2-kubelet") {
		t.Errorf("status:\n%s", out)
	}
	kubectl(t, "rollout", "status", "daemonset/web", "--timeout=60s")
}

// webOn returns the pod of the daemon set on a node.
func webOn(t *testing.T, node string) string {
	t.Helper()
	return kubectl(t, "get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName="+node, "-o", "jsonpath={.items[0].metadata.name}")
}

func testStreams(t *testing.T) {
	for _, node := range []string{"n1", "n2"} {
		pod := webOn(t, node)
		eventually(t, "serving on", "logs", pod)
		r := labInput(t, "through stdin", "kubectl", "exec", "-i", pod, "--", "/bin/sh", "-c", "cat")
		if r.stdout != "through stdin" {
			t.Errorf("exec on %s: %+v", node, r)
		}
		forward(t, pod)
	}
}

func forward(t *testing.T, pod string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), labctl, "kubectl", "port-forward", pod, ":8080")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	b := make([]byte, 256)
	n, err := out.Read(b)
	m := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindSubmatch(b[:n])
	if err != nil || m == nil {
		t.Fatalf("port-forward printed %q, %v", b[:n], err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Get("http://" + string(m[0]) + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(string(body), pod+" to ") {
		t.Errorf("%s answered %q, %v", pod, body, err)
	}
}

func testServices(t *testing.T) {
	pod, other := webOn(t, "n1"), webOn(t, "n2")
	eventually(t, "10.96.0.1", "exec", pod, "--", "/workload", "lookup", "kubernetes.default")
	eventually(t, "1 ok", "exec", pod, "--", "/workload", "call", "http://web/", "--count=1", "--timeout=3s")
	// Of so many answers each pod gives some, on the own node and across.
	seen := map[string]bool{}
	for range 30 {
		out := kubectl(t, "exec", pod, "--", "/bin/busybox", "wget", "-qO-", "http://web/")
		seen[strings.Fields(out)[0]] = true
		if len(seen) == 2 {
			break
		}
	}
	if !seen[pod] || !seen[other] {
		t.Errorf("the Service reaches %v", seen)
	}
	kubectl(t, "exec", other, "--", "/bin/busybox", "wget", "-qO-", "http://127.0.0.1:8080/toggle/ready")
	eventually(t, "false", "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "jsonpath={.items[0].endpoints[*].conditions.ready}")
}

func testFaults(t *testing.T) {
	const last = "jsonpath={.status.containerStatuses[0].lastState.terminated.reason} {.status.containerStatuses[0].lastState.terminated.exitCode}"
	eventually(t, "OOMKilled 137", "get", "pod", "leak", "-o", last)
	eventually(t, "Error 3", "get", "pod", "crash", "-o", last)
	eventually(t, "CrashLoopBackOff", "get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
	eventually(t, "Unschedulable", "get", "pod", "toobig", "-o", "jsonpath={.status.conditions[0].reason}")
	eventually(t, "ErrImageNeverPull", "get", "pod", "noimage", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
	eventually(t, "leaked", "logs", "leak", "--previous")
}

func testAdmission(t *testing.T) {
	r := lab(t, "kubectl", "apply", "-f", "testdata/privileged.yaml")
	if r.code == 0 || !strings.Contains(r.stderr, "violates PodSecurity") {
		t.Errorf("a privileged pod in a restricted namespace: %+v", r)
	}
}

func testUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alice")
	if err := os.WriteFile(file, []byte(must(t, "user", "alice")), 0o600); err != nil {
		t.Fatal(err)
	}
	r := lab(t, "kubectl", "--kubeconfig", file, "get", "pods")
	if r.code == 0 || !strings.Contains(r.stderr, `User "alice" cannot list`) {
		t.Errorf("a user without rights: %+v", r)
	}
	kubectl(t, "create", "rolebinding", "alice", "--clusterrole=view", "--user=alice")
	eventually(t, "leak", "--kubeconfig", file, "get", "pods")
}

func testUpAgain(t *testing.T) {
	if r := lab(t, "up", "--nodes", "2"); r.code != 0 || !strings.Contains(r.stderr, "up already") {
		t.Errorf("up: %+v", r)
	}
	if r := lab(t, "up", "--nodes", "1"); r.code != 1 || !strings.Contains(r.stderr, "with 2 nodes is running") {
		t.Errorf("up with other nodes: %+v", r)
	}
}

func testLoad(t *testing.T) {
	program := filepath.Join(t.TempDir(), "hello")
	main := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(main, []byte("package main\n\nfunc main() { println(\"hello from an image\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, main)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must(t, "load", "hello="+program)
	kubectl(t, "run", "hello", "--image=lab.local/hello:1", "--image-pull-policy=Never", "--restart=Never")
	eventually(t, "hello from an image", "logs", "hello")
	if r := lab(t, "load", main); r.code != 1 || !strings.Contains(r.stderr, "importing") {
		t.Errorf("loading what is no image: %+v", r)
	}
}

func testEnter(t *testing.T) {
	if out := must(t, "enter", "n2", "--", "hostname"); out != "n2\n" {
		t.Errorf("the node is called %q", out)
	}
	if out := must(t, "enter", "n2", "ip", "-o", "addr", "show", "eth0"); !strings.Contains(out, "172.30.0.12/24") {
		t.Errorf("eth0 is %s", out)
	}
	if r := lab(t, "enter", "n9", "true"); r.code != 1 || !strings.Contains(r.stderr, "n9 is not running") {
		t.Errorf("a node that is not there: %+v", r)
	}
}

func testDeadDaemon(t *testing.T) {
	m := regexp.MustCompile(`(?m)^n2-kubelet\s+(\d+)`).FindStringSubmatch(must(t, "status"))
	if m == nil {
		t.Fatal("the status does not name the kubelet")
	}
	kill(t, m[1])
	var r result
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r = lab(t, "status"); r.code == 1 {
			break
		}
	}
	if !strings.Contains(r.stderr, "n2-kubelet (signal: killed") {
		t.Errorf("status: %+v", r)
	}
	eventually(t, "NotReady", "get", "node", "n2")
	if r := lab(t, "up", "--nodes", "2"); r.code != 0 || !strings.Contains(r.stderr, "clearing away a lab in trouble: daemons of the lab have ended: n2-kubelet") {
		t.Errorf("up over a half-dead lab: %+v", r)
	}
}

func testDeadSupervisor(t *testing.T) {
	pids := supervisors(t)
	if len(pids) != 1 {
		t.Fatalf("supervisors are %v", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := lab(t, "status"); r.code != 1 || !strings.Contains(r.stderr, "supervisor is gone") {
		t.Errorf("status: %+v", r)
	}
	if len(inLab(t)) == 0 {
		t.Error("the daemons are gone with the supervisor, so this proves nothing about down")
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "kill", "-KILL", pid).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
