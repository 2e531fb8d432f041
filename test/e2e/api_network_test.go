//go:build live

package e2e

import (
	"fmt"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// svc is a Service with one port.
func svc(name, selector, port, more string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec:\n  selector: %s\n  ports: [%s]\n%s---\n", name, selector, port, more)
}

// caller calls a Service on its port 80 for ever.
func caller(service string) string {
	return podOf("caller", "", container("app", "", "call", "http://"+service+":80/", "--every=500ms"))
}

func TestAPINetwork(t *testing.T) {
	server := func(name string) string {
		return podOf(name, "", container("app", "ports: [{name: web, containerPort: 8080}], readinessProbe: {periodSeconds: 1, httpGet: {path: /ready, port: 8080}}", "serve", "--port=8080"))
	}
	const port = "{port: 80, targetPort: 8080}"
	service := func(name string) story.Entity { return story.Entity{Kind: "Service", Name: name} }
	gateway := func(target string) string {
		conf := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gateway}\ndata:\n  gateway.conf: |\n"
		for _, r := range [][2]string{{"carts", "carts"}, {"orders", target}, {"users", "users"}, {"prices", "prices"}} {
			conf += fmt.Sprintf("    location /%s/ { proxy_pass http://%s; }\n", r[0], r[1])
		}
		out := conf + "---\n" + server("backend") +
			podOf("gateway", "volumes: [{name: conf, configMap: {name: gateway}}]", container("app", "volumeMounts: [{name: conf, mountPath: /etc/gateway}]", "pause"))
		for _, name := range []string{"carts", "orders", "users", "prices"} {
			out += svc(name, "{app: backend}", port, "")
		}
		return out
	}
	runAPICases(t, []apiCase{
		{
			name: "selector of another spelling", cause: "network/selector-mismatch", entity: service("front"),
			manifest: server("front") + svc("front", "{app: fronted}", port, "") + caller("front"),
			says:     []string{"selector app=fronted matches no pod; 1 pod (1 ready) carry app=front"}, not: []string{"network/no-endpoints", "network/target-port"},
		},
		{
			name: "selector that nobody is near", cause: "network/no-endpoints", entity: service("front"),
			manifest: server("other") + svc("front", "{app: front}", port, "") + caller("front"), not: []string{"network/selector-mismatch"},
		},
		{
			name: "targetPort by number", cause: "network/target-port", entity: service("front"), target: []string{"pod/caller"},
			manifest: server("front") + svc("front", "{app: front}", "{port: 80, targetPort: 8081}", "") + caller("front"),
			says:     []string{"targetPort 8081, which no container behind it declares; they listen on 8080"}, not: []string{"network/refused", "network/service-protocol", "network/no-endpoints"},
		},
		{
			name: "targetPort by name", cause: "network/target-port", entity: service("front"),
			manifest: server("front") + svc("front", "{app: front}", "{port: 80, targetPort: http}", "") + caller("front"),
			says:     []string{"targetPort http, a name that no container behind it declares"},
		},
		{
			name: "another transport", cause: "network/service-protocol", entity: service("front"),
			manifest: server("front") + svc("front", "{app: front}", "{port: 80, targetPort: 8080, protocol: UDP}", "") + caller("front"),
			not:      []string{"network/target-port", "network/no-endpoints"},
		},
		{
			name: "a Service of two workloads", cause: "network/selector-too-wide", entity: service("front"),
			manifest: server("front") + podOf("db", "", container("app", "ports: [{containerPort: 9090}]", "serve", "--port=9090")) +
				svc("front", "{shop: a}", port, "") + svc("db", "{app: db}", "{port: 9090}", ""),
			after: func(t *testing.T, ns string) { labelAll(t, ns, "shop", "a") },
			says:  []string{"about 50 of 100 calls go astray"},
		},
		{
			name: "nobody listens behind ready pods", cause: "network/refused", entity: service("front"), target: []string{"pod/caller"},
			manifest: podOf("front", "", container("app", "", "pause")) + svc("front", "{app: front}", port, "") + caller("front"),
			not:      []string{"network/target-port", "network/no-endpoints", "network/selector-mismatch"},
		},
		{
			name: "traffic that stays on the node", cause: "network/traffic-policy-local", entity: service("front"),
			manifest: podOf("front", "nodeName: n1", container("app", "ports: [{containerPort: 8080}]", "serve", "--port=8080")) +
				svc("front", "{app: front}", port, "  internalTrafficPolicy: Local\n") +
				podOf("caller", "nodeName: n2", container("app", "", "call", "http://front:80/", "--every=500ms")),
			not: []string{"network/no-endpoints", "network/refused"},
		},
		{
			name: "a route that breaks the pattern", cause: "network/gateway-route", entity: service("orders"),
			manifest: gateway("prices"), says: []string{"route /orders/ in ConfigMap gateway gateway.conf leads to prices, not to orders"},
		},
		{
			name: "an Ingress to a port that is not there", cause: "network/gateway-route", entity: service("front"),
			manifest: server("front") + svc("front", "{app: front}", port, "") +
				"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  rules:\n  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 8080}}}}]}\n---\n",
		},
		{name: "routes that lead where they tell", manifest: gateway("orders")},
		{
			name: "a policy that nobody minds",
			manifest: server("front") + svc("front", "{app: front}", port, "") + caller("front") +
				"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {matchLabels: {app: front}}, policyTypes: [Ingress]}\n---\n",
		},
	})
}
