//go:build live

package e2e

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/correlate/story"
)

// placed is a Deployment of pods that do nothing, with more of a pod's spec and
// labels in flow form.
func placed(name string, replicas int, labels, spec string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s%[3]s}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: app, image: "WORKLOAD_IMAGE", imagePullPolicy: IfNotPresent, args: [pause]}
%[4]s
---
`, name, replicas, labels, spec)
}

// indented puts lines into the pod's spec of placed.
func indented(lines ...string) string {
	return "      " + strings.Join(lines, "\n      ")
}

// requesting is a Deployment of one pod with requests.
func requesting(name, requests string) string {
	return strings.Replace(placed(name, 1, "", ""), "args: [pause]}", "args: [pause], resources: {requests: {"+requests+"}}}", 1)
}

func thePod(name string) story.Entity { return story.Entity{Kind: "Pod", Name: name + "-*"} }

// apart keeps pods with a label off each other's node.
func apart(label string) string {
	return indented("affinity:",
		"  podAntiAffinity:",
		"    requiredDuringSchedulingIgnoredDuringExecution:",
		"    - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {"+label+"}}}")
}

func TestScheduling(t *testing.T) {
	hostname := "kubernetes.io/hostname: " + firstNode(t)
	runAPICases(t, []apiCase{
		{
			name: "cpu", manifest: requesting("big", `cpu: "640"`), target: []string{"deploy/big"},
			cause: "scheduling/insufficient-cpu", entity: thePod("big"), says: []string{"it asks for 640 CPU, and the largest node has"},
			not: []string{"scheduling/insufficient-memory", "scheduling/node-selector", "node/scheduler-down"},
		},
		{
			name: "memory", manifest: requesting("big", "memory: 9000Gi"), target: []string{"deploy/big"},
			cause: "scheduling/insufficient-memory", entity: thePod("big"), not: []string{"scheduling/insufficient-cpu", "memory/limit-oom"},
		},
		{
			name: "local storage", manifest: requesting("big", "ephemeral-storage: 90000Gi"), target: []string{"deploy/big"},
			cause: "scheduling/insufficient-storage", entity: thePod("big"), not: []string{"scheduling/insufficient-memory"},
		},
		{
			name: "device", manifest: strings.ReplaceAll(requesting("gpu", `example.com/gpu: "2"`), `{requests: {example.com/gpu: "2"}}`, `{limits: {example.com/gpu: "2"}}`), target: []string{"deploy/gpu"},
			cause: "scheduling/insufficient-devices", entity: thePod("gpu"), says: []string{"it asks for 2 example.com/gpu, and no node offers any"},
		},
		{
			name: "selector", manifest: placed("picky", 1, "", indented("nodeSelector: {disk: nowhere}")), target: []string{"deploy/picky"},
			cause: "scheduling/node-selector", entity: thePod("picky"), says: []string{"no node carries disk=nowhere"}, not: []string{"scheduling/node-affinity"},
		},
		{
			name: "affinity", target: []string{"deploy/picky"},
			manifest: placed("picky", 1, "", indented("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}]}}}")),
			cause:    "scheduling/node-affinity", entity: thePod("picky"), not: []string{"scheduling/node-selector"},
		},
		{
			name: "anti-affinity", manifest: placed("apart", 3, "", apart("app: apart")), target: []string{"deploy/apart"},
			cause: "scheduling/pod-anti-affinity", entity: thePod("apart"), not: []string{"scheduling/topology-spread", "scheduling/node-affinity"},
		},
		{
			name: "anti-affinity of the others", target: []string{"deploy/late"},
			manifest: placed("early", 2, ", sort: a", strings.Replace(apart("shared: yes"), "shared: yes", `shared: "yes"`, 1)+"\n"+indented("topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {sort: a}}}]")),
			after: func(t *testing.T, ns string) {
				runningPods(t, ns, "app=early", 2)
				apply(t, ns, placed("late", 1, `, shared: "yes"`, ""))
			},
			cause: "scheduling/pod-anti-affinity", entity: thePod("late"),
		},
		{
			name: "pod affinity", target: []string{"deploy/lonely"},
			manifest: placed("lonely", 1, "", indented("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: nobody}}}]}}")),
			cause:    "scheduling/pod-affinity", entity: thePod("lonely"), not: []string{"scheduling/pod-anti-affinity"},
		},
		{
			name: "spread", target: []string{"deploy/even"},
			manifest: placed("even", 1, "", indented("topologySpreadConstraints: [{maxSkew: 1, topologyKey: example.com/rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: even}}}]")),
			cause:    "scheduling/topology-spread", entity: thePod("even"), not: []string{"scheduling/pod-anti-affinity"},
		},
		{
			name: "host port", target: []string{"deploy/port"},
			manifest: strings.Replace(placed("port", 3, "", ""), "args: [pause]}", "args: [pause], ports: [{containerPort: 1, hostPort: 42173}]}", 1),
			cause:    "scheduling/host-port", entity: thePod("port"), says: []string{"port 42173/TCP is taken on every node"},
		},
		{
			name: "gated", target: []string{"deploy/gated"}, manifest: placed("gated", 1, "", indented("schedulingGates: [{name: example.com/never}]")),
			cause: "scheduling/gated", entity: thePod("gated"), not: []string{"node/scheduler-down"},
		},
		{
			name: "nobody serves its scheduler's name", target: []string{"deploy/other"}, manifest: placed("other", 1, "", indented("schedulerName: nobody")),
			cause: "node/scheduler-down", entity: thePod("other"), not: []string{"scheduling/insufficient-cpu"},
		},
		{
			name: "a rollout that cannot be placed while the old pods run", manifest: placed("roll", 1, "", ""), target: []string{"deploy/roll"},
			after: func(t *testing.T, ns string) {
				runningPods(t, ns, "app=roll", 1)
				apply(t, ns, placed("roll", 1, "", indented("nodeSelector: {disk: nowhere}")))
			},
			cause: "scheduling/node-selector", entity: thePod("roll"),
		},
		{
			name: "a selector that one node satisfies", manifest: placed("fine", 1, "", indented("nodeSelector: {"+hostname+"}")), target: []string{"deploy/fine"},
		},
		{
			name: "anti-affinity with room", manifest: placed("apart", 2, "", apart("app: apart")), target: []string{"deploy/apart"},
		},
	})
}

// firstNode is the name of some node.
func firstNode(t *testing.T) string {
	nodes, err := client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Fatalf("no nodes: %v", err)
	}
	return nodes.Items[0].Name
}

// runningPods waits until so many pods of the label run.
func runningPods(t *testing.T, ns, label string, n int) {
	t.Helper()
	c := client(t)
	eventually(t, fmt.Sprintf("%d pods of %s run", n, label), func() bool {
		pods, err := c.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: label, FieldSelector: "status.phase=Running"})
		return err == nil && len(pods.Items) == n
	})
}
