//go:build live

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// made is the manifest of a pod with one container "app"; more is put into the
// container's spec, and of into the pod's, both as flow YAML with a comma at
// the end.
func made(name, of, more string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec: {terminationGracePeriodSeconds: 1, %s containers: [{name: app, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, %s}]}
---
`, name, name, of, more)
}

// sh is a container's command that runs a script.
func sh(script string) string {
	q, _ := json.Marshal([]string{"/bin/sh", "-c", script})
	return "command: " + string(q) + ","
}

func app(pod string) story.Entity { return story.Entity{Kind: "Pod", Name: pod, Container: "app"} }

// by is a script that ends as one whose program was killed by the signal. The
// kubelet makes one dollar sign of two.
func by(signal string) string { return sh(fmt.Sprintf(`sh -c 'kill -%s $$$$'; exit $?`, signal)) }

func TestAPIExit(t *testing.T) {
	runAPICases(t, []apiCase{
		{
			name: "command not found", manifest: made("lost", "", `command: ["/nope"],`), target: []string{"pod/lost"},
			cause: "exit/command-not-found", entity: app("lost"), not: []string{"exit/not-executable", "image/not-found"}, says: []string{`"/nope"`},
		},
		{
			name: "the shell does not find it", manifest: made("sh127", "", sh("nope-at-all")), target: []string{"pod/sh127"},
			cause: "exit/command-not-found", entity: app("sh127"), not: []string{"exit/not-executable", "exit/panic-or-usage"},
		},
		{
			name: "not executable", manifest: made("plain", "", `command: ["/etc/hosts"],`), target: []string{"pod/plain"},
			cause: "exit/not-executable", entity: app("plain"), not: []string{"exit/command-not-found"}, says: []string{`"/etc/hosts"`},
		},
		{
			name: "wrong architecture",
			manifest: made("alien", `volumes: [{name: bin, emptyDir: {}}], initContainers: [{name: get, image: "WORKLOAD_IMAGE", volumeMounts: [{name: bin, mountPath: /x}], `+
				sh(`printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0\1\0\0\0' > /x/app && busybox chmod 755 /x/app || /bin/busybox chmod 755 /x/app`)+`}],`,
				`command: ["/x/app"], volumeMounts: [{name: bin, mountPath: /x}],`),
			target: []string{"pod/alien"},
			cause:  "exit/wrong-architecture", entity: app("alien"), not: []string{"exit/command-not-found", "exit/illegal-instruction"},
		},
		{name: "illegal instruction", manifest: made("ill", "", by("ILL")), target: []string{"pod/ill"}, cause: "exit/illegal-instruction", entity: app("ill"), not: []string{"exit/segfault"}},
		{name: "abort", manifest: made("abrt", "", by("ABRT")), target: []string{"pod/abrt"}, cause: "exit/abort", entity: app("abrt"), not: []string{"exit/segfault"}},
		{name: "bus error", manifest: made("bus", "", by("BUS")), target: []string{"pod/bus"}, cause: "exit/bus-error", entity: app("bus"), not: []string{"exit/segfault"}},
		{name: "segfault", manifest: made("segv", "", by("SEGV")), target: []string{"pod/segv"}, cause: "exit/segfault", entity: app("segv"), not: []string{"memory/limit-oom", "exit/bus-error"}},
		{name: "seccomp", manifest: made("sys", "", by("SYS")), target: []string{"pod/sys"}, cause: "exit/seccomp-denied", entity: app("sys"), not: []string{"exit/capability-denied"}},
		{
			name: "usage", manifest: pod("usage", "", "no-such-mode"), target: []string{"pod/usage"},
			cause: "exit/panic-or-usage", entity: app("usage"), not: []string{"exit/config-missing", "exit/abort"},
		},
		{
			name: "completed loop", manifest: made("done", "", sh("exit 0")), target: []string{"pod/done"},
			cause: "exit/completed-loop", entity: app("done"), not: []string{"exit/panic-or-usage"}, says: []string{"finishes"},
		},
		{
			name: "completed and not started again", manifest: made("once", "restartPolicy: Never,", sh("exit 0")), target: []string{"pod/once"},
		},
		{
			name: "init fails", manifest: made("init", `initContainers: [{name: first, image: "WORKLOAD_IMAGE", `+sh("exit 3")+`}],`, `args: [pause],`), target: []string{"pod/init"},
			cause: "exit/init-failed", entity: story.Entity{Kind: "Pod", Name: "init", Container: "first"}, not: []string{"exit/panic-or-usage"},
		},
	})
}

