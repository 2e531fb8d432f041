package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// within bounds a test's wait by the fake clock of synctest.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestLiveFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPod("a", nil, nil)
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
		p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "keep": "this"}
		elsewhere := newPod("b", nil, nil)
		elsewhere.Namespace = "bi"
		client := fake.NewClientset(p, elsewhere)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		src := Live(ctx, client, "shop", Options{})
		if err := src.Wait(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		pods, _ := src.Pods.List(labels.Everything())
		if len(pods) != 1 || pods[0].ManagedFields != nil || len(pods[0].Annotations) != 1 {
			t.Errorf("got %+v, want one slim pod", pods)
		}
		for _, r := range []Resource{Pods, Events, CronJobs} {
			if err := src.Known(r); err != nil {
				t.Errorf("%s: %v", r, err)
			}
		}
		changed := src.Changed()
		if _, err := client.CoreV1().Pods("shop").Create(ctx, newPod("c", nil, nil), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		<-changed
		if _, err := src.Pods.Pods("shop").Get("c"); err != nil {
			t.Error(err)
		}
		changed = src.Changed()
		if err := client.CoreV1().Pods("shop").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		<-changed
		if _, err := src.Pods.Pods("shop").Get("a"); !apierrors.IsNotFound(err) {
			t.Errorf("the deleted pod: %v", err)
		}
		cancel()
		synctest.Wait()
	})
}

// requests counts what a fake client is asked.
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (r *requests) count(verb, resource string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.seen {
		if s == verb+" "+resource {
			n++
		}
	}
	return n
}

func (r *requests) note(a clienttesting.Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, a.GetVerb()+" "+a.GetResource().Resource)
}

func TestLiveRefused(t *testing.T) {
	gr := func(a clienttesting.Action) schema.GroupResource { return a.GetResource().GroupResource() }
	tests := []struct {
		name  string
		err   func(clienttesting.Action) error
		why   string
		final bool
	}{
		{"forbidden", func(a clienttesting.Action) error { return apierrors.NewForbidden(gr(a), "", errors.New("no")) }, "no right to list them", true},
		{"unauthorized", func(clienttesting.Action) error { return apierrors.NewUnauthorized("expired") }, "does not accept these credentials", true},
		{"not served", func(a clienttesting.Action) error { return apierrors.NewNotFound(gr(a), "") }, "does not serve them", true},
		{"unreachable", func(clienttesting.Action) error { return errors.New("dial tcp: connection refused") }, "cannot be asked: dial tcp: connection refused", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset(newPod("a", nil, nil))
				var asked requests
				client.PrependReactor("list", "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
					asked.note(a)
					return true, nil, tt.err(a)
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				src := Live(ctx, client, "shop", Options{})
				time.Sleep(30 * time.Second)
				synctest.Wait()
				var u *Unknown
				if !errors.As(src.Known(Deployments), &u) || u.Final != tt.final || !strings.Contains(u.Why, tt.why) {
					t.Errorf("got %+v", u)
				}
				if err := src.Known(Pods); err != nil {
					t.Errorf("another kind suffers: %v", err)
				}
				if n := asked.count("list", "deployments"); tt.final != (n == 1) {
					t.Errorf("%d requests in 30s", n)
				}
				if err := src.Wait(within(t, time.Second)); tt.final != (err == nil) {
					t.Errorf("Wait: %v", err)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestLiveRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(newPod("a", nil, nil))
		tries := 0
		client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			if tries++; tries < 3 {
				return true, nil, apierrors.NewServiceUnavailable("starting")
			}
			return false, nil, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		src := Live(ctx, client, "shop", Options{})
		if err := src.Wait(within(t, time.Minute), Pods); err != nil || src.Known(Pods) != nil {
			t.Errorf("%v, %v", err, src.Known(Pods))
		}
		cancel()
		synctest.Wait()
	})
}

// TestLiveListWithoutWatch keeps what a user may list but not watch.
func TestLiveListWithoutWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(newPod("a", nil, nil))
		var asked requests
		client.PrependWatchReactor("pods", func(a clienttesting.Action) (bool, watch.Interface, error) {
			asked.note(a)
			return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		src := Live(ctx, client, "shop", Options{})
		time.Sleep(time.Minute)
		synctest.Wait()
		if pods, _ := src.Pods.List(labels.Everything()); src.Known(Pods) != nil || len(pods) != 1 {
			t.Errorf("%v, %d pods", src.Known(Pods), len(pods))
		}
		if n := asked.count("watch", "pods"); n != 1 {
			t.Errorf("%d watch requests", n)
		}
		cancel()
		synctest.Wait()
	})
}

func TestLiveNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := func(name string) *corev1.Node { return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}} }
		client := fake.NewClientset(n("n1"), n("n2"))
		var asked requests
		client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
			asked.note(a)
			if l, ok := a.(clienttesting.ListAction); ok && a.GetResource().Resource == "pods" && a.GetVerb() == "list" {
				if got := l.GetListRestrictions().Fields.String(); got != "spec.nodeName=n1" {
					t.Errorf("pods are selected by %q", got)
				}
			}
			return false, nil, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		src := Live(ctx, client, "", Options{Node: "n1"})
		_ = src.Wait(within(t, time.Second))
		if asked.count("list", "nodes") != 0 || src.Known(Nodes) == nil {
			t.Error("nodes were listed unasked")
		}
		if err := FetchNodes(ctx, client, src, []string{"n1"}); err != nil {
			t.Error(err)
		}
		if err := FetchNodes(ctx, client, src, []string{"n2", "n9"}); !apierrors.IsNotFound(err) {
			t.Errorf("a node that is not there: %v", err)
		}
		if nodes, _ := src.Nodes.List(labels.Everything()); len(nodes) != 2 {
			t.Errorf("%d nodes", len(nodes))
		}
		cancel()
		synctest.Wait()
	})
}

