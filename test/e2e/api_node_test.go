//go:build live

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

// freeze stops a daemon of the lab in its tracks, by SIGSTOP, until the test
// ends: nothing dies, so that everything is as before once it goes on.
func freeze(t *testing.T, daemon string) {
	t.Helper()
	out, err := command(t, os.Getenv("TAPIO_LABCTL"), "status")
	if err != nil {
		t.Fatalf("labctl status: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != daemon {
			continue
		}
		pid, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Error(err)
			}
		})
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("the lab has no %s:\n%s", daemon, out)
}

// onNode is the manifest of a pod that waits on n2.
func onNode(name string) string {
	return strings.Replace(pod(name, "", "pause"), "spec:\n", "spec:\n  nodeSelector: {kubernetes.io/hostname: n2}\n", 1)
}

// nodeReady waits until n2 is Ready, or with another status until it is that.
func nodeReady(t *testing.T, want corev1.ConditionStatus) {
	t.Helper()
	c := client(t)
	eventually(t, "n2 is Ready: "+string(want), func() bool {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second) // also while a test cleans up
		defer cancel()
		n, err := c.CoreV1().Nodes().Get(ctx, "n2", metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, x := range n.Status.Conditions {
			if x.Type == corev1.NodeReady {
				return x.Status == want
			}
		}
		return false
	})
}

func podRuns(t *testing.T, ns, name string) {
	t.Helper()
	status(t, client(t), ns, name, name+" runs", func(s corev1.ContainerStatus) bool { return s.Ready })
}

// TestAPINodes stops parts of a node of the lab, one after the other. It must
// have the lab for itself, so it is not parallel.
func TestAPINodes(t *testing.T) {
	needs(t, "TAPIO_LABCTL")
	n2 := story.Entity{Kind: "Node", Name: "n2"}
	cases := []apiCase{
		{
			name: "kubelet", manifest: onNode("there"), target: []string{"pod/there"},
			after: func(t *testing.T, ns string) {
				podRuns(t, ns, "there")
				freeze(t, "n2-kubelet")
				nodeReady(t, corev1.ConditionUnknown)
			},
			cause: "node/kubelet-down", entity: n2, not: []string{"node/runtime-down", "node/cni-failure"}, says: []string{"its kubelet stopped reporting"},
		},
		{
			name: "network plugin", target: []string{"pod/late"},
			after: func(t *testing.T, ns string) {
				hideFile(t, filepath.Join(envOr("TAPIO_LAB_DIR", "/var/lib/tapio-lab"), "nodes/n2/cni/10-lab.conflist"))
				nodeReady(t, corev1.ConditionFalse)
				apply(t, ns, strings.Replace(pod("late", "", "pause"), "spec:\n", "spec:\n  nodeName: n2\n  tolerations: [{operator: Exists}]\n", 1))
				time.Sleep(20 * time.Second) // a pod that is on its way is no trouble yet
			},
			cause: "node/cni-failure", entity: n2, not: []string{"node/runtime-down", "node/kubelet-down"}, says: []string{"its pod network is down"},
		},
		{
			name: "controller manager", manifest: deployment("web", 1, "", "{}", "pause"), target: []string{"deploy/web"},
			after: func(t *testing.T, ns string) {
				ready(t, ns, "web", 1)
				freeze(t, "kube-controller-manager")
				kubectl(t, ns, "scale", "deploy/web", "--replicas=2")
				time.Sleep(30 * time.Second) // until then it could be slow
			},
			cause: "node/controller-down", entity: story.Entity{Kind: "Namespace", Name: "kube-system"}, not: []string{"admission/denied", "admission/quota-pods"}, says: []string{"nobody acts"},
		},
	}
	if full() {
		cases = append(cases, apiCase{
			name: "container runtime", manifest: onNode("there"), target: []string{"pod/there"},
			after: func(t *testing.T, ns string) {
				podRuns(t, ns, "there")
				freeze(t, "n2-containerd")
				nodeReady(t, corev1.ConditionFalse)
			},
			cause: "node/runtime-down", entity: n2, not: []string{"node/kubelet-down", "node/cni-failure"}, says: []string{"its container runtime is down"},
		})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() { nodeReady(t, corev1.ConditionTrue) })
			c.run(t)
		})
	}
}

// hideFile moves a file away until the test ends.
func hideFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Rename(path+".away", path); err != nil {
			t.Error(err)
		}
	})
}
