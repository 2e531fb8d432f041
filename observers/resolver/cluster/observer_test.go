package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/resolver"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// pod is a ready pod of the StatefulSet app that may name the Service api.
func pod(app string, names bool, change func(*corev1.Pod)) *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: app + "-0", UID: types.UID("u-" + app), CreationTimestamp: metav1.NewTime(noon),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: app, Controller: &yes}},
		},
		Spec:   corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirst, Containers: []corev1.Container{{Name: "main"}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Ready: true}}},
	}
	if names {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "API_URL", Value: "http://api:80"}}
	}
	if change != nil {
		change(p)
	}
	return p
}

func none(servers ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.DNSPolicy = corev1.DNSNone
		p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: servers}
	}
}

func service(ns, name, ip string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: corev1.ServiceSpec{
		ClusterIP: ip, ClusterIPs: []string{ip}, Selector: map[string]string{"k8s-app": name}, Ports: []corev1.ServicePort{{Port: 80}},
	}}
}

func coreDNS(ready bool) *corev1.Pod {
	p := pod("coredns", false, nil)
	p.Namespace, p.Labels = "kube-system", map[string]string{"k8s-app": "kube-dns"}
	p.Spec.DNSPolicy = corev1.DNSDefault
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionStatus(map[bool]string{true: "True", false: "False"}[ready])}}
	return p
}

func slice(ready bool) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "s", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.1.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "coredns-0"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}},
			{Addresses: []string{"fd00::1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "coredns-0"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}},
		},
	}
}

func unready(p *corev1.Pod) { p.Status.ContainerStatuses[0].Ready = false }

func brief(t *testing.T, objs ...runtime.Object) string {
	t.Helper()
	obs, err := Open(source.FromObjects(append(objs, &corev1.ServiceList{}), nil, noon.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range observertest.Run(t, obs, resolver.Spec, func(*observertest.Session) { <-obs.(*observer).First() }) {
		var parts []string
		for name, v := range e.Attrs {
			parts = append(parts, name+"="+v.String())
		}
		slices.Sort(parts)
		out = append(out, fmt.Sprintf("%s %s", e.Subject().ID, strings.Join(parts, " ")))
	}
	return strings.Join(out, "|")
}

func TestFacts(t *testing.T) {
	api, dns := service("shop", "api", "10.96.1.1"), service("kube-system", "kube-dns", "10.96.0.10")
	empty := slice(true)
	empty.Endpoints = nil
	tests := []struct {
		name string
		objs []runtime.Object
		want string
	}{
		{"slices of others alone tell nothing", []runtime.Object{api, dns, &discoveryv1.EndpointSliceList{}, pod("web", true, nil)}, ""},
		{"as usual", []runtime.Object{api, dns, pod("web", true, nil)}, ""},
		{
			"a foreign server", []runtime.Object{api, dns, pod("web", true, none("8.8.8.8")), pod("a", true, nil), pod("b", true, none("8.8.8.8")), pod("c", false, nil)},
			"u-b alike=1 cluster_dns=10.96.0.10 named=1 others=2 outside=true policy=None problem=foreign-server search=false servers=8.8.8.8|" +
				"u-web alike=1 cluster_dns=10.96.0.10 named=1 others=2 outside=true policy=None problem=foreign-server search=false servers=8.8.8.8",
		},
		{"the cluster's server by hand", []runtime.Object{api, dns, pod("web", true, none("10.96.0.10"))}, ""},
		{"a cache on the node", []runtime.Object{api, dns, pod("web", true, none("169.254.20.10"))}, ""},
		{"a server among the Services, the cluster's own is not known", []runtime.Object{api, pod("web", true, none("10.96.0.10"))}, ""},
		{
			"a foreign server, the cluster's own is not known", []runtime.Object{api, pod("web", true, none("10.7.0.10"))},
			"u-web alike=0 named=1 others=0 outside=true policy=None problem=foreign-server search=false servers=10.7.0.10",
		},
		{
			"host network", []runtime.Object{api, dns, pod("web", true, func(p *corev1.Pod) { p.Spec.HostNetwork = true })},
			"u-web alike=0 cluster_dns=10.96.0.10 named=1 others=0 outside=true policy=ClusterFirst problem=host-network search=false",
		},
		{"host network without need of names", []runtime.Object{api, dns, pod("agent", false, func(p *corev1.Pod) { p.Spec.HostNetwork = true })}, ""},
		{"host network set right", []runtime.Object{api, dns, pod("web", true, func(p *corev1.Pod) {
			p.Spec.HostNetwork, p.Spec.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet
		})}, ""},
		{
			"an alias over a Service", []runtime.Object{api, dns, pod("web", true, func(p *corev1.Pod) {
				p.Spec.HostAliases = []corev1.HostAlias{{IP: "1.2.3.4", Hostnames: []string{"api", "other"}}, {IP: "10.96.1.1", Hostnames: []string{"api.shop"}}}
			})},
			"u-web fixed_to=1.2.3.4 named=1 policy=ClusterFirst problem=alias right=10.96.1.1",
		},
		{"the server is down", []runtime.Object{api, dns, coreDNS(false), pod("web", true, unready)}, "kube-system/kube-dns pods=1 ready=0"},
		{"a slice tells of two addresses of one pod", []runtime.Object{api, dns, slice(true), slice(true), pod("web", true, nil)}, "kube-system/kube-dns pods=1 ready=1"},
		{"a slice without endpoints", []runtime.Object{api, dns, empty, pod("web", true, nil)}, "kube-system/kube-dns pods=0 ready=0"},
		{"nobody asks", []runtime.Object{api, dns, slice(true), pod("web", false, nil)}, ""},
		{"the server is well", []runtime.Object{api, dns, coreDNS(true), pod("web", true, unready)}, "kube-system/kube-dns pods=1 ready=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief(t, tt.objs...); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestEarlier(t *testing.T) {
	yes := true
	set := func(name string, made time.Duration, policy corev1.DNSPolicy) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(noon.Add(made)), OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", Controller: &yes}}},
			Spec:       appsv1.ReplicaSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{DNSPolicy: policy}}},
		}
	}
	p := pod("web", true, none("8.8.8.8"))
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-2", Controller: &yes}}
	got := brief(t, p, set("web-1", -time.Hour, corev1.DNSClusterFirst), set("web-2", 0, corev1.DNSNone))
	if !strings.Contains(got, "earlier=true") {
		t.Errorf("the revision before used the cluster's DNS: %s", got)
	}
	if got := brief(t, p, set("web-1", -time.Hour, corev1.DNSNone), set("web-2", 0, corev1.DNSNone)); strings.Contains(got, "earlier") {
		t.Errorf("it did not: %s", got)
	}
}
