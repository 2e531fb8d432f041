package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
	"github.com/yairfalse/tapio/observers/observertest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func objects(t testing.TB, manifests ...string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for _, doc := range strings.Split(strings.Join(manifests, "\n---\n"), "\n---\n") {
		raw, err := yaml.ToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		out = append(out, obj)
	}
	return out
}

func tell(t *testing.T, objs []runtime.Object) []string {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, now))
	if err != nil {
		t.Fatal(err)
	}
	events := observertest.Run(t, obs, nodes.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
	var out []string
	for _, e := range events {
		out = append(out, line(e))
	}
	slices.Sort(out)
	return out
}

func line(e event.Event) string {
	parts := []string{strings.TrimPrefix(string(e.Kind), "nodes."), e.Subject().ID}
	for _, r := range e.Refs[1:] {
		parts = append(parts, string(r.Role)+":"+r.Key.ID)
	}
	var fields []string
	for name, v := range e.Attrs {
		text := v.String()
		switch name {
		case "renewed", "heard", "sandbox_last":
			if i, ok := event.As[int64](v); ok {
				text = time.Unix(i, 0).UTC().Format("15:04:05")
			}
		}
		fields = append(fields, name+"="+text)
	}
	slices.Sort(fields)
	return strings.Join(append(parts, fields...), " ")
}

func pod(name, host, ready, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, uid: %s, creationTimestamp: "2026-03-01T11:00:00Z"}
spec: {nodeName: %s, containers: [{name: app, image: x%s}]}
status: {phase: Running, conditions: [{type: Ready, status: "%s"}]}`, name, name, host, more, ready)
}

func pending(name, host string) string {
	return strings.Replace(pod(name, host, "False", ""), "phase: Running", "phase: Pending", 1)
}

func host(name, ready, reason, message, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %s}
spec: {}
status: {conditions: [{type: Ready, status: "%s", reason: %s, message: %q, lastTransitionTime: "2026-03-01T11:50:00Z", lastHeartbeatTime: "2026-03-01T11:49:00Z"}%s]}`, name, ready, reason, message, more)
}

func lease(name, at string) string {
	return fmt.Sprintf("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: %s, namespace: kube-node-lease}\nspec: {leaseDurationSeconds: 40, renewTime: \"2026-03-01T%s.000000Z\"}", name, at)
}

