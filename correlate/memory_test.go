package correlate_test

import (
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

const evictedMessage = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi. Container app was using 300Mi, request is 16Mi, has larger consumption of memory. "

func TestMemory(t *testing.T) {
	tests := []familyCase{
		{
			name: "a child of the log: the container runs since before", target: redis, cause: "memory/child-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-500, 0))
				s.Kill(redis, -100, facts.Kill{PID: 8, NSPID: facts.None, Usage: 64 * mi, Limit: 64 * mi, Log: true})
			},
			says: []string{"and the container lives on, at 13:58:20 UTC"}, not: []string{"memory/limit-oom", "memory/limit-too-small"}, out: []string{"memory/limit-oom", "memory/node-oom"},
		},
		{
			name: "a child that died as soon as the only instance was started", target: redis, cause: "memory/child-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-100, 0))
				s.Kill(redis, -99.8, facts.Kill{PID: 8, NSPID: facts.None, Usage: 64 * mi, Limit: 64 * mi, Log: true})
			},
			not: []string{"memory/limit-oom"},
		},
		{
			name: "killed as another instance was started", target: redis, cause: "memory/limit-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-100, 1))
				s.Kill(redis, -99.8, facts.Kill{PID: 8, NSPID: facts.None, Usage: 64 * mi, Limit: 64 * mi, Log: true, Life: time.Hour})
			},
			not: []string{"memory/child-oom"},
		},
		{
			name: "killed a moment ago, the API has not told: nobody knows yet", target: redis, cause: "",
			set: func(s *facts.Set) {
				s.Pod(redis, 35, running(-500, 0))
				s.Kill(redis, 39, facts.Kill{PID: 8, NSPID: facts.None, Usage: 64 * mi, Limit: 64 * mi, Log: true, Life: time.Hour})
			},
			not: []string{"memory/child-oom", "memory/limit-oom"},
		},
		{
			name: "first process of a container in a shared pid namespace", target: redis, cause: "memory/limit-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 35, running(-500, 0))
				s.Kill(redis, 30, facts.Kill{PID: 8, NSPID: 12, Usage: 64 * mi, Limit: 64 * mi, Life: time.Hour})
				s.ProcessEnd(redis, 30.01, facts.ProcessEnd{PID: 8, NSPID: 12, Signal: 9, OOM: true})
			},
			not: []string{"memory/child-oom"},
		},
		{
			name: "a child, seen to end by both observers", target: redis, cause: "memory/child-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 35, running(-500, 0))
				s.Kill(redis, 30, facts.Kill{PID: 8, NSPID: 12, Usage: 64 * mi, Limit: 64 * mi})
				s.ProcessEnd(redis, 30.01, facts.ProcessEnd{PID: 8, NSPID: 12, Signal: 9, OOM: true, Child: true})
			},
			says: []string{"process server (pid 12 in the container)"},
		},
		{
			name: "a limit above the pod", target: redis, cause: "memory/node-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Ended(redis, -29, 30, "OOMKilled", 137, "")
				s.Kill(redis, 29.8, facts.Kill{PID: 9, Usage: 300 * mi, Limit: 300 * mi, By: memory.ByAncestor, Life: 59 * time.Second})
			},
			says: []string{"because cgroup /kubepods (limit 300Mi) of node n1 ran out of memory, not for its own limit"},
			not:  []string{"memory/limit-oom", "memory/limit-too-small"}, out: []string{"memory/limit-oom", "memory/evicted"},
		},
		{
			name: "another pod of the node was the victim", target: redis, cause: "",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-500, 0))
				s.Pod(api, 40, running(32, 1))
				s.Kill(api, 29.8, facts.Kill{PID: 9, Usage: 300 * mi, Limit: 300 * mi, By: memory.ByAncestor, Life: 59 * time.Second})
			},
			not: []string{"memory/node-oom"},
		},
		{
			name: "what the target calls was the victim", target: redis, cause: "memory/node-oom",
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-500, 0))
				s.Pod(api, 40, running(32, 1))
				s.Service("shop", "api", api)
				s.Names(redis, "shop", "api")
				s.Kill(api, 29.8, facts.Kill{PID: 9, Usage: 300 * mi, Limit: 300 * mi, By: memory.ByAncestor, Life: 59 * time.Second})
			},
			says: []string{"api-7d: container app was OOM-killed because cgroup"},
		},
		{
			name: "evicted", target: redis, cause: "memory/evicted", state: "failing",
			set: func(s *facts.Set) {
				s.Pod(redis, 30, facts.State{State: lifecycle.Terminated})
				s.Evicted(redis, 31, evictedMessage)
			},
			says: []string{"redis-0 was evicted: node n1 was short of memory (88Mi available, threshold 100Mi); container app used 300Mi, more than its request of 16Mi"},
			not:  []string{"memory/node-oom", "memory/limit-oom"}, out: []string{"memory/node-oom", "storage/evicted"},
		},
		{
			name: "evicted for its disk", target: redis, cause: "",
			set: func(s *facts.Set) {
				s.Pod(redis, 30, facts.State{State: lifecycle.Terminated})
				s.Evicted(redis, 31, "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 88Mi. ")
			},
			not: []string{"memory/evicted"},
		},
		{
			name: "evicted by request of the API", target: redis, cause: "",
			set: func(s *facts.Set) {
				s.Pod(redis, 30, facts.State{State: lifecycle.Terminated})
				s.Evicted(redis, 31, "Pod was evicted; memory was not the reason")
			},
			not: []string{"memory/evicted"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
