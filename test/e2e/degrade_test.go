//go:build live

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/yairfalse/tapio/probe/launch"
)

// rights is everything that a probe needs in its namespace, as rules of a Role.
var rights = []launch.Right{
	{Verb: "create", Group: "batch", Resource: "jobs"}, {Verb: "delete", Group: "batch", Resource: "jobs"},
	{Verb: "patch", Group: "batch", Resource: "jobs"}, {Verb: "create", Resource: "configmaps"},
	{Verb: "list", Resource: "pods"}, {Verb: "watch", Resource: "pods"}, {Verb: "get", Resource: "pods"},
	{Verb: "create", Resource: "pods", Subresource: "portforward"}, {Verb: "create", Resource: "pods"},
}

// grant gives a user the right to read pods in the target's namespace, to get
// nodes unless that is missing, and all rights but one in the probes'.
func grant(t *testing.T, user, target, probes, missing string) {
	t.Helper()
	apply(t, target, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user))
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[1]s}
rules:
`, user)
	for _, r := range rights {
		if r.Verb+" "+r.Name() != missing {
			fmt.Fprintf(&b, "- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", r.Group, r.Name(), r.Verb)
		}
	}
	apply(t, probes, b.String())
	if missing == "get nodes" {
		return
	}
	apply(t, target, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user))
	t.Cleanup(func() {
		out, err := exec.CommandContext(context.Background(), "kubectl", "delete", "clusterrole,clusterrolebinding", user).CombinedOutput()
		if err != nil {
			t.Logf("%v\n%s", err, out)
		}
	})
}

// TestDegradeRights takes away one right after the other: the story is told
// all the same, at once, and one sentence says which right to ask for.
func TestDegradeRights(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("web", "64Mi", "pause"))
	status(t, c, ns, "web", "web runs", isRunning)
	for _, missing := range []string{
		"create jobs", "delete jobs", "patch jobs", "create configmaps", "list pods", "watch pods",
		"create pods/portforward", "create pods", "get nodes",
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			probes := namespace(t, c, nil)
			name := "tapio-without-" + strings.NewReplacer(" ", "-", "/", "-").Replace(missing)
			grant(t, name, ns, probes, missing)
			began := time.Now()
			r := tapio(t, []string{"KUBECONFIG=" + user(t, name)}, "explain", "pod/web", "-n", ns, "--probe-namespace="+probes, "--duration=3s")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			degraded(t, c, r, "without-"+strings.TrimPrefix(name, "tapio-without-"), ns, probes)
		})
	}
}

// degraded checks what every degraded run must be: a story, short lines, and
// nothing left; and compares it with the golden file.
func degraded(t *testing.T, c kubernetes.Interface, r result, name, ns, probes string) {
	t.Helper()
	if r.code != 0 || !strings.Contains(r.stdout, "web") {
		t.Errorf("exit %d", r.code)
	}
	for line := range strings.Lines(r.stderr + r.stdout) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 120 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	golden(t, name, mask(r, ns, probes))
	left, err := c.BatchV1().Jobs(probes).List(t.Context(), metav1.ListOptions{LabelSelector: launch.LabelManagedBy + "=" + launch.ManagedBy})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d Jobs are left: %v", len(left.Items), err)
	}
}

// TestDegradeAdmission meets what a real API server says no with.
func TestDegradeAdmission(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("web", "64Mi", "pause"))
	status(t, c, ns, "web", "web runs", isRunning)
	for name, tt := range map[string]struct {
		labels   map[string]string
		manifest string // PROBES is the probes' namespace
		cluster  string // kind and name of what is not in a namespace
		flags    []string
	}{
		"admission-restricted": {labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
		"admission-baseline":   {labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}, flags: []string{"--profile=caps"}},
		"admission-quota": {manifest: `apiVersion: v1
kind: ResourceQuota
metadata: {name: nothing-more}
spec: {hard: {pods: "0"}}
`},
		"admission-limits": {manifest: `apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec: {limits: [{type: Container, max: {memory: 16Mi}, defaultRequest: {memory: 8Mi}}]}
`},
		"admission-webhook-down": {cluster: "validatingwebhookconfiguration/PROBES", manifest: `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: PROBES}
webhooks:
- name: guard.example.com
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 2
  admissionReviewVersions: [v1]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: PROBES}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  clientConfig: {service: {namespace: PROBES, name: guard, port: 443}}
`},
		"admission-policy": {cluster: "validatingadmissionpolicy,validatingadmissionpolicybinding/PROBES", manifest: `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: PROBES}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "!has(object.spec.hostPID) || !object.spec.hostPID", message: host namespaces are not for pods}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: PROBES}
