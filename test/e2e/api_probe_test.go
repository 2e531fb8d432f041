//go:build live

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// container is a container of the workload's image with further fields of its
// spec, in the flow style of YAML.
func container(name, fields string, args ...string) string {
	quoted, _ := json.Marshal(args)
	if fields != "" {
		fields = ", " + fields
	}
	return fmt.Sprintf(`{name: %s, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, args: %s%s}`, name, quoted, fields)
}

// podOf is a pod labelled app=NAME, with further fields of its spec.
func podOf(name, spec string, containers ...string) string {
	out := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {app: %s}}\nspec:\n  terminationGracePeriodSeconds: 1\n", name, name)
	if spec != "" {
		out += "  " + spec + "\n"
	}
	out += "  containers:\n"
	for _, c := range containers {
		out += "  - " + c + "\n"
	}
	return out + "---\n"
}

// slowly is a server that begins to listen late.
func slowly(name, seconds, fields string) string {
	return container(name, `command: [/bin/sh, -c, "sleep `+seconds+`; exec /workload serve --port=8080"], ports: [{containerPort: 8080}], `+fields)
}

func TestAPIProbes(t *testing.T) {
	const declared = "ports: [{name: web, containerPort: 8080}], "
	serve := func(fields string) string { return container("app", declared+fields, "serve", "--port=8080") }
	web := story.Entity{Kind: "Pod", Name: "web", Container: "app"}
	runAPICases(t, []apiCase{
		{
			name: "readiness at another port", cause: "probe/readiness-port", entity: web,
			manifest: podOf("web", "", serve("readinessProbe: {periodSeconds: 1, httpGet: {port: 8081}}, livenessProbe: {periodSeconds: 1, httpGet: {path: /live, port: 8080}}")),
			says:     []string{"readiness probe asks HTTP on port 8081; the container listens on 8080"}, not: []string{"probe/readiness-protocol", "probe/readiness-failing"},
		},
		{
			name: "readiness at a path that is not there", cause: "probe/readiness-port", entity: web,
			manifest: podOf("web", "", serve("readinessProbe: {periodSeconds: 1, httpGet: {path: /nope, port: web}}")),
			says:     []string{`asks path "/nope", which the server answers with status 404`}, not: []string{"probe/readiness-failing"},
		},
		{
			name: "readiness in gRPC to an HTTP server", cause: "probe/readiness-protocol", entity: web,
			manifest: podOf("web", "", serve("readinessProbe: {periodSeconds: 1, grpc: {port: 8080}}, livenessProbe: {periodSeconds: 1, httpGet: {path: /live, port: 8080}}")),
			not:      []string{"probe/readiness-port", "probe/readiness-failing"},
		},
		{
			name: "not ready by its own word", cause: "probe/readiness-failing", entity: web,
			manifest: podOf("web", "", container("app", declared+"readinessProbe: {periodSeconds: 1, httpGet: {path: /ready, port: 8080}}", "serve", "--port=8080", "--ready-after=1h")),
			says:     []string{"HTTP status 503"}, not: []string{"probe/readiness-port", "probe/readiness-protocol"},
		},
		{
			name: "liveness at another port", cause: "probe/liveness-port", entity: web,
			manifest: podOf("web", "", serve("livenessProbe: {periodSeconds: 2, failureThreshold: 1, initialDelaySeconds: 12, tcpSocket: {port: 8081}}")),
			says:     []string{"liveness probe asks TCP on port 8081; the container listens on 8080"}, not: []string{"probe/liveness-too-eager", "exit/terminated-on-request"},
		},
		{
			name: "liveness in gRPC to an HTTP server", cause: "probe/liveness-protocol", entity: web,
			manifest: podOf("web", "", serve("livenessProbe: {periodSeconds: 2, failureThreshold: 2, initialDelaySeconds: 12, grpc: {port: 8080}}, readinessProbe: {periodSeconds: 1, httpGet: {path: /ready, port: 8080}}")),
			not:      []string{"probe/liveness-port", "probe/liveness-too-eager"},
		},
		{
			name: "liveness leaves no time to start", cause: "probe/liveness-too-eager", entity: web,
			manifest: podOf("web", "", slowly("app", "30", "livenessProbe: {periodSeconds: 1, failureThreshold: 2, initialDelaySeconds: 1, tcpSocket: {port: 8080}}")),
			not:      []string{"probe/liveness-port", "probe/liveness-kills-slow"},
		},
		{
			name: "startup probe gives up", cause: "probe/startup-too-slow", entity: web,
			manifest: podOf("web", "", slowly("app", "600", "startupProbe: {periodSeconds: 1, failureThreshold: 5, tcpSocket: {port: 8080}}")),
			not:      []string{"probe/liveness-too-eager", "probe/startup-port"},
		},
		{
			name: "probes at ports that no spec declares, and all pass", target: []string{"pod/web"},
			manifest: podOf("web", "", container("app", "readinessProbe: {periodSeconds: 1, httpGet: {path: /ready, port: 8080}}, livenessProbe: {periodSeconds: 1, tcpSocket: {port: 8080}}", "serve")),
		},
	})
}
