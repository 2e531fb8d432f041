package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
)

func TestDescribePlan(t *testing.T) {
	const image = "registry.k8s.io/pause:3.10"
	denied := func(node string) session.NodePlan {
		return session.NodePlan{Name: node, Refused: &launch.Refused{Node: node, Reason: launch.NoRight, What: "no right to create jobs in kube-system", Ask: "ask for that right"}}
	}
	infos := map[string]corev1.NodeSystemInfo{
		"a": {OperatingSystem: "linux", Architecture: "amd64", KernelVersion: "6.8.0-31-generic"},
		"b": {OperatingSystem: "linux", Architecture: "arm64", KernelVersion: "5.15.0"},
	}
	var many []session.NodePlan
	for _, n := range strings.Split("abcdefghijk", "") {
		many = append(many, denied(n))
	}
	for name, tt := range map[string]struct {
		nodes []session.NodePlan
		want  string
	}{
		"all": {[]session.NodePlan{{Name: "a", Image: image}, {Name: "b", Image: image}}, `PROBES    would run on 2 of 2 nodes, in kube-system, privileged
NODE      a: linux/amd64, kernel 6.8.0-31-generic, carried by registry.k8s.io/pause:3.10
NODE      b: linux/arm64, kernel 5.15.0, carried by registry.k8s.io/pause:3.10; older than 6.1: kernel log and counters only
`},
		"one is down": {[]session.NodePlan{{Name: "a", Image: image}, {Name: "z", Refused: &launch.Refused{Node: "z", Reason: launch.BadNode, What: "node z is not ready"}}},
			`PROBES    would run on 1 of 2 nodes, in kube-system, privileged
NOT ON    z
          node z is not ready
NODE      a: linux/amd64, kernel 6.8.0-31-generic, carried by registry.k8s.io/pause:3.10
          without a probe explain tells the story from the API
`},
		"no rights": {many, `PROBES    would run on 0 of 11 nodes, in kube-system, privileged
NOT ON    a, b, c, d, e, f, g, h and 3 more
          no right to create jobs in kube-system; ask for that right
DO        kubectl tapio preflight --grant -o yaml   prints what to ask for
          without a probe explain tells the story from the API
`},
		"hostile": {[]session.NodePlan{{Name: "a\x1b[2J", Image: image}}, "PROBES    would run on 1 of 1 node, in kube-system, privileged\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			describePlan(&out, "kube-system", "privileged", tt.nodes, infos)
			if name == "hostile" {
				if strings.Contains(out.String(), "\x1b") || !strings.HasPrefix(out.String(), tt.want) {
					t.Errorf("%q", out.String())
				}
				return
			}
			if d := cmp.Diff(tt.want, out.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The roles that are printed grant every right that a launch asks for, and no
// more.
func TestGrants(t *testing.T) {
	var out bytes.Buffer
	if err := printObjects(&out, grants("jane", "ops", true), "yaml"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "grant.yaml")
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
	if strings.Contains(func() string {
		var b bytes.Buffer
		_ = printObjects(&b, grants("jane", "ops", false), "yaml")
		return b.String()
	}(), "configmaps") {
		t.Error("a probe image needs no ConfigMaps")
	}
}
