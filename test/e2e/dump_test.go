//go:build live

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
)

// TestDumpTellsTheSame: what kubectl cluster-info dump writes about a fault
// tells what the live cluster tells, without a cluster.
func TestDumpTellsTheSame(t *testing.T) {
	t.Parallel()
	ns := namespace(t, client(t), nil)
	apply(t, ns, pod("leaky", "32Mi", "leak", "--until", "200Mi"))
	live := explained(t, nil, "pod/leaky", "-n", ns, "--no-probe")
	for deadline := time.Now().Add(90 * time.Second); live.Verdict != story.Explained && time.Now().Before(deadline); time.Sleep(time.Second) {
		live = explained(t, nil, "pod/leaky", "-n", ns, "--no-probe")
	}
	if live.Verdict != story.Explained {
		t.Fatalf("live: %s", live.Headline)
	}
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"dump":     {"cluster-info", "dump", "-n", ns, "--namespaces", ns + ",kube-system", "--output-directory", filepath.Join(dir, "dump")},
		"dump.yml": {"cluster-info", "dump", "-n", ns, "--namespaces", ns, "-o", "yaml", "--output-directory", filepath.Join(dir, "dump.yml")},
		"get.yaml": {"-n", ns, "get", "pods,events,services,configmaps", "-o", "yaml"},
		"get.json": {"-n", ns, "get", "pods,events,services,configmaps", "-o", "json"},
	} {
		out, err := exec.CommandContext(t.Context(), "kubectl", args...).Output()
		if err != nil {
			t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
		}
		path := filepath.Join(dir, name)
		if strings.HasPrefix(name, "get") {
			if err := os.WriteFile(path, out, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := explained(t, []string{"KUBECONFIG=/dev/null"}, "pod/leaky", "-n", ns, "--from", path)
		if got.Verdict != live.Verdict || len(got.Hypotheses) == 0 {
			t.Errorf("%s: %s, live %s", name, got.Headline, live.Headline)
			continue
		}
		if g, l := got.Hypotheses[0], live.Hypotheses[0]; g.Cause != l.Cause || g.Entity != l.Entity || g.Status != l.Status {
			t.Errorf("%s: %s of %v, live %s of %v", name, g.Cause, g.Entity, l.Cause, l.Entity)
		}
	}
}

func explained(t *testing.T, env []string, args ...string) *story.Story {
	t.Helper()
	r := tapio(t, env, append([]string{"explain", "-o", "json"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	s := &story.Story{}
	if err := json.Unmarshal([]byte(r.stdout), s); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	return s
}

const readsPods = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NAMESPACE}
rules:
- {apiGroups: [""], resources: [pods, services], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [apps], resources: [deployments, replicasets], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: NAMESPACE-reader, apiGroup: rbac.authorization.k8s.io}]
`

// TestNamespaceRightsOnly: who may read a part of one namespace gets its story, and is
// told in the story what was not read.
func TestNamespaceRightsOnly(t *testing.T) {
	t.Parallel()
	ns := namespace(t, client(t), nil)
	apply(t, ns, pod("leaky", "32Mi", "leak", "--until", "200Mi"))
	apply(t, ns, strings.ReplaceAll(readsPods, "NAMESPACE", ns))
	config, err := exec.CommandContext(t.Context(), os.Getenv("TAPIO_LABCTL"), "user", ns+"-reader").Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"KUBECONFIG=" + path}
	var s *story.Story
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(time.Second) {
		if s = explained(t, env, "pod/leaky", "-n", ns, "--no-probe"); s.Verdict == story.Explained {
			break
		}
	}
	if s.Verdict != story.Explained || !strings.HasPrefix(s.Hypotheses[0].Cause, "memory/limit-") {
		t.Fatalf("%s: %s", s.Verdict, s.Headline)
	}
	told := false
	for _, u := range s.Unseen {
		told = told || strings.Contains(u.Why, "no right to list them")
	}
	if !told {
		t.Errorf("the story does not tell what may not be read: %v", s.Unseen)
	}
}