func report(reason, of, message, last string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Event
metadata: {name: e-%s-%s, namespace: shop}
involvedObject: {kind: Pod, namespace: shop, name: %s}
reason: %s
message: %q
count: 4
lastTimestamp: "2026-03-01T%sZ"`, strings.ToLower(reason), of, of, reason, message, last)
}

func TestNodes(t *testing.T) {
	const gone = "Kubelet stopped posting node status."
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "all well: only the node that holds a pod is told",
			objs: []string{pod("a", "n1", "True", ""), host("n1", "True", "KubeletReady", "", ""), host("n2", "True", "KubeletReady", "", ""), lease("n1", "11:59:55")},
			want: []string{"state n1 fresh=true pods=1 ready=True reason=KubeletReady unready=0"},
		},
		{
			name: "the kubelet is gone",
			objs: []string{pod("a", "n1", "False", ""), pod("b", "n1", "False", ""), host("n1", "Unknown", "NodeStatusUnknown", gone, ""), lease("n1", "11:49:20")},
			want: []string{"state n1 heard=11:49:00 message=" + gone + " pods=2 ready=Unknown reason=NodeStatusUnknown renewed=11:49:20 unready=2"},
		},
		{
			name: "a lease that is late but not yet stale",
			objs: []string{pod("a", "n1", "True", ""), host("n1", "True", "KubeletReady", "", ""), lease("n1", "11:59:25")},
			want: []string{"state n1 fresh=true pods=1 ready=True reason=KubeletReady unready=0"},
		},
		{
			name: "a node without the target that is not ready, and one that is cordoned",
			objs: []string{pod("a", "n1", "True", ""), strings.Replace(host("n1", "True", "KubeletReady", "", ""), "spec: {}", "spec: {unschedulable: true}", 1), host("n2", "False", "KubeletNotReady", "container runtime is down", "")},
			want: []string{
				"state n1 cordoned=true pods=1 ready=True reason=KubeletReady unready=0",
				"state n2 cause=runtime heard=11:49:00 message=container runtime is down pods=0 ready=False reason=KubeletNotReady unready=0",
			},
		},
		{
			name: "no network, and pressure",
			objs: []string{
				pod("a", "n1", "False", ""),
				host("n1", "False", "KubeletNotReady", "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
					`, {type: MemoryPressure, status: "True"}, {type: DiskPressure, status: "False"}, {type: PIDPressure, status: "True"}, {type: NetworkUnavailable, status: "True"}`),
			},
			want: []string{"state n1 cause=network heard=11:49:00 message=container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized no_network=true pods=1 pressure=memory, pid ready=False reason=KubeletNotReady unready=1"},
		},
		{
			name: "sandboxes that fail for want of addresses",
			objs: []string{
				pending("a", "n1"), host("n1", "True", "KubeletReady", "", ""),
				report("FailedCreatePodSandBox", "a", `rpc error: code = Unknown desc = failed to setup network for sandbox "x": plugin type="host-local" failed (add): failed to allocate for range 0: no IP addresses available in range set`, "11:59:00"),
			},
			want: []string{`state n1 pods=1 ready=True reason=KubeletReady sandbox_last=11:59:00 sandbox_text=rpc error: code = Unknown desc = failed to setup network for sandbox "x": plugin type="host-local" failed (add): failed to allocate for range 0: no IP addresses available in range set sandbox_why=network sandboxes=4 unready=1`},
		},
		{
			name: "a failed sandbox of a pod that runs since",
			objs: []string{pod("a", "n1", "True", ""), host("n1", "True", "KubeletReady", "", ""), report("FailedCreatePodSandBox", "a", "no IP addresses available", "11:10:00")},
			want: []string{"state n1 pods=1 ready=True reason=KubeletReady unready=0"},
		},
		{
			name: "a device is lost, and wanted",
			objs: []string{
				strings.Replace(pod("a", "n1", "False", ", resources: {limits: {example.org/card: \"1\"}}"), "Running", "Failed", 1),
				host("n1", "True", "KubeletReady", "", "") + "\n",
				strings.Replace(host("n2", "True", "KubeletReady", "", ""), "status: {", "status: {capacity: {example.org/card: \"4\"}, allocatable: {example.org/card: \"3\"}, ", 1),
			},
			want: []string{
				"device n2 peer:a allocatable=3 capacity=4 name=example.org/card wanted=1",
				"state n1 pods=1 ready=True reason=KubeletReady unready=1",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestComponents(t *testing.T) {
	daemons := func(name, image, volumes string, desired, ready int) string {
		return fmt.Sprintf(`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: %s, namespace: kube-system}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: %q}], volumes: [%s]}}}
