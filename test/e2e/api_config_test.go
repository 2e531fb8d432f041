//go:build live

package e2e

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

func TestAPIConfig(t *testing.T) {
	const settings = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {port: "8080", host: redus}
---
`
	const redis = `apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {app: redis}, ports: [{port: 8080}]}
---
`
	server := redis + pod("redis", "", "serve")
	runAPICases(t, []apiCase{
		{
			name: "Secret absent", target: []string{"pod/nosecret"},
			manifest: made("nosecret", "", `args: [pause], env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db-creds, key: password}}}],`),
			cause:    "config/object-missing", entity: app("nosecret"), not: []string{"config/key-missing", "image/not-found"}, says: []string{"Secret db-creds does not exist in namespace NAMESPACE", "env PASSWORD"},
		},
		{
			name: "key absent", target: []string{"pod/nokey"},
			manifest: settings + made("nokey", "", `args: [pause], env: [{name: P, valueFrom: {configMapKeyRef: {name: settings, key: prot}}}],`),
			cause:    "config/key-missing", entity: app("nokey"), not: []string{"config/object-missing"}, says: []string{"ConfigMap settings has no key prot", "port"},
		},
		{
			name: "volume's ConfigMap absent", target: []string{"pod/novolume"},
			manifest: settings + made("novolume", `volumes: [{name: conf, configMap: {name: setings}}],`, `args: [pause], volumeMounts: [{name: conf, mountPath: /etc/app}],`),
			cause:    "config/object-missing", entity: story.Entity{Kind: "Pod", Name: "novolume"}, not: []string{"config/key-missing"}, says: []string{"ConfigMap setings does not exist", "there is settings"},
		},
		{
			name: "as root, which is forbidden", target: []string{"pod/root"}, manifest: made("root", "", `args: [pause], securityContext: {runAsNonRoot: true, runAsUser: 0},`),
			cause: "config/invalid", entity: app("root"), not: []string{"config/object-missing", "image/not-found"}, says: []string{"runAsNonRoot"},
		},
		{
			name: "a directory on a file", target: []string{"pod/mount"},
			manifest: settings + made("mount", `volumes: [{name: conf, configMap: {name: settings}}],`, `args: [pause], volumeMounts: [{name: conf, mountPath: /bin/busybox}],`),
			cause:    "config/invalid", entity: app("mount"), not: []string{"exit/command-not-found", "config/object-missing"}, says: []string{"/bin/busybox"},
		},
		{
			name: "optional and absent is well", target: []string{"pod/optional"},
			manifest: made("optional", "", `args: [pause], env: [{name: P, valueFrom: {secretKeyRef: {name: absent, key: x, optional: true}}}],`),
		},
		{
			name: "a slip of the pen in a ConfigMap", target: []string{"pod/caller"},
			manifest: server + settings + made("caller", "", `env: [{name: REDIS_HOST, valueFrom: {configMapKeyRef: {name: settings, key: host}}}],`+sh("/bin/busybox wget -qO- http://$REDIS_HOST:8080/")),
			cause:    "config/address-wrong", entity: app("caller"), not: []string{"config/object-missing", "memory/limit-oom"}, says: []string{"from ConfigMap settings", "redus", "there is redis"},
		},
		{
			name: "the wrong port", target: []string{"pod/caller"},
			manifest: server + pod("caller", "", "call", "http://redis:8081/", "--timeout", "500ms"),
			cause:    "config/address-wrong", entity: app("caller"), says: []string{"redis:8081", "it has 8080"},
		},
		{
			name: "the right address is well", target: []string{"pod/caller"}, manifest: server + made("caller", "", `args: [pause], env: [{name: REDIS_ADDR, value: "redis:8080"}],`),
		},
		{
			name: "another password than the server's", target: []string{"pod/client"},
			manifest: `apiVersion: v1
kind: Secret
metadata: {name: pg}
stringData: {password: right-one}
---
apiVersion: v1
kind: Service
metadata: {name: pg}
spec: {selector: {app: pg}, ports: [{port: 5432}]}
---
` + made("pg", "", `args: [pause], env: [{name: POSTGRES_USER, value: app}, {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: pg, key: password}}}],`) +
				made("client", "", `env: [{name: DB_HOST, value: pg}, {name: DB_USER, value: app}, {name: DB_PASSWORD, value: wrong-one}],`+
					sh(`echo 'FATAL: password authentication failed for user "app"' >&2; exit 1`)),
			cause: "config/credentials-wrong", entity: app("client"), says: []string{"wrong password", "env POSTGRES_PASSWORD"}, not: []string{"config/address-wrong"},
		},
	})
}
