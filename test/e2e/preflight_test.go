//go:build live

package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// Whoever has no rights learns what to ask for, and what was asked for is
// enough.
func TestPreflight(t *testing.T) {
	c := client(t)
	probes := namespace(t, c, nil)
	env := []string{"KUBECONFIG=" + user(t, "tapio-preflight")}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"preflight"}, 1, "error: no right to list nodes: name some"},
		{[]string{"preflight", "n1"}, 0, "would run on 0 of 1 node"},
		{[]string{"preflight", "-o", "yaml"}, 1, "is the format of --grant"},
	} {
		if r := tapio(t, env, tt.args...); r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.says) {
			t.Errorf("%v: exit %d\n%s%s", tt.args, r.code, r.stderr, r.stdout)
		}
	}
	roles := tapio(t, env, "preflight", "--grant", "-o", "yaml", "--probe-namespace="+probes)
	if roles.code != 0 {
		t.Fatalf("exit %d\n%s", roles.code, roles.stderr)
	}
	apply(t, probes, roles.stdout)
	t.Cleanup(func() {
		out, err := exec.CommandContext(context.Background(), "kubectl", "delete", "clusterrole,clusterrolebinding", "tapio-probes").CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	eventually(t, "the roles are enough", func() bool {
		r := tapio(t, env, "preflight", "--probe-namespace="+probes)
		return r.code == 0 && strings.Contains(r.stdout, "would run on 2 of 2 nodes, in "+probes)
	})
}
