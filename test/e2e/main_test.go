//go:build live

// Package e2e makes real faults on a real cluster and reads what the plugin
// says of them. It needs KUBECONFIG and TAPIO_PLUGIN (the built plugin); some
// tests also need the lab (TAPIO_LABCTL). make test provides all three.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/yairfalse/tapio/correlate/story"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// workloadImage is the image of test/e2e/workload on the cluster's nodes.
var workloadImage = envOr("WORKLOAD_IMAGE", "lab.local/workload:1")

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// needs skips a test whose environment is missing; under CI that is a failure.
func needs(t *testing.T, vars ...string) {
	t.Helper()
	for _, v := range vars {
		if os.Getenv(v) == "" {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not set: run make test", v)
			}
			t.Skipf("%s is not set: run make test", v)
		}
	}
}

// full tells whether the long scenarios are asked for (make test-full).
func full() bool { return os.Getenv("TAPIO_FULL") != "" }

func client(t *testing.T) kubernetes.Interface {
	t.Helper()
	needs(t, "KUBECONFIG")
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// namespace makes a namespace for one test.
func namespace(t *testing.T, c kubernetes.Interface, labels map[string]string) string {
	t.Helper()
	ns, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "tapio-e2e-", Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		now := int64(0)
		if err := c.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Log(err)
		}
	})
	return ns.Name
}

// apply runs kubectl apply on a manifest.
func apply(t *testing.T, ns, manifest string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", "-n", ns, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(manifest, "WORKLOAD_IMAGE", workloadImage))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// command runs a program and returns all it wrote.
func command(t *testing.T, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute) // also while a test cleans up
	defer cancel()
	return exec.CommandContext(ctx, name, args...).CombinedOutput()
}

// pod is the manifest of a pod with one container "app".
func pod(name, limit string, args ...string) string {
	quoted, _ := json.Marshal(args)
	resources := ""
	if limit != "" {
		resources = fmt.Sprintf("resources: {limits: {memory: %s}}, ", limit)
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, %sargs: %s}
---
`, name, name, resources, quoted)
}

// eventually polls until ok, for at most two minutes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// status waits until the pod's container "app" satisfies ok.
func status(t *testing.T, c kubernetes.Interface, ns, name, what string, ok func(corev1.ContainerStatus) bool) corev1.ContainerStatus {
	t.Helper()
	var last corev1.ContainerStatus
	eventually(t, what, func() bool {
		p, err := c.CoreV1().Pods(ns).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || len(p.Status.ContainerStatuses) == 0 {
			return false
		}
		last = p.Status.ContainerStatuses[0]
		return ok(last)
	})
	return last
}

func oomKilled(s corev1.ContainerStatus) bool {
	return s.LastTerminationState.Terminated != nil && s.LastTerminationState.Terminated.Reason == "OOMKilled"
}

func isRunning(s corev1.ContainerStatus) bool { return s.State.Running != nil }

// result is what one run of the plugin gave.
type result struct {
	stdout, stderr string
	code           int
}

// tapio runs the plugin.
func tapio(t *testing.T, env []string, args ...string) result {
	t.Helper()
	needs(t, "TAPIO_PLUGIN")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv("TAPIO_PLUGIN"), args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String()}
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		r.code = failed.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return r
}

// explain runs kubectl tapio explain -o json and returns the story, which the
// tape of the run must tell as well.
func explain(t *testing.T, args ...string) *story.Story {
	t.Helper()
	r := record(t, append([]string{"-v"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	t.Logf("stderr:\n%s", r.stderr)
	var s story.Story
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	r.kept(t)
	return &s
}
