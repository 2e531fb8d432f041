package topology

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func labelled(name string, ready bool, labels map[string]string) *corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Labels: labels},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}},
	}
}

func selecting(name string, selector map[string]string) *corev1.Service {
	s := svc("shop", name, "10.0.0.1")
	s.Spec.Selector = selector
	return s
}

func slice(service string, uids ...types.UID) *discoveryv1.EndpointSlice {
	es := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
	for _, uid := range uids {
		es.Endpoints = append(es.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: uid}})
	}
	es.Endpoints = append(es.Endpoints, discoveryv1.Endpoint{}, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "VM", UID: "v"}})
	return es
}

func TestSelect(t *testing.T) {
	a := labelled("a", true, map[string]string{"app": "api", "part-of": "shop"})
	b := labelled("b", false, map[string]string{"app": "api", "part-of": "shop", "x": "1"})
	c := labelled("c", true, map[string]string{"app": "web", "part-of": "shop"})
	d := labelled("d", true, nil)
	other := labelled("e", true, map[string]string{"app": "api"})
	other.Namespace = "bi"
	pods := []*corev1.Pod{d, c, b, a, other}
	got := Select([]*corev1.Service{
		selecting("web", map[string]string{"app": "web"}),
		selecting("all", map[string]string{"part-of": "shop"}),
		selecting("api", map[string]string{"app": "api", "part-of": "shop"}),
		selecting("fronted", map[string]string{"app": "fronted"}),
		selecting("by-hand", nil),
		selecting("two-families", nil),
	}, pods, []*discoveryv1.EndpointSlice{
		slice("by-hand", "d", "gone"), slice("two-families", "b", "a"), slice("two-families", "a", "b"), slice("api", "d"), slice("unknown", "a"),
	})
	var lines []string
	for _, s := range got {
		var names []string
		for _, p := range s.Pods {
			names = append(names, p.Name)
		}
		lines = append(lines, fmt.Sprintf("%s: %s ready %d", s.Key().ID, strings.Join(names, ","), s.Ready))
	}
	want := strings.Join([]string{
		"shop/all: a,b,c ready 2", "shop/api: a,b ready 1", "shop/by-hand: d ready 1", "shop/fronted:  ready 0",
		"shop/two-families: a,b ready 1", "shop/web: c ready 1",
	}, "\n")
	if s := strings.Join(lines, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func BenchmarkSelect(b *testing.B) {
	var pods []*corev1.Pod
	var services []*corev1.Service
	for i := range 5000 {
		pods = append(pods, labelled(fmt.Sprint("p", i), true, map[string]string{"app": fmt.Sprint("a", i%500), "part-of": "shop", "tier": "web"}))
	}
	for i := range 500 {
		services = append(services, selecting(fmt.Sprint("s", i), map[string]string{"app": fmt.Sprint("a", i), "part-of": "shop"}))
	}
	for b.Loop() {
		Select(services, pods, nil)
	}
}
