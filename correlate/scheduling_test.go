package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// report is a pod that waits since second -60 of the tests.
var report = facts.Pod{UID: "u9", Name: "report-0", Namespace: "shop", Workload: "report", Created: -60}

// waits makes a set of one look at the pod.
func waits(x facts.Wait) func(*facts.Set) {
	return func(s *facts.Set) { s.Waiting(report, 0, x) }
}

// one is the look at a pod against which one constraint stands on n1 and n2,
// and a cordoned control plane.
func one(constraint, words string, t facts.Try) facts.Wait {
	t.Constraint, t.Nodes, t.Frees, t.At = constraint, 2, 2, "n1"
	return facts.Wait{
		Total: 3, Words: words,
		Groups: []facts.Group{{Against: constraint, Nodes: []string{"n1", "n2"}}, {Against: "cordon", Nodes: []string{"m"}, Closed: true}},
		Tries:  []facts.Try{t, {Constraint: "cordon", Nodes: 1, At: "m"}},
	}
}

func TestScheduling(t *testing.T) {
	cpu := facts.Try{Request: 4000, Free: 3500, Large: 8000}
	tests := []familyCase{
		{
			name: "cpu, as the scheduler says", target: report, cause: "scheduling/insufficient-cpu", state: "failing",
			set:  waits(one("cpu", "cpu=2,cordon=1", cpu)),
			says: []string{"report-0 cannot be placed: it asks for 4 CPU, and no node has more than 3500m free"},
			not:  []string{"scheduling/cordoned", "node/scheduler-down"}, out: []string{"scheduling/cordoned", "scheduling/insufficient-memory", "node/scheduler-down"},
		},
		{
			name: "more cpu than any node has", target: report, cause: "scheduling/insufficient-cpu",
			set: waits(one("cpu", "", facts.Try{Request: 64000, Free: 8000, Large: 8000})), says: []string{"it asks for 64 CPU, and the largest node has 8"},
		},
		{
			name: "memory", target: report, cause: "scheduling/insufficient-memory", not: []string{"scheduling/insufficient-cpu"},
			set: waits(one("memory", "memory=2,cordon=1", facts.Try{Request: 8 << 30, Free: 2 << 30, Large: 16 << 30})), says: []string{"it asks for 8Gi memory, and no node has more than 2Gi free"},
		},
		{
			name: "selector", target: report, cause: "scheduling/node-selector", not: []string{"scheduling/node-affinity", "scheduling/cordoned"}, out: []string{"scheduling/cordoned", "scheduling/node-affinity"},
			set: waits(one("selector", "placement=2,cordon=1", facts.Try{Asks: "disk=ssd", Lacks: "disk=ssd"})), says: []string{"no node carries disk=ssd"},
		},
		{
			name: "affinity", target: report, cause: "scheduling/node-affinity", not: []string{"scheduling/node-selector"}, out: []string{"scheduling/node-selector"},
			set: waits(one("affinity", "placement=2,cordon=1", facts.Try{Asks: "disk=ssd", Lacks: "disk=ssd"})), says: []string{"no node satisfies its node affinity (disk=ssd)"},
		},
		{
			name: "taint", target: report, cause: "scheduling/taint", not: []string{"scheduling/cordoned", "scheduling/nodes-unwell"},
			set: waits(one("taint", "taint=2,cordon=1", facts.Try{Lacks: "gpu=yes:NoSchedule"})), says: []string{"does not tolerate the taint gpu=yes:NoSchedule of n1, n2"},
		},
		{
			name: "unready nodes", target: report, cause: "scheduling/nodes-unwell", not: []string{"scheduling/taint"},
			set: waits(one("condition", "condition=2,cordon=1", facts.Try{Lacks: "node.kubernetes.io/not-ready"})), says: []string{"n1, n2 are unwell"},
		},
		{
			name: "cordon of ordinary nodes", target: report, cause: "scheduling/cordoned", not: []string{"scheduling/taint"},
			set: waits(one("cordon", "cordon=3", facts.Try{})), says: []string{"n1, n2 are cordoned"},
		},
		{
			name: "anti-affinity", target: report, cause: "scheduling/pod-anti-affinity", not: []string{"scheduling/topology-spread"},
			set: waits(one("anti-affinity", "anti-affinity=2,cordon=1", facts.Try{Lacks: "app=web per kubernetes.io/hostname", Holder: "shop/web-1"})), says: []string{"n1 holds shop/web-1"},
		},
		{
			name: "pod affinity", target: report, cause: "scheduling/pod-affinity",
			set: waits(one("pod-affinity", "pod-affinity=2", facts.Try{Lacks: "app=cache per zone"})), says: []string{"no node has the peer that its pod affinity asks for (app=cache per zone)"},
		},
		{
			name: "spread", target: report, cause: "scheduling/topology-spread", not: []string{"scheduling/pod-anti-affinity"},
			set: waits(one("spread", "spread=2", facts.Try{Lacks: "app=web, at most 1 apart per zone"})), says: []string{"breaks its topology spread"},
		},
		{
			name: "host port", target: report, cause: "scheduling/host-port",
			set: waits(one("host-port", "host-port=2", facts.Try{Lacks: "8080/TCP", Holder: "a/b"})), says: []string{"port 8080/TCP is taken on every node, on n1 by a/b"},
		},
		{
			name: "nodes full", target: report, cause: "scheduling/nodes-full",
			set: waits(one("pods", "pods=2", facts.Try{Request: 1, Large: 110})), says: []string{"every node runs as many pods as it takes (110 on n1)"},
		},
		{
			name: "a device", target: report, cause: "scheduling/insufficient-devices",
			set: waits(one("device", "device=2", facts.Try{Request: 2, Free: 1, Large: 1})), says: []string{"it asks for 2 a device, and the largest node has 1"},
		},
		{
			name: "the volume is elsewhere", target: report, cause: "scheduling/volume-zone",
			set: waits(one("volume-node", "volume-node=2", facts.Try{Asks: "pv1", Lacks: "pv1"})), says: []string{"its volume pv1 can be reached from no node"},
		},
		{
			name: "the node that the selector asks for is tainted: the wish is taken as meant", target: report, cause: "scheduling/taint",
			set: waits(facts.Wait{
				Total: 3, Words: "placement=2,taint=1",
				Groups: []facts.Group{{Against: "selector", Nodes: []string{"n2", "n3"}}, {Against: "taint", Nodes: []string{"n1"}}},
				Tries:  []facts.Try{{Constraint: "selector", Nodes: 2, Frees: 2, Asks: "disk=ssd", Lacks: "disk=ssd", At: "n2"}, {Constraint: "taint", Nodes: 1, Frees: 1, Lacks: "a=b:NoSchedule", At: "n1"}},
			}),
			says: []string{"does not tolerate the taint a=b:NoSchedule of n1, all there is with disk=ssd"}, not: []string{"scheduling/node-selector"}, out: []string{"scheduling/node-selector"},
		},
		{
			name: "the disk ties the pod to nodes that are too full", target: report, cause: "scheduling/insufficient-cpu",
			set: waits(facts.Wait{
				Total: 9, Words: "volume-node=5,cordon=2,cpu=2",
				Groups: []facts.Group{{Against: "cpu", Nodes: []string{"a1", "a2"}}, {Against: "volume-node", Nodes: []string{"b1", "b2", "b3", "b4", "b5"}}, {Against: "cordon,cpu", Nodes: []string{"a3", "a4"}}},
				Tries:  []facts.Try{{Constraint: "volume-node", Nodes: 5, Frees: 5, Lacks: "pv1", At: "b1"}, {Constraint: "cpu", Nodes: 4, Frees: 2, Request: 4000, Free: 3500, Large: 8000, At: "a2"}, {Constraint: "cordon", Nodes: 2, At: "a3"}},
			}),
			says: []string{"it asks for 4 CPU, and no node that its volume can be reached from has more than 3500m free"}, not: []string{"scheduling/volume-zone", "scheduling/cordoned"},
		},
		{
			name: "two constraints have to be lifted together: the one the scheduler met first leads", target: report, cause: "scheduling/taint",
			set: waits(facts.Wait{
				Total: 1, Words: "taint=1", Groups: []facts.Group{{Against: "cpu,taint", Nodes: []string{"n1"}}},
				Tries: []facts.Try{{Constraint: "cpu", Nodes: 1, Request: 4000, Free: 100, Large: 8000, At: "n1"}, {Constraint: "taint", Nodes: 1, Lacks: "a=b:NoSchedule", At: "n1"}},
			}),
			says: []string{"that alone would not do, there is also: too little CPU"},
			not:  []string{"scheduling/insufficient-cpu"},
		},
		{
			name: "the nodes are unknown: the scheduler's word is all there is", target: report, cause: "scheduling/insufficient-cpu", not: []string{"scheduling/cordoned"},
			set: waits(facts.Wait{Words: "cpu=3,cordon=1", Lack: "nodes"}), says: []string{"the scheduler finds 3 nodes too little CPU"},
		},
		{
			name: "the scheduler knows more than the objects show", target: report, cause: "scheduling/insufficient-cpu",
			set: waits(facts.Wait{Total: 3, Feasible: 3, Words: "cpu=3", Lack: "pods of all namespaces"}),
		},
		{
			name: "gated", target: report, cause: "scheduling/gated", not: []string{"node/scheduler-down"}, out: []string{"node/scheduler-down"},
			set: waits(facts.Wait{Gates: "example.com/quota", Lack: "nodes"}), says: []string{"nobody has opened its scheduling gate example.com/quota"},
		},
		{
			name: "nobody schedules, and one node is the control plane", target: report, cause: "node/scheduler-down", out: []string{"scheduling/insufficient-cpu"},
			set: func(s *facts.Set) {
				s.Waiting(report, 0, facts.Wait{Total: 3, Feasible: 2, Silent: true})
				s.SchedulerIs("m", scheduling.Gone, 0, facts.Unknown)
			},
			says: []string{"Nobody schedules: report-0 waits for 1m40s without a word of the scheduler, although 2 nodes would take it"},
		},
		{
			name: "its lease stands still", target: report, cause: "node/scheduler-down", not: []string{"scheduling/cordoned"},
			set: func(s *facts.Set) {
				s.Waiting(report, 0, facts.Wait{Silent: true, Lack: "nodes"})
				s.SchedulerIs("m", scheduling.Maybe, 0, -300)
			},
		},
		{
			name: "a scheduler of another name", target: report, cause: "node/scheduler-down",
			set:  waits(facts.Wait{Total: 3, Feasible: 2, Silent: true, Scheduler: "mine"}),
			says: []string{`waits for the scheduler "mine", which has said nothing of it in 1m40s`},
		},
		{
			name: "near miss: silent, but nodes refuse it and the scheduler runs", target: report, cause: "scheduling/taint", not: []string{"node/scheduler-down"},
			set: func(s *facts.Set) {
				x := one("taint", "", facts.Try{Lacks: "a:NoSchedule"})
				x.Silent = true
				s.Waiting(report, 0, x)
				s.SchedulerIs("m", scheduling.Running, 0, facts.Unknown)
			},
		},
		{
			name: "near miss: it has a node by now", target: report, cause: "",
			set: func(s *facts.Set) {
				s.Waiting(report, 0, one("cpu", "cpu=2", cpu))
				s.Waiting(report, 5, facts.Wait{Round: 2, Placed: true})
				s.Pod(report, 6, running(6, 0))
			},
		},
		{
			name: "preempted, and its successor finds no node", target: report, cause: "scheduling/preempted-or-drained",
			set: func(s *facts.Set) {
				s.Waiting(report, 0, one("cpu", "cpu=2", cpu))
				s.Revised("shop", "report", 1, 0, "1")
				s.IsDisplaced(report, -61, scheduling.Preemption, "batch/high")
			},
		},
		{
			name: "near miss: drained, and all pods are back", target: report, cause: "",
			set: func(s *facts.Set) {
				s.Pod(report, 6, running(6, 0))
				s.Revised("shop", "report", 1, 1, "1")
				s.IsDisplaced(report, -61, scheduling.Eviction, "")
			},
		},
		{
			name: "a budget holds the drain", target: report, cause: "scheduling/pdb-blocks",
			set: func(s *facts.Set) {
				s.Pod(report, 6, running(6, 0))
				s.Guarded(report, 7, "report", 2, 2, 2)
			},
			says: []string{"Draining n1 waits for report-0: budget report wants 2 healthy of 2, 2 are: none may leave"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

// TestSchedulingTells asserts what the story of an unplaced pod holds beside
// its cause.
func TestSchedulingTells(t *testing.T) {
	s := &facts.Set{}
	waits(one("cpu", "cpu=2,cordon=1", facts.Try{Request: 4000, Free: 3500, Large: 8000}))(s)
	s.Revised("shop", "report", 1, 0, "3")
	h := correlate.Explain(s.Window(40, false, report)).Hypotheses[0]
	if h.Confidence < 0.97 {
		t.Errorf("confidence %v: objects and scheduler agree", h.Confidence)
	}
	if a := h.Alternatives; len(a) != 2 || a[0].Change != "cpu request <= 3500m" || !a[0].Helps || a[0].Effect != "fits n1" || a[1].Helps {
		t.Errorf("alternatives %+v", a)
	}
	if v := h.Survey; v == nil || v.Total != 3 || strings.Join(v.Parts, "; ") != "2 too little CPU; 1 cordoned" {
		t.Errorf("survey %+v", v)
	}
	var commands []string
	for _, a := range h.Advice {
		commands = append(commands, a.Command)
		if a.ChangesCluster && a.Undo == "" {
			t.Errorf("%s has no undo", a.Command)
		}
	}
	want := "kubectl -n shop set resources deployment/report -c app --requests=cpu=3500m\nkubectl -n shop rollout undo deployment/report"
	if got := strings.Join(commands, "\n"); got != want {
		t.Errorf("advice\n%s\nwant\n%s", got, want)
	}
}
