package graph_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/graph"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

var (
	redis = facts.Pod{UID: "u1", Name: "redis-0", Namespace: "shop", Workload: "redis", ContainerID: "c1", Limit: 64}
	api   = facts.Pod{UID: "u2", Name: "api-1", Namespace: "shop", Workload: "api", ContainerID: "c2"}
	api2  = facts.Pod{UID: "u3", Name: "api-2", Namespace: "shop", Workload: "api", ContainerID: "c3"}
	web   = facts.Pod{UID: "u4", Name: "web", Namespace: "shop", ContainerID: "c4"}
)

func build(t *testing.T) *graph.Graph {
	t.Helper()
	s := &facts.Set{}
	for _, p := range []facts.Pod{redis, api, api2, web} {
		s.Pod(p, 0, facts.State{State: lifecycle.Running, Ready: true})
	}
	s.Service("shop", "redis", redis)
	s.Service("shop", "api", api, api2)
	s.Names(api, "shop", "redis")
	s.Names(redis, "shop", "redis") // a pod that names itself is no caller
	s.Names(api, "shop", "api")     // nor is a sibling
	s.Names(web, "shop", "api")
	var es []event.Event
	for _, f := range s.List {
		es = append(es, f.Event)
	}
	return graph.Build(es)
}

func TestRelations(t *testing.T) {
	g := build(t)
	tests := []struct {
		what      string
		got, want []event.Key
	}{
		{"pods of a workload", g.Pods(event.WorkloadKey("Deployment", "shop", "api")), []event.Key{api.Key(), api2.Key()}},
		{"pods of a Service", g.Pods(event.ServiceKey("shop", "redis")), []event.Key{redis.Key()}},
		{"all pods", g.Pods(event.Key{}), []event.Key{redis.Key(), api.Key(), api2.Key(), web.Key()}},
		{"pods of a node", g.Pods(event.NodeKey("n1")), []event.Key{redis.Key(), api.Key(), api2.Key(), web.Key()}},
		{"pods of another node", g.Pods(event.NodeKey("n2")), nil},
		{"pods of an address", g.Pods(event.Key{Type: event.Addr, ID: "10.0.0.1:80"}), nil},
		{"Services it names", g.Named(api.Key()), []event.Key{event.ServiceKey("shop", "api"), event.ServiceKey("shop", "redis")}},
		{"who names a Service", g.Namers(event.ServiceKey("shop", "redis")), []event.Key{redis.Key(), api.Key()}},
		{"all Services", g.AllServices(), []event.Key{event.ServiceKey("shop", "api"), event.ServiceKey("shop", "redis")}},
		{"callers", g.Callers(redis.Key()), []event.Key{api.Key()}},
		{"callers of a replica", g.Callers(api2.Key()), []event.Key{web.Key()}},
		{"callees", g.Callees(web.Key()), []event.Key{api.Key(), api2.Key()}},
		{"callers of nobody's Service", g.Callers(web.Key()), nil},
		{"services", g.Services(api.Key()), []event.Key{event.ServiceKey("shop", "api")}},
		{"containers", g.Containers(web.Key()), []event.Key{web.App()}},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, tt.got, tt.want)
		}
	}
	if g.Limit(redis.App()) != 64 || g.Limit(api.App()) != 0 || g.Limit(event.Key{}) != 0 {
		t.Error("limits")
	}
	if wl, ok := g.WorkloadOf(redis.App()); !ok || wl != event.WorkloadKey("Deployment", "shop", "redis") {
		t.Errorf("workload %v", wl)
	}
	if _, ok := g.WorkloadOf(web.Key()); ok {
		t.Error("a bare pod has a workload")
	}
	if n, ok := g.NodeOf(redis.App()); !ok || n != event.NodeKey("n1") {
		t.Errorf("node %v", n)
	}
}

func TestResolve(t *testing.T) {
	g := build(t)
	stranger := event.CgroupKey("nobody", "c9")
	tests := []struct {
		name              string
		key               event.Key
		canonical, former event.Key
	}{
		{"a running container", event.CgroupKey("u1", "c1"), redis.App(), redis.App()},
		{"the pod's own cgroup", event.CgroupKey("u1", ""), redis.Key(), redis.Key()},
		{"sandbox or forgotten instance", event.CgroupKey("u1", "c0"), event.CgroupKey("u1", "c0"), redis.App()},
		{"a pod nobody knows", stranger, stranger, stranger},
		{"not in a pod", event.Key{Type: event.Cgroup, ID: "/system.slice"}, event.Key{Type: event.Cgroup, ID: "/system.slice"}, event.Key{Type: event.Cgroup, ID: "/system.slice"}},
		{"a node", event.NodeKey("n1"), event.NodeKey("n1"), event.NodeKey("n1")},
	}
	for _, tt := range tests {
		if got := g.Canonical(tt.key); got != tt.canonical {
			t.Errorf("%s: canonical %v", tt.name, got)
		}
		if got := g.Former(tt.key); got != tt.former {
			t.Errorf("%s: former %v", tt.name, got)
		}
	}
}

func TestNames(t *testing.T) {
	g := build(t)
	for key, want := range map[event.Key]graph.Name{
		redis.App():                                      {Kind: "Pod", Namespace: "shop", Name: "redis-0", Container: "app"},
		redis.Key():                                      {Kind: "Pod", Namespace: "shop", Name: "redis-0"},
		event.PodKey("nobody"):                           {Kind: "Pod", Name: "nobody"},
		event.ServiceKey("shop", "api"):                  {Kind: "Service", Namespace: "shop", Name: "api"},
		event.NodeKey("n1"):                              {Kind: "Node", Name: "n1"},
		{Type: event.Volume, ID: "shop/data"}:            {Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"},
		{Type: event.Volume, ID: "/dev/sda"}:             {Kind: "volume", Name: "/dev/sda"},
		{Type: event.Config, ID: "Secret/shop/db"}:       {Kind: "Secret", Namespace: "shop", Name: "db"},
		{Type: event.Workload, ID: "x"}:                  {Kind: "workload", Name: "x"},
		{Type: event.Cgroup, ID: "/a/b"}:                 {Kind: "Cgroup", Name: "/a/b"},
		event.CgroupKey("u1", "0123456789abcdef"):        {Kind: "Pod", Namespace: "shop", Name: "redis-0", Container: "0123456789ab"},
		event.WorkloadKey("DaemonSet", "shop", "logger"): {Kind: "DaemonSet", Namespace: "shop", Name: "logger"},
	} {
		if diff := cmp.Diff(want, g.Name(key)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", key, diff)
		}
	}
}
