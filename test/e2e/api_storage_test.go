//go:build live

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

// volume is a persistent volume made by hand. Names of volumes are the
// cluster's, so they carry the namespace's.
func volume(name, size, class, modes, labels string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: PersistentVolume
metadata: {name: NAMESPACE-%s, labels: {tapio-e2e: NAMESPACE%s}}
spec:
  capacity: {storage: %s}
  storageClassName: "%s"
  accessModes: [%s]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /tmp/NAMESPACE-%s, type: DirectoryOrCreate}
---
`, name, labels, size, class, modes, name)
}

// claim is a claim "data" with more of its spec in flow form.
func claim(size, class, modes, more string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {resources: {requests: {storage: %s}}, storageClassName: "%s", accessModes: [%s]%s}
---
`, size, class, modes, more)
}

// using is a Deployment whose pod mounts the claim "data".
func using(name string) string {
	return strings.Replace(placed(name, 1, "", indented("volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]")),
		"args: [pause]}", "args: [pause], volumeMounts: [{name: data, mountPath: /data}]}", 1)
}

func TestStorage(t *testing.T) {
	// The class of each case is its own, so that no claim gets the volume of
	// another case.
	own := "NAMESPACE"
	data := story.Entity{Kind: "PersistentVolumeClaim", Name: "data"}
	cases := []apiCase{
		{
			name: "capacity", manifest: volume("a", "1Gi", own, "ReadWriteOnce", "") + claim("3Gi", own, "ReadWriteOnce", "") + using("db"),
			cause: "storage/pvc-capacity", says: []string{"asks for 3Gi, and NAMESPACE-a, the nearest, has 1Gi"}, not: []string{"storage/pvc-class", "scheduling/insufficient-storage"},
		},
		{
			name: "access mode", manifest: volume("a", "1Gi", own, "ReadWriteOnce", "") + claim("1Gi", own, "ReadWriteMany", "") + using("db"),
			cause: "storage/pvc-access-mode", not: []string{"storage/pvc-capacity"},
		},
		{
			name: "class", manifest: claim("1Gi", own, "ReadWriteOnce", ", selector: {matchLabels: {tapio-e2e: NAMESPACE}}") + volume("a", "1Gi", own+"-other", "ReadWriteOnce", "") + using("db"),
			cause: "storage/pvc-class", not: []string{"storage/pvc-selector", "storage/pvc-capacity"},
		},
		{
			name: "selector", manifest: volume("a", "1Gi", own, "ReadWriteOnce", ", disk: slow") + claim("1Gi", own, "ReadWriteOnce", ", selector: {matchLabels: {disk: fast}}") + using("db"),
			cause: "storage/pvc-selector", not: []string{"storage/pvc-class"},
		},
		{
			name: "taken", manifest: volume("a", "1Gi", own, "ReadWriteOnce", "") + strings.Replace(claim("1Gi", own, "ReadWriteOnce", ", volumeName: NAMESPACE-a"), "name: data", "name: first", 1),
			after: func(t *testing.T, ns string) {
				apply(t, ns, strings.ReplaceAll(claim("1Gi", own, "ReadWriteOnce", ", volumeName: NAMESPACE-a")+using("db"), "NAMESPACE", ns))
			},
			cause: "storage/pv-taken", not: []string{"storage/pvc-capacity"},
		},
		{
			name: "no such claim", manifest: using("db"), cause: "storage/claim-missing", not: []string{"storage/pvc-class"},
		},
		{
			name: "exclusive", manifest: volume("a", "1Gi", own, "ReadWriteOncePod", "") + claim("1Gi", own, "ReadWriteOncePod", "") + using("first"),
			after: func(t *testing.T, ns string) {
				runningPods(t, ns, "app=first", 1)
				apply(t, ns, using("db"))
			},
			cause: "storage/multi-attach", entity: thePod("db"), not: []string{"storage/pv-taken"},
		},
		{
			name: "host path", cause: "storage/mount-failed", entity: thePod("db"), not: []string{"image/not-found"},
			manifest: strings.Replace(using("db"), "persistentVolumeClaim: {claimName: data}", "hostPath: {path: /nowhere/NAMESPACE, type: Directory}", 1),
		},
		{
			name: "emptyDir too full", cause: "storage/evicted", entity: thePod("db"), not: []string{"memory/evicted"},
			manifest: strings.Replace(strings.Replace(using("db"), "persistentVolumeClaim: {claimName: data}", "emptyDir: {sizeLimit: 1Mi}", 1),
				"args: [pause]", `command: [/bin/sh, -c, "dd if=/dev/zero of=/data/x bs=1M count=8; sleep 3600"]`, 1),
		},
		{
			name: "bound", manifest: volume("a", "1Gi", own, "ReadWriteOnce", "") + claim("1Gi", own, "ReadWriteOnce", "") + using("db"),
		},
	}
	for i := range cases {
		cases[i].target = []string{"deploy/db"}
		if cases[i].entity == (story.Entity{}) && cases[i].cause != "" {
			cases[i].entity = data
		}
	}
	t.Cleanup(func() { deleteVolumes(t) })
	runAPICases(t, cases)
}

// deleteVolumes removes what the tests made outside their namespaces.
func deleteVolumes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client(t).CoreV1().PersistentVolumes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "tapio-e2e"}); err != nil {
		t.Log(err)
	}
}
