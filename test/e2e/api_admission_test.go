//go:build live

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

// deployment is the manifest of a Deployment with one container "app".
func deployment(name string, replicas int, podSpec, resources string, args string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec:
      terminationGracePeriodSeconds: 1
      %s
      containers:
      - {name: app, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, args: [%s], resources: %s}
---
`, name, replicas, name, name, podSpec, args, resources)
}

func resourceQuota(hard string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: bound}\nspec: {hard: {%s}}\n---\n", hard)
}

// ready waits until the Deployment has n ready pods.
func ready(t *testing.T, ns, name string, n int32) {
	t.Helper()
	c := client(t)
	eventually(t, name+" is ready", func() bool {
		d, err := c.AppsV1().Deployments(ns).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && d.Status.ReadyReplicas >= n && d.Status.ObservedGeneration == d.Generation
	})
}

// kubectl runs kubectl in the namespace.
func kubectl(t *testing.T, ns string, args ...string) {
	t.Helper()
	if out, err := command(t, "kubectl", append([]string{"-n", ns}, args...)...); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const (
	small      = "{requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}"
	quotaFirst = "scheduling/insufficient-cpu"
)

func TestAPIAdmission(t *testing.T) {
	space := story.Entity{Kind: "Namespace", Name: "NAMESPACE"}
	web := story.Entity{Kind: "Deployment", Name: "web"}
	quotas := []string{"admission/quota-pods", "admission/quota-cpu", "admission/quota-memory", "admission/quota-services", "admission/quota-storage"}
	others := func(own string) []string {
		out := []string{quotaFirst, "admission/denied", "admission/service-account-missing"}
		for _, q := range quotas {
			if q != own {
				out = append(out, q)
			}
		}
		return out
	}
	runAPICases(t, []apiCase{
		{
			name: "quota of pods", manifest: resourceQuota(`pods: "1"`) + deployment("web", 2, "", "{}", "pause"),
			cause: "admission/quota-pods", entity: space, not: others("admission/quota-pods"), says: []string{"web", "1 of 1 pods", "NAMESPACE"},
		},
		{
			name: "quota of memory, asked about the deployment", target: []string{"deploy/web"},
			manifest: resourceQuota("requests.memory: 20Mi, pods: \"10\"") + deployment("web", 2, "", small, "pause"),
			cause:    "admission/quota-memory", entity: space, not: others("admission/quota-memory"), says: []string{"16Mi of 20Mi requests.memory"},
		},
		{
			name: "quota of CPU limits", manifest: resourceQuota("limits.cpu: 150m") + deployment("web", 2, "", small, "pause"),
			cause: "admission/quota-cpu", entity: space, not: others("admission/quota-cpu"), says: []string{"limits.cpu"},
		},
		{
			name: "quota demands what is not set", manifest: resourceQuota("limits.memory: 1Gi") + deployment("web", 1, "", "{}", "pause"),
			cause: "admission/quota-memory", entity: space, not: others("admission/quota-memory"), says: []string{"do not set it"},
		},
		{
			name: "limit range", target: []string{"deploy/web"},
			manifest: "apiVersion: v1\nkind: LimitRange\nmetadata: {name: bound}\nspec: {limits: [{type: Container, max: {memory: 20Mi}}]}\n---\n" + deployment("web", 1, "", small, "pause"),
			cause:    "admission/limit-range", entity: web, not: others(""), says: []string{"asks for 32Mi of memory", "maximum at 20Mi"},
		},
		{
			name: "service account missing", manifest: deployment("web", 1, "serviceAccountName: nobody", "{}", "pause"),
			cause: "admission/service-account-missing", entity: web, not: quotas, says: []string{"nobody"},
		},
		{
			name: "pod security", manifest: deployment("web", 1, "hostNetwork: true", "{}", "pause"),
			before: func(t *testing.T, ns string) {
				kubectl(t, ns, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=baseline")
			},
			cause: "admission/denied", entity: web, not: append(quotas, "admission/service-account-missing"), says: []string{"level baseline", "host namespaces"},
		},
		{
			name: "a full quota that nobody strains", manifest: resourceQuota(`pods: "1"`) + deployment("web", 1, "", "{}", "pause"),
			after: func(t *testing.T, ns string) { ready(t, ns, "web", 1) },
		},
		{
			name: "refused at first, made since", manifest: deployment("web", 1, "serviceAccountName: late", "{}", "pause"),
			after: func(t *testing.T, ns string) {
				time.Sleep(2 * time.Second) // the controller is to be refused at least once
				kubectl(t, ns, "create", "serviceaccount", "late")
				ready(t, ns, "web", 1)
			},
		},
	})
}
