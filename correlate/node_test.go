package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/rules/node"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/nodes"
)

func nodeCauses(w *window.Window) (out []string, all []finding.Hypothesis) {
	for _, r := range node.Rules() {
		for _, h := range r.Eval(w) {
			all = append(all, h)
			if h.Confidence(w.Ceiling()) >= finding.Supported {
				out = append(out, string(h.Cause))
			}
		}
	}
	return out, all
}

func TestNodes(t *testing.T) {
	unready := facts.State{State: lifecycle.Running, Started: -500}
	stale := func(at float64) func(*event.Event) {
		return func(e *event.Event) { nodes.Renewed.Set(e, facts.At(at).Unix()) }
	}
	fresh := func(e *event.Event) { nodes.Fresh.Set(e, true) }
	both := func(fs ...func(*event.Event)) func(*event.Event) {
		return func(e *event.Event) {
			for _, f := range fs {
				f(e)
			}
		}
	}
	says := func(cause, message string) func(*event.Event) {
		return func(e *event.Event) { nodes.Cause.Set(e, cause); nodes.Message.Set(e, message) }
	}
	sandbox := func(why string, last float64) func(*event.Event) {
		return func(e *event.Event) {
			nodes.SandboxWhy.Set(e, why)
			nodes.SandboxLast.Set(e, facts.At(last).Unix())
			nodes.Sandboxes.Set(e, 3)
			nodes.SandboxText.Set(e, "no IP addresses available")
		}
	}
	part := func(role string) func(*event.Event) {
		return func(e *event.Event) {
			nodes.Name.Set(e, "part")
			nodes.Role.Set(e, role)
			nodes.Missing.Set(e, true)
			nodes.Well.Set(e, 1)
		}
	}
	n1 := event.NodeKey("n1")
	deploy := event.WorkloadKey("Deployment", "shop", "redis")
	system := event.Key{Type: event.Namespace, ID: "kube-system"}
	ignored := func(e *event.Event) { nodes.Generation.Set(e, 3); nodes.Observed.Set(e, 2) }
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string
		says string
	}{
		{
			name: "the kubelet is gone", want: "node/kubelet-down", says: "node n1: its kubelet stopped reporting at 13:57:30 UTC; 1 of 1 pod on it not ready",
			set: func(s *facts.Set) {
				s.NodeState("n1", "Unknown", -120, 1, 1, stale(-150))
				s.NodeState("n2", "True", -9000, 1, 0, fresh)
			},
		},
		{
			name: "the lease is stale before the condition says so", want: "node/kubelet-down",
			set: func(s *facts.Set) { s.NodeState("n1", "True", -9000, 1, 1, stale(-60)) },
		},
		{
			name: "cordoned", set: func(s *facts.Set) {
				s.NodeState("n1", "True", -9000, 1, 0, both(fresh, func(e *event.Event) { nodes.Cordoned.Set(e, true) }))
			},
		},
		{
			name: "not ready once, ready since", set: func(s *facts.Set) {
				s.NodeState("n1", "Unknown", -500, 1, 1, stale(-550))
				s.NodeState("n1", "True", -300, 1, 0, fresh)
			},
		},
		{
			name: "the runtime is down", want: "node/runtime-down", says: "node n1: its container runtime is down since 13:58:00 UTC",
			set: func(s *facts.Set) {
				s.NodeState("n1", "False", -120, 1, 1, both(fresh, says(nodes.Runtime, "container runtime is down")))
			},
		},
		{
			name: "the runtime is down, the node does not say so yet", want: "node/runtime-down",
			set: func(s *facts.Set) { s.NodeState("n1", "True", -9000, 1, 1, both(fresh, sandbox(nodes.Runtime, -20))) },
		},
		{
			name: "no network on the node", want: "node/cni-failure", says: "node n1: its pod network is down",
			set: func(s *facts.Set) {
				s.NodeState("n1", "False", -120, 1, 1, both(fresh, says(nodes.Network, "cni plugin not initialized")))
			},
		},
		{
			name: "no addresses left", want: "node/cni-failure", says: "no IP addresses available",
			set: func(s *facts.Set) { s.NodeState("n1", "True", -9000, 1, 1, both(fresh, sandbox(nodes.Network, -20))) },
		},
		{
			name: "a sandbox failed for another reason", set: func(s *facts.Set) {
				s.NodeState("n1", "True", -9000, 1, 1, both(fresh, sandbox(nodes.Other, -20)))
			},
		},
		{
			name: "sandboxes failed a while ago", set: func(s *facts.Set) {
				s.NodeState("n1", "True", -9000, 1, 0, sandbox(nodes.Network, -1200))
			},
		},
		{
			name: "kube-proxy is down here", want: "node/kube-proxy-down", says: "node n1: part has no pod on it, and is ready on 1 other node",
			set: func(s *facts.Set) { s.NodeFact(nodes.Component, -100, n1, part(nodes.Proxy)) },
		},
		{
			name: "some other component is down here",
			set:  func(s *facts.Set) { s.NodeFact(nodes.Component, -100, n1, part(nodes.Other)) },
		},
		{
			name: "nobody acts", want: "node/controller-down", says: "kube-controller-manager last renewed its lease at 13:55:00 UTC",
			set: func(s *facts.Set) {
				s.NodeFact(nodes.Ignored, -250, deploy, ignored)
				s.NodeFact(nodes.Manager, -300, system, stale(-300))
			},
		},
		{
			name: "nobody acts, and nothing is known of the manager", want: "node/controller-down",
			set: func(s *facts.Set) { s.NodeFact(nodes.Ignored, -250, deploy, ignored) },
		},
		{
			name: "pods are missing and the manager is gone", want: "node/controller-down",
			set: func(s *facts.Set) {
				s.Missing(facts.Missing{Namespace: "shop", Workload: "redis", Desired: 2, Pods: 1}, -200)
				s.NodeFact(nodes.Manager, -300, system, stale(-300))
			},
		},
		{
			name: "pods are refused: somebody acts",
			set: func(s *facts.Set) {
				s.Missing(facts.Missing{Namespace: "shop", Workload: "redis", Desired: 2, Pods: 1, Refused: true, Last: -5}, -200)
				s.NodeFact(nodes.Manager, -300, system, stale(-300))
			},
		},
		{
			name: "a device is lost", want: "node/device-lost", says: "node n2: only 3 of 4 example.org/card can be given to pods",
			set: func(s *facts.Set) {
				s.NodeFact(nodes.Device, -100, event.NodeKey("n2"), func(e *event.Event) {
					e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: redis.Key()})
					nodes.Name.Set(e, "example.org/card")
					nodes.Capacity.Set(e, 4)
					nodes.Allocatable.Set(e, 3)
					nodes.Wanted.Set(e, 1)
				})
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &facts.Set{}
			s.Pod(redis, -600, unready)
			tt.set(s)
			w := s.Namespace(0, "shop")
			got, all := nodeCauses(w)
			if strings.Join(got, " ") != tt.want {
				t.Fatalf("supported %v, want %q", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			if h := all[0]; !strings.Contains(h.Headline, tt.says) || len(h.Chain) == 0 || len(h.Advice) == 0 {
				t.Errorf("%q lacks %q, or there is no chain or advice: %+v", h.Headline, tt.says, h.Chain)
			}
			if tt.want == "node/kube-proxy-down" {
				return // the pod's own trouble is not explained by it
			}
			if doc := correlate.Explain(w); doc.Verdict != story.Explained || doc.Hypotheses[0].Cause != tt.want {
				t.Errorf("the story is %s: %s", doc.Verdict, doc.Headline)
			}
		})
	}
}

