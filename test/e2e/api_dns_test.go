//go:build live

package e2e

import (
	"os/exec"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// labelAll puts a label on all pods of a namespace.
func labelAll(t *testing.T, ns, key, value string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "kubectl", "-n", ns, "label", "pods", "--all", key+"="+value).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAPIDNS(t *testing.T) {
	const target = "{port: 80, targetPort: 8080}"
	front := podOf("front", "", container("app", "ports: [{containerPort: 8080}]", "serve", "--port=8080")) + svc("front", "{app: front}", target, "")
	call := container("app", "", "call", "http://front:80/", "--every=500ms")
	entity := story.Entity{Kind: "Pod", Name: "caller"}
	runAPICases(t, []apiCase{
		{
			name: "a foreign name server", cause: "dns/policy-wrong", entity: entity,
			manifest: front + podOf("caller", "dnsPolicy: None\n  dnsConfig: {nameservers: [\"10.255.5.254\"]}", call),
		},
		{
			name: "the node's name servers on the host network", cause: "dns/policy-wrong", entity: entity,
			manifest: front + podOf("caller", "hostNetwork: true\n  dnsPolicy: ClusterFirst", call),
			says:     []string{"ClusterFirstWithHostNet would"}, not: []string{"dns/name-not-found", "config/address-wrong"},
		},
		{
			name:     "the cluster's names on the host network",
			manifest: front + podOf("caller", "hostNetwork: true\n  dnsPolicy: ClusterFirstWithHostNet", call),
		},
		{
			name: "an alias over a Service", cause: "dns/policy-wrong", entity: entity,
			manifest: front + podOf("caller", "hostAliases: [{ip: 127.0.0.1, hostnames: [front]}]", call),
			says:     []string{"hostAliases fix the name of Service front to 127.0.0.1"}, not: []string{"network/refused"},
		},
		{
			name: "a name that no Service has", cause: "dns/name-not-found", entity: story.Entity{Kind: "Pod", Name: "caller", Container: "app"},
			manifest: front + podOf("caller", "", container("app", `command: [/bin/sh, -c, "a=fro; exec /workload call http://$${a}ntend:80/ --every=500ms"]`)),
			not:      []string{"dns/server-down", "dns/policy-wrong"},
		},
	})
}
