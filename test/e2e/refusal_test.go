//go:build live

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a user reads when something is in the way: one clear sentence, or the
// story from the API with a word on why there is no probe. Names and times that
// differ from run to run are masked.
func TestRefusals(t *testing.T) {
	c := client(t)
	restricted := namespace(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	ns := namespace(t, c, nil)
	apply(t, ns, pod("web", "64Mi", "pause"))
	status(t, c, ns, "web", "web runs", isRunning)
	stranger := user(t, "tapio-stranger")
	reader := user(t, "tapio-reader")
	apply(t, ns, `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tapio-reader}]
`)
	tests := []struct {
		name string
		env  []string
		args []string
		code int
	}{
		{name: "unknown-pod", args: []string{"explain", "pod/nobody", "-n", ns}, code: 1},
		{name: "unknown-kind", args: []string{"explain", "wat/nobody", "-n", ns}, code: 1},
		{name: "bad-flag", args: []string{"explain", "pod/web", "-n", ns, "--frobnicate"}, code: 1},
		{name: "bad-format", args: []string{"explain", "pod/web", "-n", ns, "-o", "xml"}, code: 1},
		{name: "bad-observer", args: []string{"explain", "pod/web", "-n", ns, "--observers=crystal-ball"}, code: 1},
		{name: "no-cluster", env: []string{"KUBECONFIG=/nonexistent"}, args: []string{"explain", "pod/web"}, code: 1},
		{name: "cluster-down", args: []string{"explain", "pod/web", "-n", ns, "--server=https://127.0.0.1:1"}, code: 1},
		{name: "no-rights-at-all", env: []string{"KUBECONFIG=" + stranger}, args: []string{"explain", "pod/web", "-n", ns}, code: 1},
		{name: "may-not-create-probes", env: []string{"KUBECONFIG=" + reader}, args: []string{"explain", "pod/web", "-n", ns}},
		{name: "pod-security", args: []string{"explain", "pod/web", "-n", ns, "--probe-namespace=" + restricted}},
		{name: "no-probe", args: []string{"explain", "pod/web", "-n", ns, "--no-probe"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tapio(t, tt.env, tt.args...)
			if r.code != tt.code {
				t.Errorf("exit %d, want %d", r.code, tt.code)
			}
			for _, line := range strings.Split(r.stderr+r.stdout, "\n") {
				if len(line) > 160 {
					t.Errorf("%d characters: %s", len(line), line)
				}
			}
			golden(t, tt.name, mask(r, ns, restricted))
		})
	}
}

var (
	clock   = regexp.MustCompile(`\b\d\d:\d\d:\d\d UTC`)
	seconds = regexp.MustCompile(`\b\d+\.\d+s\b`)
	facts   = regexp.MustCompile(`\b\d+ facts`)
	node    = regexp.MustCompile(`\bn[12]\b`)
	percent = regexp.MustCompile(`\b\d+% of its`)
)

func mask(r result, ns, restricted string) string {
	s := "stderr:\n" + r.stderr + "stdout:\n" + r.stdout
	s = strings.ReplaceAll(s, ns, "NAMESPACE")
	s = strings.ReplaceAll(s, restricted, "RESTRICTED")
	s = clock.ReplaceAllString(s, "TIME")
	s = seconds.ReplaceAllString(s, "SECONDS")
	s = facts.ReplaceAllString(s, "N facts")
	s = percent.ReplaceAllString(s, "P% of its")
	return node.ReplaceAllString(s, "NODE")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