// TestProxyStale needs two Services that one node alone does not reach.
func TestProxyStale(t *testing.T) {
	there := facts.Pod{UID: "u9", Name: "far", Namespace: "shop", Workload: "far", ContainerID: "c9", Created: -600}
	for _, tt := range []struct {
		name    string
		targets []string
		callers int
		want    string
	}{
		{"two Services, others reach them", []string{"redis", "cart"}, 1, "node/kube-proxy-stale"},
		{"one Service only", []string{"redis"}, 1, ""},
		{"nobody else calls", []string{"redis", "cart"}, 0, ""},
	} {
		s := &facts.Set{}
		s.Pod(api, -600, running(-500, 0))
		s.Pod(redis, -600, running(-500, 0))
		s.PodOn(there, "n2", -600)
		s.NodeState("n1", "True", -9000, 2, 0, nil)
		for _, svc := range tt.targets {
			s.ReadyService("shop", svc, 1, redis)
			s.Complains(api, -30, -2, 9, logs.Timeout, "shop", svc)
			if tt.callers > 0 {
				s.Names(there, "shop", svc)
			}
		}
		if got, _ := nodeCauses(s.Namespace(0, "shop")); strings.Join(got, " ") != tt.want {
			t.Errorf("%s: supported %v, want %q", tt.name, got, tt.want)
		}
	}
}