spec:
  policyName: PROBES
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: PROBES}}}
`},
		"admission-no-namespace": {flags: []string{"--probe-namespace=no-such-namespace"}},
		"admission-priority":     {flags: []string{"--priority-class=no-such-class"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			probes := namespace(t, c, tt.labels)
			if tt.manifest != "" {
				apply(t, probes, strings.ReplaceAll(tt.manifest, "PROBES", probes))
			}
			if tt.cluster != "" {
				kinds, _, _ := strings.Cut(tt.cluster, "/")
				t.Cleanup(func() {
					out, err := exec.CommandContext(context.Background(), "kubectl", "delete", kinds, probes).CombinedOutput()
					if err != nil {
						t.Errorf("%v\n%s", err, out)
					}
				})
				time.Sleep(2 * time.Second) // the API server learns of it through a watch
			}
			args := append([]string{"explain", "pod/web", "-n", ns, "--duration=3s", "--probe-namespace=" + probes}, tt.flags...)
			degraded(t, c, tapio(t, nil, args...), name, ns, probes)
		})
	}
}

// running is a plugin whose probe sees.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	mu             sync.Mutex
}

// Write takes standard error.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.Write(p)
}

// explaining starts a long run against the pod "web" and waits for its probe.
func explaining(t *testing.T, c kubernetes.Interface, ns, probes string, flags ...string) (r *running, probePod string) {
	t.Helper()
	needs(t, "TAPIO_PLUGIN")
	r = &running{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	args := append([]string{"explain", "pod/web", "-n", ns, "--full", "--duration=40s", "--probe-namespace=" + probes}, flags...)
	r.cmd = exec.CommandContext(ctx, os.Getenv("TAPIO_PLUGIN"), args...)
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the probe runs", func() bool {
		pods, err := c.CoreV1().Pods(probes).List(t.Context(), metav1.ListOptions{LabelSelector: launch.LabelManagedBy + "=" + launch.ManagedBy})
		if err != nil || len(pods.Items) == 0 || len(pods.Items[0].Status.ContainerStatuses) == 0 {
			return false
		}
		probePod = pods.Items[0].Name
		return pods.Items[0].Status.ContainerStatuses[0].State.Running != nil
	})
	time.Sleep(2 * time.Second) // for its hello
	return r, probePod
}

// wait returns what the run gave.
func (r *running) wait(t *testing.T) result {
	t.Helper()
	err := r.cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		t.Errorf("%v\n%s", err, r.stderr.String())
	}
	return result{stdout: r.stdout.String(), stderr: r.stderr.String(), code: r.cmd.ProcessState.ExitCode()}
}

// TestDegradeMidRun breaks what a running probe stands on: the run ends early
// with a sentence that says what happened.
func TestDegradeMidRun(t *testing.T) {
	c := client(t)
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	for name, tt := range map[string]struct {
		breaks func(ns, probes, pod string) error
		early  bool
	}{
		"midrun-probe-deleted": {early: true, breaks: func(_, probes, pod string) error {
			return c.CoreV1().Pods(probes).Delete(t.Context(), pod, metav1.DeleteOptions{})
		}},
		"midrun-probe-killed": {early: true, breaks: func(_, probes, pod string) error {
			return c.CoreV1().Pods(probes).Delete(t.Context(), pod, now)
		}},
		"midrun-job-deleted": {early: true, breaks: func(_, probes, _ string) error {
			background := metav1.DeletePropagationBackground
			return c.BatchV1().Jobs(probes).DeleteCollection(t.Context(), metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{})
		}},
		"midrun-namespace-deleted": {early: true, breaks: func(_, probes, _ string) error {
			return c.CoreV1().Namespaces().Delete(t.Context(), probes, metav1.DeleteOptions{})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, probes := namespace(t, c, nil), namespace(t, c, nil)
			apply(t, ns, pod("web", "64Mi", "pause"))
			status(t, c, ns, "web", "web runs", isRunning)
			r, probe := explaining(t, c, ns, probes)
			broke := time.Now()
			if err := tt.breaks(ns, probes, probe); err != nil {
				t.Fatal(err)
			}
			got := r.wait(t)
			if took := time.Since(broke); tt.early && took > 15*time.Second {
				t.Errorf("it took %s until the run ended", took)
			} else {
				t.Logf("the run ended %s later", took.Round(100*time.Millisecond))
			}
			degraded(t, c, got, name, ns, probes)
		})
	}
}
