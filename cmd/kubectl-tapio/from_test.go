package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
)

const killedPod = `{"metadata":{"name":"cart-7d4-x","namespace":"shop","uid":"u1","labels":{"app":"cart","pod-template-hash":"7d4"},"creationTimestamp":"2026-03-01T12:00:00Z",
  "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"cart-7d4","uid":"r1","controller":true}]},
 "spec":{"nodeName":"n1","containers":[{"name":"main","image":"i","resources":{"limits":{"memory":"64Mi"}}}]},
 "status":{"phase":"Running","startTime":"2026-03-01T12:00:00Z","conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2026-03-01T12:10:00Z"}],
  "containerStatuses":[{"name":"main","ready":false,"restartCount":3,"containerID":"containerd://c2","state":{"waiting":{"reason":"CrashLoopBackOff"}},
   "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","containerID":"containerd://c1","startedAt":"2026-03-01T12:05:00Z","finishedAt":"2026-03-01T12:10:00Z"}}}]}}`

func list(kind, apiVersion string, items ...string) string {
	return `{"kind":"` + kind + `List","apiVersion":"` + apiVersion + `","items":[` + strings.Join(items, ",") + `]}`
}

func meta(namespace, name, rest string) string {
	return `{"metadata":{"name":"` + name + `","namespace":"` + namespace + `","uid":"` + name + `","creationTimestamp":"2026-03-01T12:00:00Z"` + rest + `}}`
}

// incident is a namespace with a workload that is OOM-killed.
func incident() map[string]string {
	return map[string]string{
		"shop/pods.json": list("Pod", "v1", killedPod),
		"shop/deployments.json": list("Deployment", "apps/v1", `{"metadata":{"name":"cart","namespace":"shop","uid":"d1","creationTimestamp":"2026-03-01T12:00:00Z"},
			"spec":{"replicas":1,"selector":{"matchLabels":{"app":"cart"}}},"status":{"replicas":1,"unavailableReplicas":1}}`),
		"shop/replicasets.json": list("ReplicaSet", "apps/v1", `{"metadata":{"name":"cart-7d4","namespace":"shop","uid":"r1","creationTimestamp":"2026-03-01T12:00:00Z",
			"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"cart","uid":"d1","controller":true}]},"spec":{"replicas":1}}`),
		"shop/services.json":          list("Service", "v1", `{"metadata":{"name":"cart","namespace":"shop"},"spec":{"selector":{"app":"cart"},"ports":[{"port":80}]}}`),
		"shop/events.json":            list("Event", "v1"),
		"shop/cart-7d4-x/logs.txt":    "==== START logs for container main of pod shop/cart-7d4-x ====\nhello\n==== END logs for container main of pod shop/cart-7d4-x ====\n",
		"kube-system/pods.json":       list("Pod", "v1", meta("kube-system", "dns", "")),
		"nodes.json":                  list("Node", "v1", `{"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-03-01T12:11:00Z"}]}}`),
		"case.json":                   `{"id":"x"}`,
		"kube-node-lease/leases.json": list("Lease", "coordination.k8s.io/v1", `{"metadata":{"name":"n1","namespace":"kube-node-lease"},"spec":{"renewTime":"2026-03-01T12:12:00.000000Z"}}`),
	}
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func told1(t *testing.T, args ...string) (*story.Story, string) {
	t.Helper()
	out, stderr, code := kubectlTapio(t, append([]string{"explain", "-o", "json"}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, stderr)
	}
	s := &story.Story{}
	if err := json.Unmarshal([]byte(out), s); err != nil {
		t.Fatal(err)
	}
	return s, stderr
}

// Every form of a target finds the kill in the files.
func TestFromFiles(t *testing.T) {
	dir := writeFiles(t, incident())
	for _, args := range [][]string{
		{}, {"-n", "shop"}, {"deploy/cart"}, {"cart"}, {"svc", "cart"}, {"pod/cart-7d4-x"}, {"rs/cart-7d4"}, {"-l", "app=cart"}, {"-A"},
		{"node/n1"}, {"ns/shop"}, {"cart", "--no-probe", "--since=2h"},
	} {
		s, stderr := told1(t, append(args, "--from", dir)...)
		if s.Verdict != story.Explained || s.Hypotheses[0].Cause != "memory/limit-oom" || s.Hypotheses[0].Entity.Name == "" {
			t.Errorf("%v: %s: %s", args, s.Verdict, s.Headline)
		}
		if want := time.Date(2026, 3, 1, 12, 12, 0, 0, time.UTC); !s.Window.To.Equal(want) {
			t.Errorf("%v: now is %v, want the newest time of the files", args, s.Window.To)
		}
		if !strings.Contains(stderr, "objects from 8 files; 1 files hold no objects") {
			t.Errorf("%v: %s", args, stderr)
		}
	}
	s, _ := told1(t, "cart", "--from", dir, "--now", "2026-03-01T13:00:00Z")
	if !s.Window.To.Equal(time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)) {
		t.Error(s.Window.To)
	}
}

