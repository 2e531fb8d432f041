package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/routes"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// pod is a pod of the StatefulSet app that listens on port 8080, called main,
// and names Services.
func pod(app string, names ...string) *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: app + "-0", UID: types.UID("u-" + app), CreationTimestamp: metav1.NewTime(noon), Labels: map[string]string{"app": app},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: app, Controller: &yes}},
		},
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Ports: []corev1.ContainerPort{{Name: "main", ContainerPort: 8080}}}}},
		Status: corev1.PodStatus{PodIP: "10.1.0.7"},
	}
	for _, n := range names {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: "URL_" + n, Value: "http://" + n + ":80"})
	}
	return p
}

func service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "web", Port: 80, TargetPort: intstr.FromString("main")}},
	}}
}

func mounting(p *corev1.Pod, configMap string) *corev1.Pod {
	p.Spec.Volumes = []corev1.Volume{{Name: "c", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}}}}}
	return p
}

func config(name, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: map[string]string{"gateway.conf": text}}
}

func policy(name, app string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(noon.Add(time.Minute))}, Spec: spec}
}

func from(peers ...networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicySpec {
	return networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, Ingress: []networkingv1.NetworkPolicyIngressRule{{From: peers}}}
}

func app(name string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}
}

func brief(t *testing.T, objs ...runtime.Object) string {
	t.Helper()
	obs, err := Open(source.FromObjects(append(objs, &corev1.ServiceList{}, &corev1.PodList{}), nil, noon.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range observertest.Run(t, obs, routes.Spec, func(*observertest.Session) { <-obs.(*observer).First() }) {
		var parts, peers []string
		for name, v := range e.Attrs {
			parts = append(parts, name+"="+v.String())
		}
		for _, r := range e.Refs {
			if r.Role == event.Peer {
				peers = append(peers, r.Key.ID)
			}
		}
		slices.Sort(parts)
		out = append(out, fmt.Sprintf("%s %s > %s: %s", strings.TrimPrefix(string(e.Kind), "routes."), e.Subject().ID, strings.Join(peers, ","), strings.Join(parts, " ")))
	}
	return strings.Join(out, "|")
}

func nginx(locations ...string) string {
	var b strings.Builder
	for i := 0; i < len(locations); i += 2 {
		fmt.Fprintf(&b, "location /%s/ { proxy_pass http://%s; }\n", locations[i], locations[i+1])
	}
	return b.String()
}

func TestRoutes(t *testing.T) {
	services := []runtime.Object{service("cart"), service("order"), service("user"), service("price"), service("wait-order")}
	gw := mounting(pod("gw"), "gw")
	ingress := func(name string, port networkingv1.ServiceBackendPort) *networkingv1.Ingress {
		return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/x", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: name, Port: port}},
			}}}},
		}}}}
	}
	tests := []struct {
		name string
		objs []runtime.Object
		want string
	}{
		{"all lead where they tell", []runtime.Object{gw, config("gw", nginx("cart", "cart", "order", "order:80", "user", "user"))}, ""},
		{
			"one leads elsewhere", []runtime.Object{gw, config("gw", nginx("cart", "cart", "order", "price", "user", "user", "price", "price"))},
			"astray shop/order > shop/price: breaks=1 path=/order/ problem=pattern siblings=3 target=price via=ConfigMap gw gateway.conf",
		},
		{"nobody mounts it", []runtime.Object{pod("gw"), config("gw", nginx("cart", "cart", "order", "price", "user", "user", "price", "price"))}, ""},
		{
			"a port that the Service has not", []runtime.Object{gw, config("gw", nginx("cart", "cart:8080"))},
			"astray shop/cart > : path=/cart/ ports=80 problem=no-port target=cart:8080 via=ConfigMap gw gateway.conf",
		},
		{
			"no such Service", []runtime.Object{gw, config("gw", nginx("wait", "waitorder", "ext", "www.example.com", "me", "localhost:1"))},
			"astray shop/waitorder > : path=/wait/ problem=no-service similar=wait-order target=waitorder via=ConfigMap gw gateway.conf",
		},
		{"Ingress that fits", []runtime.Object{ingress("cart", networkingv1.ServiceBackendPort{Name: "web"})}, ""},
		{
			"Ingress to no port", []runtime.Object{ingress("cart", networkingv1.ServiceBackendPort{Number: 8080})},
			"astray shop/cart > : path=/x ports=80 problem=no-port target=cart:8080 via=Ingress web",
		},
		{
			"Ingress to a port name that is not there", []runtime.Object{ingress("cart", networkingv1.ServiceBackendPort{Name: "http"})},
			"astray shop/cart > : path=/x ports=80 problem=no-port target=cart:1 via=Ingress web",
		},
		{
			"Ingress to no Service", []runtime.Object{ingress("basket", networkingv1.ServiceBackendPort{Number: 80})},
			"astray shop/basket > : path=/x problem=no-service target=basket:80 via=Ingress web",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief(t, append(tt.objs, services...)...); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	port := func(p intstr.IntOrString, end *int32, protocol corev1.Protocol) networkingv1.NetworkPolicySpec {
		s := from(app("web"))
		s.Ingress[0].Ports = []networkingv1.NetworkPolicyPort{{Port: &p, EndPort: end, Protocol: &protocol}}
		return s
	}
	end := int32(9000)
	block := func(cidr string, except ...string) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except}}
	}
	ns := func(name string) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}}
	}
	out := func(rules ...networkingv1.NetworkPolicyEgressRule) networkingv1.NetworkPolicySpec {
		return networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}, Egress: rules}
	}
	udp := corev1.ProtocolUDP
	dns := intstr.FromInt32(53)
	const denied = "denied shop/db > u-web: allows=0 callers=1 newer=true policies=p port=8080 problem=ingress"
	tests := []struct {
		name string
		np   *networkingv1.NetworkPolicy
		want string
	}{
		{"of other pods", policy("p", "cache", from(app("x"))), ""},
		{"allows others only", policy("p", "db", from(app("x"))), denied},
		{"allows the caller", policy("p", "db", from(app("x"), app("web"))), ""},
		{"allows nobody", policy("p", "db", networkingv1.NetworkPolicySpec{}), denied},
		{"allows all", policy("p", "db", from()), ""},
		{"by name of the port", policy("p", "db", port(intstr.FromString("main"), nil, "TCP")), ""},
		{"another port", policy("p", "db", port(intstr.FromInt32(80), nil, "TCP")), denied},
		{"a range of ports", policy("p", "db", port(intstr.FromInt32(8000), &end, "TCP")), ""},
		{"another protocol", policy("p", "db", port(intstr.FromInt32(8080), nil, "UDP")), denied},
		{"its block", policy("p", "db", from(block("10.1.0.0/16"))), ""},
		{"its block but not its address", policy("p", "db", from(block("10.1.0.0/16", "10.1.0.7/32"))), denied},
		{"another block", policy("p", "db", from(block("192.168.0.0/16"))), denied},
		{"a broken block", policy("p", "db", from(block("nonsense"))), ""},
		{"another namespace", policy("p", "db", from(ns("bi"))), denied},
		{"its namespace", policy("p", "db", from(ns("shop"))), ""},
		{
			"the caller may call nobody", policy("p", "web", out()),
			"denied u-web > shop/db: callers=1 newer=true policies=p port=8080 problem=egress|denied u-web > : callers=1 newer=true policies=p port=53 problem=dns",
		},
		{
			"the caller may call but not ask for names", policy("p", "web", out(networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{app("db")}})),
			"denied u-web > : callers=1 newer=true policies=p port=53 problem=dns",
		},
		{"the caller may call and ask", policy("p", "web", out(
			networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{app("db")}},
			networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{ns("kube-system")}, Ports: []networkingv1.NetworkPolicyPort{{Protocol: &udp, Port: &dns}}},
		)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief(t, pod("web", "db"), pod("db"), service("db"), tt.np); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
