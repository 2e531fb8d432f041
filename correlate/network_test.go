package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/services"
)

// calling is api, which is well and names the Service redis.
func calling(s *facts.Set) {
	s.Pod(api, 0, running(-500, 0))
	s.Pod(redis, 0, running(-500, 0))
	s.Names(api, "shop", "redis")
}

func TestNetwork(t *testing.T) {
	tests := []familyCase{
		{
			name: "selector of another spelling", target: api, cause: "network/selector-mismatch", state: "failing",
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis")
				s.Unmatched("redis", redis, facts.Fault{Carries: "re-dis", Near: 2, Callers: 1})
			},
			says: []string{"Service redis: selector app=redis matches no pod; 2 pods (2 ready) carry app=re-dis"},
			not:  []string{"network/no-endpoints"}, out: []string{"network/no-endpoints"},
		},
		{
			name: "a label that the pods lack", target: api, cause: "network/selector-mismatch",
			set: func(s *facts.Set) {
				calling(s)
				s.Unmatched("redis", redis, facts.Fault{Near: 1, Callers: 1})
			},
			says: []string{"1 pod (1 ready) lack the label app"},
		},
		{
			name: "mended since", target: api, cause: "", not: []string{"network/selector-mismatch"},
			set: func(s *facts.Set) {
				calling(s)
				s.Unmatched("redis", redis, facts.Fault{Carries: "re-dis", Near: 2, Callers: 1})
				s.FaultOver(services.Unmatched, "redis")
			},
		},
		{
			name: "its workload has no pods", target: api, cause: "", not: []string{"network/selector-mismatch", "network/no-endpoints"},
			set: func(s *facts.Set) {
				calling(s)
				s.Unmatched("redis", redis, facts.Fault{NoPods: true, Callers: 1})
			},
		},
		{
			name: "nobody near", target: api, cause: "network/no-endpoints", not: []string{"network/selector-mismatch"},
			set: func(s *facts.Set) {
				calling(s)
				s.Unmatched("redis", redis, facts.Fault{Callers: 1})
			},
		},
		{
			name: "nobody near and nobody calls", target: api, cause: "",
			set: func(s *facts.Set) {
				calling(s)
				s.Unmatched("other", redis, facts.Fault{})
			},
		},
		{
			name: "pods with the labels are not ready, and a caller complains", target: api, cause: "network/no-endpoints", not: []string{"network/selector-mismatch"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.ReadyPods("redis", 0, redis)
				s.Complains(api, 20, 38, 9, logs.Refused, "shop", "redis")
			},
			out: []string{"network/selector-mismatch"},
		},
		{
			name: "targetPort that three sources deny", target: api, cause: "network/target-port",
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadNumber, Wanted: 8080, Agree: 3, Callers: 1, Ready: 2})
			},
			says: []string{"Service redis: port 80 goes to targetPort 8081, which no container behind it declares; they listen on 8080"},
			not:  []string{"network/service-protocol"}, out: []string{"network/refused"},
		},
		{
			name: "a declaration alone does not prove a targetPort wrong", target: api, cause: "", not: []string{"network/target-port"},
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadNumber, Wanted: 8080, Agree: 1, Callers: 1, Ready: 2})
			},
		},
		{
			name: "a declaration and a caller that complains", target: api, cause: "network/target-port",
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadNumber, Wanted: 8080, Agree: 1, Callers: 1, Ready: 2})
				s.Complains(api, 20, 38, 9, logs.Refused, "shop", "redis")
			},
		},
		{
			name: "a port name that nobody declares", target: api, cause: "network/target-port",
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadName, Wanted: 8080, Agree: 1, Ready: 2})
			},
		},
		{
			name: "UDP where the pods listen by TCP", target: api, cause: "network/service-protocol", not: []string{"network/target-port"},
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadProtocol, Callers: 1, Ready: 2})
			},
			says: []string{"targetPort 8081 by UDP; the containers behind it listen there by TCP"}, out: []string{"network/target-port"},
		},
		{
			name: "appProtocol alone proves nothing", target: api, cause: "", not: []string{"network/service-protocol"},
			set: func(s *facts.Set) {
				calling(s)
				s.BadPort("redis", redis, facts.Fault{Problem: services.BadApplication, Callers: 1, Ready: 2})
			},
		},
		{
			name: "strangers behind a Service", target: api, cause: "network/selector-too-wide",
			set: func(s *facts.Set) {
				calling(s)
				s.Foreign("redis", redis, facts.Fault{Ready: 3, Own: "redis-only"})
			},
			says: []string{"about 25 of 100 calls go astray"},
		},
		{
			name: "traffic that may not leave the node", target: api, cause: "network/traffic-policy-local", not: []string{"network/no-endpoints"},
			set: func(s *facts.Set) {
				calling(s)
				s.NoLocal("redis", redis, facts.Fault{Callers: 1, Ready: 2})
			},
		},
		{
			name: "refused although the pods are ready", target: api, cause: "network/refused", not: []string{"network/no-endpoints", "network/target-port"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.ReadyPods("redis", 1, redis)
				s.Complains(api, 20, 38, 9, logs.Refused, "shop", "redis")
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
