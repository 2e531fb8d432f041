package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// observe tells all facts about the objects a minute after noon.
func observe(t *testing.T, objs []runtime.Object) []event.Event {
	t.Helper()
	obs, err := Open(source.FromObjects(objs, nil, noon.Add(time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	return observertest.Run(t, obs, scheduling.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
}

// lines renders facts for comparison.
func lines(events []event.Event) []string {
	var out []string
	for _, e := range events {
		var hosts []string
		for _, r := range e.Refs {
			if r.Role == event.Host {
				hosts = append(hosts, r.Key.ID)
			}
		}
		at := strings.Join(hosts, "+")
		switch e.Kind {
		case scheduling.Unplaced:
			line := fmt.Sprintf("feasible %d of %d", scheduling.Feasible.Or(e, -1), scheduling.Total.Or(e, -1))
			for _, f := range []event.Field[string]{scheduling.Claims, scheduling.Unknown, scheduling.Gates, scheduling.Words, scheduling.Names} {
				if s := f.Or(e, ""); s != "" {
					line += " " + f.Name + " " + s
				}
			}
			out = append(out, line)
		case scheduling.Refusal:
			line := fmt.Sprintf("%s: %s", at, scheduling.Against.Or(e, ""))
			if !scheduling.Usual.Or(e, false) {
				line += " (closed)"
			}
			out = append(out, line)
		case scheduling.Constraint:
			line := fmt.Sprintf("without %s %d of %d", scheduling.Name.Or(e, ""), scheduling.Frees.Or(e, 0), scheduling.Nodes.Or(e, 0))
			if s := scheduling.Lacks.Or(e, ""); s != "" {
				line += " [" + s + "]"
			}
			if n, ok := scheduling.Request.Get(e); ok {
				line += fmt.Sprintf(" asks %d free %d largest %d", n, scheduling.Free.Or(e, 0), scheduling.Largest.Or(e, 0))
			}
			if h := scheduling.Holder.Or(e, ""); h != "" {
				line += " held by " + h
			}
			out = append(out, line+" at "+at)
		case scheduling.Leave:
			out = append(out, fmt.Sprintf("%s leaves %s: %s", scheduling.Leaver.Or(e, ""), at, scheduling.Allowed.Or(e, "")))
		case scheduling.Displaced:
			out = append(out, fmt.Sprintf("%s displaced by %s from %s for %s", scheduling.Victim.Or(e, ""), scheduling.By.Or(e, ""), at, scheduling.For.Or(e, "")))
		case scheduling.Guard:
			out = append(out, fmt.Sprintf("budget %s holds on %s", scheduling.BudgetName.Or(e, ""), at))
		case scheduling.Scheduler:
			out = append(out, fmt.Sprintf("scheduler %s at %s", scheduling.State.Or(e, ""), e.Subject()))
		}
	}
	return out
}

// podFirst puts the fact about the pod itself, which comes last, first.
func podFirst(a, b string) int {
	of := func(s string) int {
		if strings.HasPrefix(s, "feasible ") {
			return 0
		}
		return 1
	}
	return of(a) - of(b)
}

// asked makes the scheduler say something, so that nobody looks for it.
var asked = refused("no nodes available to schedule pods")

func TestConstraints(t *testing.T) {
	hostname := corev1.LabelHostname
	two := objects(node("n1"), node("n2"))
	tests := []struct {
		name string
		objs []runtime.Object
		want []string
	}{
		{
			"cpu: the request is above what is free", objects(two, pod("x", asked, asking("cpu", "3")), pod("big", on("n1"), asking("cpu", "2500m")), pod("small", on("n2"), asking("cpu", "1500m"))),
			[]string{"feasible 0 of 2", "n1+n2: cpu", "without cpu 2 of 2 asks 3000 free 2500 largest 4000 at n2", "shop/small leaves n2: unknown", "shop/big leaves n1: unknown"},
		},
		{
			"near miss: exactly what is free", objects(two, pod("x", asked, asking("cpu", "3")), pod("big", on("n1"), asking("cpu", "1"))),
			[]string{"feasible 2 of 2"},
		},
		{
			"a pod that ended holds nothing", objects(node("n1"), pod("x", asked, asking("cpu", "3")), pod("done", on("n1"), asking("cpu", "4"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })),
			[]string{"feasible 1 of 1"},
		},
		{
			"memory", objects(two, pod("x", asked, asking("memory", "9Gi"))),
			[]string{"feasible 0 of 2", "n1+n2: memory", fmt.Sprintf("without memory 2 of 2 asks %d free %d largest %d at n1", 9<<30, 8<<30, 8<<30)},
		},
		{
			"ephemeral storage, and cpu besides", objects(node("n1"), pod("x", asked, asking("ephemeral-storage", "30Gi", "cpu", "5"))),
			[]string{"feasible 0 of 1", "n1: cpu,ephemeral-storage", "without cpu 0 of 1 asks 5000 free 4000 largest 4000 at n1", fmt.Sprintf("without ephemeral-storage 0 of 1 asks %d free %d largest %d at n1", 30<<30, 20<<30, 20<<30)},
		},
		{
			"a device that one node has", objects(node("n1"), node("n2", allocatable("example.com/gpu", "1")), pod("x", asked, asking("example.com/gpu", "2"))),
			[]string{"feasible 0 of 2", "n1+n2: device", "without device 2 of 2 asks 2 free 1 largest 1 at n2"},
		},
		{
			"nodes full", objects(node("n1", allocatable("pods", "1")), pod("x", asked), pod("a", on("n1"))),
			[]string{"feasible 0 of 1", "n1: pods", "without pods 1 of 1 asks 0 free 0 largest 1 at n1", "shop/a leaves n1: unknown"},
		},
		{
			"selector: one label is nowhere, the other on one node", objects(node("n1", labelled("disk", "ssd")), node("n2"), pod("x", asked, selecting("disk", "ssd", "zone", "a"))),
			[]string{"feasible 0 of 2", "n1+n2: selector", "without selector 2 of 2 [zone=a] at n1"},
		},
		{
			"near miss: selector matches", objects(node("n1", labelled("disk", "ssd")), node("n2"), pod("x", asked, selecting("disk", "ssd"))),
			[]string{"feasible 1 of 2", "n2: selector", "without selector 1 of 1 [disk=ssd] at n2"},
		},
		{
			"affinity, not met by ordinary nodes but by the closed control plane", objects(master("m"), node("n1", labelled("state", "old")), pod("x", asked, preferring("state", corev1.NodeSelectorOpNotIn, "old"))),
			[]string{"feasible 0 of 2", "n1: affinity", "m: cordon (closed)", "without affinity 1 of 1 [state not in (old)] at n1", "without cordon 0 of 1 at m"},
		},
		{
			"a pod that asks for the control plane", objects(master("m"), node("n1"), pod("x", asked, selecting("node-role.kubernetes.io/control-plane", ""))),
			[]string{"feasible 0 of 2", "m: cordon", "n1: selector", "without cordon 1 of 1 at m", "without selector 1 of 1 [node-role.kubernetes.io/control-plane=] at n1"},
		},
		{
			"taint", objects(node("n1", tainted("gpu", "yes", corev1.TaintEffectNoSchedule)), pod("x", asked)),
			[]string{"feasible 0 of 1", "n1: taint", "without taint 1 of 1 [gpu=yes:NoSchedule] at n1"},
		},
		{
			"near misses: tolerated taints, and one that only prefers", objects(
				node("n1", tainted("gpu", "yes", corev1.TaintEffectNoExecute), tainted("soft", "", corev1.TaintEffectPreferNoSchedule)),
				pod("x", asked, tolerating("gpu", corev1.TolerationOpEqual, "yes")), pod("y", asked, tolerating("", corev1.TolerationOpExists, ""))),
			[]string{"feasible 1 of 1", "feasible 1 of 1"},
		},
		{
			"a toleration of another value", objects(node("n1", tainted("gpu", "yes", corev1.TaintEffectNoSchedule)), pod("x", asked, tolerating("gpu", "", "no"))),
			[]string{"feasible 0 of 1", "n1: taint", "without taint 1 of 1 [gpu=yes:NoSchedule] at n1"},
		},
		{
			"a node that is not ready", objects(node("n1", tainted(corev1.TaintNodeNotReady, "", corev1.TaintEffectNoSchedule)), pod("x", asked)),
			[]string{"feasible 0 of 1", "n1: condition", "without condition 1 of 1 [node.kubernetes.io/not-ready] at n1"},
		},
		{
			"cordon", objects(node("n1", cordon, tainted(corev1.TaintNodeUnschedulable, "", corev1.TaintEffectNoSchedule)), pod("x", asked)),
			[]string{"feasible 0 of 1", "n1: cordon", "without cordon 1 of 1 at n1"},
		},
		{
			"own anti-affinity", objects(two, pod("x", asked, app("web"), awayFrom("web", hostname)), pod("a", on("n1"), app("web")), pod("b", on("n2"), app("web"))),
			[]string{"feasible 0 of 2", "n1+n2: anti-affinity", "without anti-affinity 2 of 2 [app=web per kubernetes.io/hostname] held by shop/a at n1", "shop/a leaves n1: unknown", "shop/b leaves n2: unknown"},
		},
		{
			"anti-affinity of the pod that is there", objects(node("n1"), pod("x", asked, app("web")), pod("a", on("n1"), awayFrom("web", hostname))),
			[]string{"feasible 0 of 1", "n1: anti-affinity", "without anti-affinity 1 of 1 [app=web per kubernetes.io/hostname] held by shop/a at n1", "shop/a leaves n1: unknown"},
		},
		{
			"near miss: the peer is in another namespace", objects(node("n1"), pod("x", asked, awayFrom("web", hostname)), pod("a", on("n1"), app("web"), in("other"))),
			[]string{"feasible 1 of 1"},
		},
		{
			"pod affinity to a peer that is nowhere", objects(node("n1"), pod("x", asked, near("cache", hostname))),
			[]string{"feasible 0 of 1", "n1: pod-affinity", "without pod-affinity 1 of 1 [app=cache per kubernetes.io/hostname] at n1"},
		},
		{
			"near miss: pod affinity to itself, as the first of its kind", objects(node("n1"), pod("x", asked, near("x", hostname))),
			[]string{"feasible 1 of 1"},
		},
		{
			"spread: the other domain is cordoned", objects(node("n1"), node("n2", cordon), pod("x", asked, app("web"), spreading("web", hostname, 1)), pod("a", on("n1"), app("web"))),
			[]string{"feasible 0 of 2", "n2: cordon", "n1: spread", "without cordon 1 of 1 at n2", "without spread 1 of 1 [app=web, at most 1 apart per kubernetes.io/hostname] at n1"},
		},
		{
			"near miss: spread with room for one more", objects(two, pod("x", asked, app("web"), spreading("web", hostname, 1)), pod("a", on("n1"), app("web"))),
			[]string{"feasible 1 of 2", "n1: spread", "without spread 1 of 1 [app=web, at most 1 apart per kubernetes.io/hostname] at n1"},
		},
		{
			"host port", objects(node("n1"), pod("x", asked, hostPortOf(8080)), pod("a", on("n1"), hostPortOf(8080), in("other"))),
			[]string{"feasible 0 of 1", "n1: host-port", "without host-port 1 of 1 [8080/TCP] held by other/a at n1", "other/a leaves n1: unknown"},
		},
		{
			"near miss: another host port", objects(node("n1"), pod("x", asked, hostPortOf(8080)), pod("a", on("n1"), hostPortOf(8081))),
			[]string{"feasible 1 of 1"},
		},
		{
			"the volume is in another zone", objects(node("n1", labelled("zone", "b")), pod("x", asked, mounting("data")), claim("data", "pv1"), volume("pv1", "zone", "a")),
			[]string{"feasible 0 of 1", "n1: volume-node", "without volume-node 1 of 1 [pv1] at n1"},
		},
		{
			"a claim that is not bound keeps the pod from every node", objects(node("n1"), pod("x", asked, mounting("data")), claim("data", ""), volume("pv1", "zone", "a")),
			[]string{"feasible 1 of 1 claims data"},
		},
		{
			"claims unknown", objects(node("n1"), pod("x", asked, mounting("data"))),
			[]string{"feasible 1 of 1 unknown persistentvolumeclaims"},
		},
		{
			"nodes unknown", objects(pod("x", refused("0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu."))),
			[]string{"feasible -1 of -1 unknown nodes words cpu=3,cordon=1"},
		},
		{
			"gates", objects(node("n1"), pod("x", func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/quota"}} })),
			[]string{"feasible -1 of -1 unknown nodes gates example.com/quota"},
		},
		{"a placed pod is no matter", objects(two, pod("a", on("n1"), asking("cpu", "64"))), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := lines(observe(t, tt.objs))
			slices.SortStableFunc(got, podFirst)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("facts (-want +got):\n%s", d)
			}
		})
	}
}

func TestSchedulerIsLookedFor(t *testing.T) {
	scheduler := pod("kube-scheduler-m", in("kube-system"), on("m"))
	broken := scheduler.DeepCopy()
	broken.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	for name, tt := range map[string]struct {
		objs []runtime.Object
		want []string
	}{
		"it runs":                     {objects(node("n1"), pod("x"), scheduler), []string{"feasible 1 of 1", "scheduler running at node:m"}},
		"it fails":                    {objects(node("n1"), pod("x"), broken), []string{"feasible 1 of 1", "scheduler failing at node:m"}},
		"no pod of it, one master":    {objects(master("m"), pod("x")), []string{"feasible 0 of 1", "m: cordon", "without cordon 1 of 1 at m", "scheduler absent at node:m"}},
		"no pod of it, no master":     {objects(node("n1"), pod("x")), []string{"feasible 1 of 1", "scheduler absent at namespace:kube-system"}},
		"a scheduler of another name": {objects(node("n1"), pod("x", asked, func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" })), []string{"feasible 1 of 1 scheduler mine"}},
	} {
		got := lines(observe(t, tt.objs))
		slices.SortStableFunc(got, podFirst)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDisplaced(t *testing.T) {
	report := func(reason, name, message string) *corev1.Event {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: reason + name},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name, UID: types.UID("uid-of-the-old-" + name)},
			Reason:         reason, Message: message, LastTimestamp: metav1.NewTime(noon),
		}
	}
	target := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.NewTime(noon)}}
		}
	}
	high := pod("high", on("n1"), in("batch"))
	for name, tt := range map[string]struct {
		objs []runtime.Object
		want []string
	}{
		"preempted and gone, of a Deployment": {objects(high, replicaSet("web-7d", "web"), report("Preempted", "web-7d-abc", "Preempted by pod uid-high on node n1")), []string{"web-7d-abc displaced by preemption from n1 for batch/high"}},
		"preempted and gone, of a StatefulSet whose pod is back": {objects(pod("db-0", asked, owned("StatefulSet", "db")), report("Preempted", "db-0", "Preempted by pod uid-other on node n1")),
			[]string{"db-0 displaced by preemption from n1 for ", "feasible -1 of -1 unknown nodes"}},
		"evicted by a drain":                     {objects(pod("a", on("n1"), target("EvictionByEvictionAPI"))), []string{"a displaced by eviction from n1 for "}},
		"near miss: removed by the collector":    {objects(pod("a", on("n1"), target("DeletionByPodGC"))), nil},
		"near miss: nobody knows whose":          {objects(report("Preempted", "lost-abc", "Preempted by pod u on node n1"), replicaSet("web-7d", "web"), pod("a", on("n1"))), nil},
		"near miss: the deletion was called off": {objects(replicaSet("web-7d", "web"), pod("a", on("n1")), report("TaintManagerEviction", "web-7d-abc", "Cancelling deletion of Pod shop/web-7d-abc")), nil},
		"deleted for a taint":                    {objects(replicaSet("web-7d", "web"), pod("a", on("n1")), report("TaintManagerEviction", "web-7d-abc", "Marking for deletion Pod shop/web-7d-abc")), []string{"web-7d-abc displaced by taint from  for "}},
	} {
		if d := cmp.Diff(tt.want, lines(observe(t, tt.objs))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestBudgets(t *testing.T) {
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{ExpectedPods: 1, CurrentHealthy: 1, DesiredHealthy: 1},
	}
	sick := budget.DeepCopy()
	sick.Status.CurrentHealthy = 0
	free := budget.DeepCopy()
	free.Status.DisruptionsAllowed = 1
	full := objects(node("n1", allocatable("cpu", "1")), pod("x", asked, asking("cpu", "600m")), pod("a", on("n1"), asking("cpu", "500m")))
	for name, tt := range map[string]struct {
		objs []runtime.Object
		want string
	}{
		"the budget lets the pod go":                          {objects(full, free), "shop/a leaves n1: yes"},
		"the budget holds the pod":                            {objects(full, budget), "shop/a leaves n1: no"},
		"a cordoned node is not drained":                      {objects(node("n1", cordon), pod("a", on("n1")), budget), "budget web holds on n1"},
		"near miss: the budget allows nothing for a sick pod": {objects(node("n1", cordon), pod("a", on("n1")), sick), ""},
		"near miss: the node is open":                         {objects(node("n1"), pod("a", on("n1")), budget), ""},
	} {
		got := lines(observe(t, tt.objs))
		if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