// A broken file costs its own evidence and is named.
func TestFromFilesThatAreBroken(t *testing.T) {
	files := incident()
	files["shop/services.json"] = files["shop/services.json"][:40]
	s, _ := told1(t, "cart", "--from", writeFiles(t, files))
	if s.Verdict != story.Explained {
		t.Error(s.Headline)
	}
	var gaps []string
	for _, g := range s.Unseen {
		gaps = append(gaps, g.What+" "+g.Why)
	}
	if all := strings.Join(gaps, "\n"); !strings.Contains(all, "shop/services.json cannot be read to its end") || !strings.Contains(all, "the input holds none") {
		t.Errorf("the gaps do not name the file: %q", gaps)
	}
}

// A tape beside the files adds what its probes saw; what is kept of the whole
// tells the same story.
func TestFromFilesWithTape(t *testing.T) {
	files := incident()
	raw, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	files["run.tape"] = string(raw)
	dir := writeFiles(t, files)
	kept := filepath.Join(t.TempDir(), "kept.tape")
	s, _ := told1(t, "cart", "-n", "shop", "--from", dir, "--now", "2035-01-01T00:00:00Z", "--save", kept)
	if len(s.Coverage.Nodes) == 0 {
		t.Error("what the probes saw is not in the story")
	}
	again, _ := told1(t, "--from", kept)
	if document(t, s) != document(t, again) {
		t.Error("the tape that was kept tells another story")
	}
}

func TestFromFilesErrors(t *testing.T) {
	dir := writeFiles(t, incident())
	more := incident()
	more["bank/pods.json"] = list("Pod", "v1", meta("bank", "p", ""))
	two := writeFiles(t, more)
	empty := writeFiles(t, map[string]string{"case.json": `{"id":"x"}`})
	broken := writeFiles(t, map[string]string{"pods.json": `{"kind":`})
	for _, tt := range []struct {
		args []string
		part string
	}{
		{[]string{"--from", dir, "deploy/crt"}, `there is no deployment "crt" in namespace "shop": did you mean cart?`},
		{[]string{"--from", dir, "sts/x"}, "the input holds no statefulsets"},
		{[]string{"--from", dir, "-n", "bank"}, `the input holds nothing of namespace "bank": there are kube-system, shop`},
		{[]string{"--from", dir, "widget/x"}, "no kind that is known here"},
		{[]string{"--from", dir, "--duration", "5s"}, "--duration has no meaning with --from"},
		{[]string{"--from", dir, "--now", "noon"}, "--now wants a time"},
		{[]string{"--from", two, "cart"}, "the input holds several namespaces (bank, kube-system, shop): choose one with -n, or all with -A"},
		{[]string{"--from", empty}, "holds no Kubernetes objects"},
		{[]string{"--from", broken}, "no Kubernetes object can be read from"},
	} {
		stdout, stderr, code := kubectlTapio(t, append([]string{"explain"}, tt.args...)...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if code != 1 || stdout != "" || !strings.Contains(lines[len(lines)-1], tt.part) || len(lines) > 2 {
			t.Errorf("%v: exit %d, want %q: %s", tt.args, code, tt.part, stderr)
		}
	}
}
