package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/services"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func pod(name, app string, env ...corev1.EnvVar) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("u-" + name), CreationTimestamp: metav1.NewTime(noon), Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Env: env}}},
	}
}

func ready(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

func service(name string, port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port}}},
	}
}

func brief(e event.Event) string {
	var peers []string
	for _, r := range e.Refs[1:] {
		peers = append(peers, r.Key.ID)
	}
	if e.Kind == services.Selects {
		return fmt.Sprintf("%s:%d -> %s ready %d", e.Subject().ID, services.Port.Or(e, 0), strings.Join(peers, ","), services.ReadyPods.Or(e, -1))
	}
	return fmt.Sprintf("%s names %s:%d in %s", e.Subject().ID, strings.Join(peers, ","), services.Port.Or(e, 0), services.Where.Or(e, ""))
}

func open(t *testing.T, src source.Source) *observer {
	t.Helper()
	obs, err := Open(src)
	if err != nil {
		t.Fatal(err)
	}
	return obs.(*observer)
}

func TestFacts(t *testing.T) {
	objs := []runtime.Object{
		service("redis", 6379), service("api", 8080), service("nobody", 1),
		ready(pod("redis-0", "redis")), pod("redis-1", "redis"),
		pod("api-1", "api", corev1.EnvVar{Name: "REDIS_URL", Value: "redis://redis:6379"}, corev1.EnvVar{Name: "ALSO", Value: "redis:6379"}),
		pod("web-1", "web", corev1.EnvVar{Name: "UPSTREAM", Value: "http://api:8080/redis"}, corev1.EnvVar{Name: "MODE", Value: "redis"}),
	}
	obs := open(t, source.FromObjects(objs, nil, noon.Add(time.Hour)))
	var got []string
	for _, e := range observertest.Run(t, obs, services.Spec, func(*observertest.Session) { <-obs.First() }) {
		if e.Kind == services.Unmatched {
			continue // see TestFaults
		}
		got = append(got, brief(e))
		if want := map[event.Kind]time.Time{services.Selects: noon.Add(-time.Hour), services.Names: noon}[e.Kind]; !e.At.Equal(want) {
			t.Errorf("%s at %v", brief(e), e.At)
		}
	}
	want := []string{
		"shop/api:8080 -> u-api-1 ready 0", "shop/nobody:1 ->  ready 0", "shop/redis:6379 -> u-redis-0,u-redis-1 ready 1",
		"u-api-1 names shop/redis:6379 in env REDIS_URL", "u-web-1 names shop/api:8080 in env UPSTREAM",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestHalfOfARelation: without the right to list one side there is no fact, and
// never a Service without pods.
func TestHalfOfARelation(t *testing.T) {
	for _, objs := range [][]runtime.Object{{service("a", 1)}, {pod("p", "a")}, nil} {
		if _, err := Open(source.FromObjects(objs, nil, noon)); err == nil {
			t.Errorf("opened with %d objects of one kind", len(objs))
		}
	}
	if _, err := Open(source.FromObjects([]runtime.Object{&corev1.PodList{}, &corev1.ServiceList{}}, nil, noon)); err != nil {
		t.Errorf("empty lists are known: %v", err)
	}
}

func TestPeersAreBounded(t *testing.T) {
	objs := []runtime.Object{service("a", 1)}
	for i := range maxPeers + 50 {
		objs = append(objs, pod(fmt.Sprintf("p%03d", i), "a"))
	}
	src := source.FromObjects(objs, nil, noon)
	src.Scope.Match = func(p *corev1.Pod) bool { return p.Name == "p449" }
	obs := open(t, src)
	events := observertest.Run(t, obs, services.Spec, func(*observertest.Session) { <-obs.First() })
	if len(events) != 1 || len(events[0].Refs) != maxPeers+1 || obs.Stats().Lost != 50 {
		t.Errorf("%d events, lost %d", len(events), obs.Stats().Lost)
	}
	if !slices.ContainsFunc(events[0].Refs, func(r event.Ref) bool { return r.Key.ID == "u-p449" }) {
		t.Error("the target's pod was left out")
	}
}

func TestEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := fake.NewClientset(pod("a-1", "a"), pod("b-1", "b", corev1.EnvVar{Name: "A_URL", Value: "http://a"}))
		obs := open(t, source.Live(ctx, client, "shop", source.Options{}))
		var mu sync.Mutex
		var told []string
		done := make(chan error)
		go func() {
			done <- obs.Run(ctx, func(e event.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, brief(e))
			})
		}()
		expect := func(step string, want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("%s: got %q, want %q", step, told, want)
			}
			told = nil
		}
		must := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		expect("no Service")
		must(client.CoreV1().Services("shop").Create(ctx, service("a", 80), metav1.CreateOptions{}))
		expect("a Service", "shop/a:80 -> u-a-1 ready 0", "u-b-1 names shop/a:0 in env A_URL")
		must(client.CoreV1().Pods("shop").Update(ctx, ready(pod("a-1", "a")), metav1.UpdateOptions{}))
		expect("ready", "shop/a:80 -> u-a-1 ready 1")
		must(client.CoreV1().Pods("shop").Create(ctx, pod("c-1", "c"), metav1.CreateOptions{}))
		expect("a pod of another matter")
		must(client.CoreV1().Pods("shop").Create(ctx, pod("a-2", "a"), metav1.CreateOptions{}))
		expect("one more", "shop/a:80 -> u-a-1,u-a-2 ready 1")
		must(nil, client.CoreV1().Pods("shop").Delete(ctx, "a-1", metav1.DeleteOptions{}))
		expect("one less", "shop/a:80 -> u-a-2 ready 0")
		must(nil, client.CoreV1().Services("shop").Delete(ctx, "a", metav1.DeleteOptions{}))
		expect("Service deleted")
		must(client.CoreV1().Services("shop").Create(ctx, service("a", 80), metav1.CreateOptions{}))
		expect("and back", "shop/a:80 -> u-a-2 ready 0")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

var _ observers.Gapper = (*observer)(nil)
