//go:build live

package e2e

import (
	"fmt"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// pulls is the manifest of a pod on n1 whose image must be had from elsewhere.
func pulls(name, image, policy, of string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s}
spec: {nodeName: n1, terminationGracePeriodSeconds: 0, %s containers: [{name: app, image: "%s", imagePullPolicy: %s}]}
---
`, name, of, image, policy)
}

// registry is a pod on n1 that answers as a registry which has nothing, on the
// node's own loopback address, where the runtime speaks plain HTTP. rule is a
// line of the server's access rules.
func registry(port int, rule string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: registry}
spec:
  nodeName: n1
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - name: httpd
    image: "WORKLOAD_IMAGE"
    command: ["/bin/sh", "-c", "echo '%s' > /httpd.conf; exec /bin/busybox httpd -f -p 127.0.0.1:%d -h /bin -c /httpd.conf"]
---
`, rule, port)
}

func TestAPIImage(t *testing.T) {
	waits := func(name string) story.Entity { return story.Entity{Kind: "Pod", Name: name, Container: "app"} }
	runAPICases(t, []apiCase{
		{
			name: "never", manifest: pulls("never", "lab.local/absent:1", "Never", ""), target: []string{"pod/never"},
			cause: "image/unusable", entity: waits("never"), not: []string{"image/not-found", "image/pull-denied"}, says: []string{"imagePullPolicy Never"},
		},
		{
			name: "name", manifest: pulls("name", "lab.local/Upper:1:2", "IfNotPresent", ""), target: []string{"pod/name"},
			cause: "image/unusable", entity: waits("name"), not: []string{"image/not-found"}, says: []string{"no valid image name"},
		},
		{
			name: "registry's name", manifest: pulls("dns", "registry.invalid/team/api:1", "IfNotPresent", ""), target: []string{"pod/dns"},
			cause: "image/registry-dns", entity: waits("dns"), not: []string{"image/registry-unreachable", "image/not-found"}, says: []string{"registry.invalid"},
		},
		{
			name: "registry does not answer", manifest: pulls("refused", "127.0.0.1:1/team/api:1", "IfNotPresent", ""), target: []string{"pod/refused"},
			cause: "image/registry-unreachable", entity: waits("refused"), not: []string{"image/registry-dns", "image/pull-denied"},
		},
		{
			name: "no such tag", manifest: registry(15901, "") + pulls("tag", "127.0.0.1:15901/team/api:9", "IfNotPresent", ""), target: []string{"pod/tag"},
			cause: "image/not-found", entity: waits("tag"), not: []string{"image/pull-denied"}, says: []string{"does not exist"},
		},
		{
			name: "denied, the pull secret is absent", target: []string{"pod/denied"},
			manifest: registry(15902, "/:user:word") + pulls("denied", "127.0.0.1:15902/team/api:9", "IfNotPresent", "imagePullSecrets: [{name: regcred}],"),
			cause:    "image/pull-denied", entity: waits("denied"), not: []string{"image/not-found"}, says: []string{"pull secret regcred does not exist"},
		},
		{
			name: "there", manifest: pulls("there", "WORKLOAD_IMAGE", "IfNotPresent", ""), target: []string{"pod/there"},
			cause: "exit/panic-or-usage", entity: waits("there"), not: []string{"image/not-found", "image/unusable"}, // the workload without arguments
		},
	})
}