status: {desiredNumberScheduled: %d, numberReady: %d}`, name, image, volumes, desired, ready)
	}
	part := func(set, host, ready string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s-%s, namespace: kube-system, uid: %s-%s, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: %s, uid: d, controller: true}]}
spec: {nodeName: %s, containers: [{name: c, image: x}]}
status: {phase: Running, conditions: [{type: Ready, status: %q, lastTransitionTime: "2026-03-01T11:50:00Z"}], containerStatuses: [{name: c, image: x, imageID: x, ready: false, state: {waiting: {reason: CrashLoopBackOff}}}]}`, set, host, set, host, set, host, ready)
	}
	const cni = "{name: v, hostPath: {path: /etc/cni/net.d}}"
	mine := pod("a", "n1", "True", "")
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{name: "all well", objs: []string{mine, daemons("p", "r/kube-proxy:v1", "", 2, 2), part("p", "n1", "True"), part("p", "n2", "True")}},
		{
			name: "the proxy crashes here", objs: []string{mine, daemons("p", "r/kube-proxy:v1", "", 2, 1), part("p", "n1", "False"), part("p", "n2", "True")},
			want: []string{"component n1 owner:DaemonSet/kube-system/p peer:p-n1 name=p role=proxy trouble=CrashLoopBackOff well=1"},
		},
		{
			name: "the network plugin has no pod here", objs: []string{mine, daemons("net", "r/net:v1", cni, 2, 1), part("net", "n2", "True")},
			want: []string{"component n1 owner:DaemonSet/kube-system/net missing=true name=net role=network well=1"},
		},
		{name: "down on a node without the target", objs: []string{mine, daemons("p", "r/kube-proxy:v1", "", 2, 1), part("p", "n1", "True"), part("p", "n2", "False")}},
		{name: "down everywhere is another story", objs: []string{mine, daemons("p", "r/kube-proxy:v1", "", 2, 0), part("p", "n1", "False"), part("p", "n2", "False")}},
		{name: "not meant for this node", objs: []string{mine, daemons("gpu", "r/gpu:v1", "", 1, 1), part("gpu", "n2", "True")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestManager(t *testing.T) {
	const edited = `managedFields: [{manager: kubectl, operation: Update, time: "2026-03-01T%sZ"}]`
	web := func(generation, observed int, at string) string {
		return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, generation: %d, %s}\nspec: {}\nstatus: {observedGeneration: %d}", generation, fmt.Sprintf(edited, at), observed)
	}
	stale := strings.NewReplacer("kube-node-lease", "kube-system", "name: m", "name: kube-controller-manager").Replace(lease("m", "11:50:00"))
	fresh := strings.NewReplacer("kube-node-lease", "kube-system", "name: m", "name: kube-controller-manager").Replace(lease("m", "11:59:59"))
	other := pod("a", "", "True", "")
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{name: "acted on", objs: []string{other, web(3, 3, "11:55:00"), stale}},
		{name: "just edited", objs: []string{other, web(3, 2, "11:59:55"), stale}},
		{
			name: "not acted on, lease stale", objs: []string{other, web(3, 2, "11:55:00"), stale},
			want: []string{"ignored Deployment/shop/web generation=3 observed=2", "manager kube-system renewed=11:50:00"},
		},
		{
			name: "not acted on, lease fresh", objs: []string{other, web(3, 2, "11:55:00"), fresh},
			want: []string{"ignored Deployment/shop/web generation=3 observed=2"},
		},
		{
			name: "pods are missing, lease stale", want: []string{"manager kube-system renewed=11:50:00"},
			objs: []string{other, stale, "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web-1, namespace: shop}\nspec: {replicas: 2}"},
		},
		{
			name: "its pod crashes",
			objs: []string{other, web(3, 2, "11:55:00"), `
apiVersion: v1
kind: Pod
metadata: {name: kube-controller-manager-n1, namespace: kube-system, uid: k}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {phase: Running, containerStatuses: [{name: c, image: x, imageID: x, ready: false, state: {waiting: {reason: CrashLoopBackOff}}}]}`},
			want: []string{"ignored Deployment/shop/web generation=3 observed=2", "manager n1 down=CrashLoopBackOff pod=kube-controller-manager-n1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, objects(t, tt.objs...))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSays(t *testing.T) {
	for message, want := range map[string]string{
		"container runtime is down": nodes.Runtime,
		"[container runtime is down, PLEG is not healthy: pleg was last seen active 4m ago]":                                                                    nodes.Runtime,
		"PLEG is not healthy: pleg was last seen active 3m0s ago; threshold is 3m0s":                                                                            nodes.Runtime,
		"container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized": nodes.Network,
		"container runtime not ready: RuntimeReady=false reason:ContainerdNotReady":                                                                             nodes.Runtime,
		"Kubelet stopped posting node status.":                                                                                                                  "",
		"":                                                                                                                                                      "",
	} {
		if got := says(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	for message, want := range map[string]string{
		`Failed to create pod sandbox: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"`: nodes.Runtime,
		`failed to setup network for sandbox "x": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized`:                                                             nodes.Network,
		`failed to setup network for sandbox "x": dial tcp 10.0.0.1:443: connect: connection refused`:                                                                                                          nodes.Network,
		`failed to reserve sandbox name`: nodes.Other,
	} {
		if got := sandboxWhy("FailedCreatePodSandBox", message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}
