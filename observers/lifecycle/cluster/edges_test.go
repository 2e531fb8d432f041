package cluster

import (
	"context"
	"fmt"
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

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// watched collects what a live observer tells, from one step of a test to the
// next.
type watched struct {
	mu     sync.Mutex
	events []event.Event
}

func (w *watched) emit(e event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// next waits until the observer has looked and returns what is new, in brief.
func (w *watched) next() string {
	time.Sleep(time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		s := string(e.Kind) + " " + e.Subject().ID
		if lifecycle.Gone.Or(e, false) {
			s += " gone"
		}
		if st, ok := lifecycle.State.Get(e); ok {
			s += " " + st
		}
		out = append(out, s)
	}
	w.events = nil
	return strings.Join(out, "; ")
}

// TestEdges follows a pod through its life: each change is told once, and a
// write that changes nothing is not told.
func TestEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := fake.NewClientset()
		obs := open(t, source.Live(ctx, client, "shop", source.Options{}))
		w := &watched{}
		done := make(chan error)
		go func() { done <- obs.Run(ctx, w.emit) }()
		expect := func(step, want string) {
			t.Helper()
			if got := w.next(); got != want {
				t.Errorf("%s: got %q, want %q", step, got, want)
			}
		}
		expect("nothing", "")
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "u"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		}
		write := func(change func(*corev1.Pod)) {
			t.Helper()
			p = p.DeepCopy()
			change(p)
			if _, err := client.CoreV1().Pods("shop").Update(ctx, p, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.CoreV1().Pods("shop").Create(ctx, p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("created", "lifecycle.pod u; lifecycle.container u/main waiting")
		write(func(p *corev1.Pod) { p.Annotations = map[string]string{"x": "y"} })
		expect("a write without a change", "")
		write(func(p *corev1.Pod) { p.Spec.NodeName = "n1" })
		expect("placed", "lifecycle.pod u")
		status := corev1.ContainerStatus{Name: "main", ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
		write(func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{status} })
		expect("running", "lifecycle.container u/main running")
		ended := corev1.ContainerStateTerminated{ContainerID: "containerd://1", ExitCode: 137, Reason: "OOMKilled"}
		status.State = corev1.ContainerState{Terminated: &ended}
		write(func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{status} })
		expect("killed", "lifecycle.container u/main terminated; lifecycle.container_ended u/main")
		status.LastTerminationState, status.State = status.State, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		status.RestartCount = 1
		write(func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{status} })
		expect("backs off: the same end is not told again", "lifecycle.container u/main waiting")
		report := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e", UID: "e"}, Count: 1,
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "a", UID: "u"}}
		if _, err := client.CoreV1().Events("shop").Create(ctx, report, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("an Event", "lifecycle.report u")
		report = report.DeepCopy()
		report.Count = 2
		if _, err := client.CoreV1().Events("shop").Update(ctx, report, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("the Event again", "lifecycle.report u")
		if err := client.CoreV1().Pods("shop").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("deleted", "lifecycle.pod u gone")
		p.UID, p.ResourceVersion = "u2", ""
		if _, err := client.CoreV1().Pods("shop").Create(ctx, p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("another pod of the name", "lifecycle.pod u2; lifecycle.container u2/main waiting; lifecycle.container_ended u2/main")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func many(n int) []runtime.Object {
	var out []runtime.Object
	yes := true
	for i := range n {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("p%d", i), UID: types.UID(fmt.Sprint(i)),
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "s", Controller: &yes}}},
			Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "a"}, {Name: "b"}}},
		}
		for _, c := range []string{"a", "b"} {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: c, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
		}
		out = append(out, p)
	}
	return out
}

// BenchmarkFirstLook is the first look at 5,000 pods, BenchmarkLook one at which
// nothing has changed.
func BenchmarkFirstLook(b *testing.B) {
	src := source.FromObjects(many(5000), nil, time.Unix(1, 0))
	for b.Loop() {
		if err := open(b, src).look(func(event.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	obs := open(b, source.FromObjects(many(5000), nil, time.Unix(1, 0)))
	for b.Loop() {
		if err := obs.look(func(event.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
}
