//go:build live

package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

const webService = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n---\n"

func TestAPIChange(t *testing.T) {
	web := story.Entity{Kind: "Deployment", Name: "web"}
	serving := deployment("web", 2, "", "{}", "serve") + webService
	caller := deployment("caller", 1, "", "{}", `call, "http://web:80/", --every, 500ms`)
	job := func(name, containers string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name + "}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [" + containers + "]}}}\n---\n"
	}
	container := func(name, args string) string {
		return `{name: ` + name + `, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, args: [` + args + `]}`
	}
	runAPICases(t, []apiCase{
		{
			name: "scaled to zero", manifest: serving + caller,
			after: func(t *testing.T, ns string) {
				ready(t, ns, "web", 2)
				kubectl(t, ns, "scale", "deploy/web", "--replicas=0")
			},
			cause: "change/scaled-to-zero", entity: web, not: []string{"network/no-endpoints", "network/selector-mismatch", "admission/quota-pods"}, says: []string{"from 2 to 0"},
		},
		{
			name: "at zero and nobody needs it", manifest: deployment("idle", 0, "", "{}", "pause") + deployment("web", 1, "", "{}", "pause"),
			after: func(t *testing.T, ns string) { ready(t, ns, "web", 1) },
		},
		{
			name: "rollout that never becomes ready", manifest: serving, target: []string{"deploy/web"},
			after: func(t *testing.T, ns string) {
				ready(t, ns, "web", 2)
				kubectl(t, ns, "patch", "deploy", "web", "-p", `{"spec":{"template":{"spec":{"readinessGates":[{"conditionType":"example.org/never"}]}}}}`)
			},
			cause: "change/bad-rollout", entity: web, says: []string{"revision 2 does not become ready", "readiness gates"},
		},
		{
			name: "job that gave up", manifest: job("once", container("app", "exit, \"3\"")), target: []string{"job/once"},
			cause: "exit/job-failed", entity: story.Entity{Kind: "Job", Name: "once"}, not: []string{"exit/job-sidecar-running"},
		},
		{
			name: "job with a sidecar that stays", manifest: job("both", container("app", "exit, \"0\"")+", "+container("side", "pause")), target: []string{"job/both"},
			cause: "exit/job-sidecar-running", entity: story.Entity{Kind: "Job", Name: "both"}, not: []string{"exit/job-failed"}, says: []string{"side keeps running"},
		},
		{
			name: "cron job that is suspended on purpose",
			manifest: "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tick}\nspec: {schedule: \"* * * * *\", suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [" +
				container("app", "exit, \"0\"") + "]}}}}}\n---\n" + deployment("web", 1, "", "{}", "pause"),
			after: func(t *testing.T, ns string) { ready(t, ns, "web", 1) },
		},
		{
			name: "finalizer that nobody removes", target: []string{"pod/kept"},
			manifest: strings.Replace(pod("kept", "", "pause"), "metadata: {name: kept,", "metadata: {name: kept, finalizers: [example.org/guard],", 1),
			after: func(t *testing.T, ns string) {
				c := client(t)
				podRuns(t, ns, "kept")
				t.Cleanup(func() {
					if out, err := command(t, "kubectl", "-n", ns, "patch", "pod", "kept", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`); err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
				if err := c.CoreV1().Pods(ns).Delete(t.Context(), "kept", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(33 * time.Second) // until then it may go by itself
			},
			cause: "lifecycle/stuck-terminating", entity: story.Entity{Kind: "Pod", Name: "kept"}, not: []string{"node/kubelet-down"}, says: []string{"example.org/guard"},
		},
	})
}