// pages serves Events in pages, as an API server does.
func pages(items []corev1.Event) access {
	return access{list: func(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
		from := 0
		if o.Continue != "" {
			if _, err := fmt.Sscan(o.Continue, &from); err != nil {
				return nil, err
			}
		}
		to := min(from+int(o.Limit), len(items))
		l := &corev1.EventList{Items: slices.Clone(items[from:to])}
		l.ResourceVersion = fmt.Sprint(100 + from)
		if to < len(items) {
			l.Continue = fmt.Sprint(to)
		}
		return l, nil
	}}
}

func TestNewestEvents(t *testing.T) {
	many := func(n int) []corev1.Event {
		var out []corev1.Event
		for i := range n {
			out = append(out, *newEvent(fmt.Sprintf("e%d", i), noon.Add(time.Duration((i*7919)%n)*time.Second)))
		}
		return out
	}
	tests := []struct {
		name    string
		n, keep int
		want    int
		bounded string
	}{
		{"none", 0, 10, 0, ""},
		{"fits", 10, 10, 10, ""},
		{"newest kept", 1200, 100, 100, "the newest 100 of 1200 Events are used"},
		{"more than are read", eventPage*eventPages + 1, 50, 50, "only 15000 Events were read, there are more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			why := ""
			obj, err := pages(many(tt.n)).newest(tt.keep, func(w string) { why = w }).list(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
			if err != nil {
				t.Fatal(err)
			}
			l := obj.(*corev1.EventList)
			if len(l.Items) != tt.want || why != tt.bounded || l.ResourceVersion != "100" || l.Continue != "" {
				t.Errorf("%d items at %s, bounded %q", len(l.Items), l.ResourceVersion, why)
			}
			if tt.n == 1200 {
				for _, e := range l.Items {
					if LastSeen(&e).Before(noon.Add(1100 * time.Second)) {
						t.Errorf("an old Event was kept: %v", LastSeen(&e))
					}
				}
			}
		})
	}
	broken := access{list: func(context.Context, metav1.ListOptions) (runtime.Object, error) { return &corev1.PodList{}, nil }}
	if _, err := broken.newest(1, func(string) {}).list(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("a list of pods was taken for one of Events")
	}
}