func TestAPILastWords(t *testing.T) {
	runAPICases(t, []apiCase{
		{
			name: "config missing", manifest: made("conf", "", sh("/bin/busybox cat /etc/app/config.yaml")), target: []string{"pod/conf"},
			cause: "exit/config-missing", entity: app("conf"), not: []string{"exit/dependency-unavailable", "exit/panic-or-usage"}, says: []string{"/etc/app/config.yaml"},
		},
		{
			name: "dependency", target: []string{"pod/dep"},
			manifest: made("dep", "", `env: [{name: TO, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}],`+sh("/bin/busybox wget -qO- http://$TO:9/")),
			cause:    "exit/dependency-unavailable", entity: app("dep"), not: []string{"exit/config-missing", "exit/panic-or-usage"},
		},
		{
			name: "heap", manifest: made("heap", "", sh("ulimit -v 900000; exec /workload hold 2Gi")), target: []string{"pod/heap"},
			cause: "memory/heap-exhausted", entity: app("heap"), not: []string{"memory/limit-oom", "exit/panic-or-usage"},
		},
		{
			name: "a limit too small for the sandbox", manifest: pod("tiny", "1Mi", "pause"), target: []string{"pod/tiny"},
			cause: "memory/limit-too-small", entity: app("tiny"), not: []string{"memory/heap-exhausted", "exit/command-not-found"},
		},
		{
			name: "leadership", manifest: made("lead", "", sh(`echo "E0101 00:00:00.000000 1 leaderelection.go:330] leaderelection lost" >&2; exit 1`)), target: []string{"pod/lead"},
			cause: "exit/leader-lost", entity: app("lead"), not: []string{"exit/panic-or-usage"},
		},
		{
			name: "permission", manifest: made("perm", "", "securityContext: {runAsUser: 1000},"+sh("echo x > /etc/passwd.new || exit 1")), target: []string{"pod/perm"},
			cause: "storage/permission", entity: app("perm"), not: []string{"storage/read-only-root"}, says: []string{"/etc/passwd.new"},
		},
		{
			name: "read-only root", manifest: made("ro", "", "securityContext: {readOnlyRootFilesystem: true},"+sh("echo x > /state || exit 1")), target: []string{"pod/ro"},
			cause: "storage/read-only-root", entity: app("ro"), not: []string{"storage/permission"}, says: []string{"/state"},
		},
		{
			name: "disk full", target: []string{"pod/full"},
			manifest: made("full", "volumes: [{name: d, emptyDir: {medium: Memory, sizeLimit: 1Mi}}],", "volumeMounts: [{name: d, mountPath: /data}],"+sh("/bin/busybox dd if=/dev/zero of=/data/wal bs=1M count=8")),
			cause:    "storage/disk-full", entity: app("full"), not: []string{"storage/permission", "memory/limit-oom"},
		},
		{
			name: "port", target: []string{"pod/port"},
			manifest: made("port", "", `args: [serve, --port, "8080"],}, {name: second, image: "WORKLOAD_IMAGE", args: [serve, --port, "8080"],`),
			cause:    "network/port-conflict", entity: story.Entity{Kind: "Pod", Name: "port", Container: "second"}, says: []string{"8080"},
		},
		{
			name: "port, told by the spec alone", target: []string{"pod/clash"},
			manifest: made("clash", "", `ports: [{containerPort: 8080}],`+sh("sleep 1 || /bin/busybox sleep 1; exit 1")+`}, {name: side, image: "WORKLOAD_IMAGE", args: [serve, --port, "8080"], env: [{name: STATUS_PORT, value: "8080"}],`),
			cause:    "network/port-conflict", entity: app("clash"), says: []string{"8080", "STATUS_PORT"},
		},
		{
			name: "capability", manifest: made("cap", "", "securityContext: {capabilities: {drop: [ALL]}},"+sh("/bin/busybox chroot / /bin/sh -c true || exit 1")), target: []string{"pod/cap"},
			cause: "exit/capability-denied", entity: app("cap"), not: []string{"storage/permission"},
		},
	})
}
