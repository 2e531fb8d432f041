package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/resolver"
	"github.com/yairfalse/tapio/observers/routes"
)

func TestNamesAndRoutes(t *testing.T) {
	foreign := facts.Resolves{Problem: resolver.ForeignServer, Servers: "8.8.8.8", Others: 9}
	asks := func(x facts.Resolves) facts.Resolves { x.Named = 1; return x }
	stuck := func(s *facts.Set) { s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: -300}) }
	tests := []familyCase{
		{
			name: "a foreign name server in a pod that does not come up", target: api, cause: "dns/policy-wrong", state: "failing",
			set: func(s *facts.Set) {
				stuck(s)
				s.Resolves(api, foreign)
			},
			says: []string{"api-7d cannot resolve names of the cluster: dnsPolicy None with name server 8.8.8.8", "container app is running, not ready"},
			not:  []string{"dns/server-down"}, out: []string{"dns/server-down"},
		},
		{
			name: "a foreign name server and a complaint", target: api, cause: "dns/policy-wrong", not: []string{"dns/name-not-found"},
			set: func(s *facts.Set) {
				calling(s)
				s.Resolves(api, foreign)
				s.Complains(api, 20, 38, 9, logs.Unresolved, "shop", "redis")
			},
		},
		{
			name: "a foreign name server in a pod that is well and names nothing", target: api, cause: "", not: []string{"dns/policy-wrong"},
			set: func(s *facts.Set) {
				calling(s)
				s.Resolves(api, foreign)
			},
		},
		{
			name: "the host's name servers in a pod that is well", target: api, cause: "", not: []string{"dns/policy-wrong"},
			set: func(s *facts.Set) {
				calling(s)
				s.Resolves(api, asks(facts.Resolves{Problem: resolver.HostNetwork}))
			},
		},
		{
			name: "the host's name servers in a pod that needs others", target: api, cause: "dns/policy-wrong",
			set: func(s *facts.Set) {
				stuck(s)
				s.Resolves(api, asks(facts.Resolves{Problem: resolver.HostNetwork, Earlier: true}))
			},
			says: []string{"ClusterFirstWithHostNet would"},
		},
		{
			name: "an alias over a Service", target: api, cause: "dns/policy-wrong",
			set: func(s *facts.Set) {
				stuck(s)
				s.Resolves(api, asks(facts.Resolves{Problem: resolver.Alias}))
			},
			says: []string{"hostAliases fix the name of Service redis to 1.2.3.4; the Service is at 10.96.1.1"},
		},
		{
			name: "the cluster's DNS is down", target: api, cause: "dns/server-down", not: []string{"dns/name-not-found"},
			set: func(s *facts.Set) {
				stuck(s)
				s.NameServer(2, 0)
				s.Complains(api, 20, 38, 9, logs.Unresolved, "shop", "nothing")
			},
			says: []string{"the cluster's DNS has 2 pods and 0 ready"}, out: []string{"dns/name-not-found"},
		},
		{
			name: "a name that no Service has", target: api, cause: "dns/name-not-found", not: []string{"dns/server-down"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.NameServer(2, 2)
				s.Complains(api, 20, 38, 9, logs.Unresolved, "shop", "redis-queue")
			},
			says: []string{`asks for "redis-queue", a name without address; there is no Service redis-queue in namespace shop`}, out: []string{"dns/server-down"},
		},
		{
			name: "a name that a Service has", target: api, cause: "", not: []string{"dns/name-not-found"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.Complains(api, 20, 38, 9, logs.Unresolved, "shop", "redis")
			},
		},
		{
			name: "a route that breaks the pattern", target: redis, cause: "network/gateway-route",
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.Astray("redis", api, routes.Pattern, "ConfigMap gw conf", "cart", 12)
			},
			says: []string{"Calls meant for Service redis go astray: route /redis in ConfigMap gw conf leads to cart, not to redis"},
		},
		{
			name: "an Ingress to no Service", target: redis, cause: "network/gateway-route",
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.Astray("redis", api, routes.NoService, "Ingress web", "redis:80", 0)
			},
		},
		{
			name: "a gateway that leads out of the cluster", target: redis, cause: "", not: []string{"network/gateway-route"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.Astray("redis", api, routes.NoService, "ConfigMap gw conf", "redis", 0)
			},
		},
		{
			name: "a policy and a caller that waits", target: api, cause: "network/policy-drop", not: []string{"network/refused"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.ReadyPods("redis", 1, redis)
				s.Denied(routes.Ingress, "redis", api, true)
				s.Complains(api, 20, 38, 9, logs.Timeout, "shop", "redis")
			},
			says: []string{"Service redis: network policy deny selects its pods and allows none of the calls of 1 pod"},
		},
		{
			name: "a policy, but the caller is refused", target: api, cause: "network/refused", not: []string{"network/policy-drop"},
			set: func(s *facts.Set) {
				calling(s)
				s.Service("shop", "redis", redis)
				s.ReadyPods("redis", 1, redis)
				s.Denied(routes.Ingress, "redis", api, false)
				s.Complains(api, 20, 38, 9, logs.Refused, "shop", "redis")
			},
		},
		{
			name: "a policy that nobody minds", target: api, cause: "", not: []string{"network/policy-drop"},
			set: func(s *facts.Set) {
				calling(s)
				s.Denied(routes.Ingress, "redis", api, true)
			},
		},
		{
			name: "no way to any name server", target: api, cause: "network/policy-drop",
			set: func(s *facts.Set) {
				calling(s)
				s.Denied(routes.DNS, "redis", api, true)
				s.Complains(api, 20, 38, 9, logs.Timeout, "shop", "redis")
			},
			says: []string{"leaves no way out to port 53"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
