package cluster

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/observertest"
)

func pod(name, app string, env ...corev1.EnvVar) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Env: env}}},
		Status: corev1.PodStatus{PodIP: "10.1.0.7", ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", ContainerID: "containerd://" + name + "-1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
}

func service(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.96.0.12", Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 6379}}},
	}
}

// shelf serves logs from memory and counts what was asked for.
type shelf struct {
	mu    sync.Mutex
	logs  map[string]string // "POD/CONTAINER" or "POD/CONTAINER previous"
	asked []string
	err   error
}

func (s *shelf) open(_ context.Context, _, pod, container string, o source.LogOptions) (io.ReadCloser, error) {
	key := pod + "/" + container
	if o.Previous {
		key += " previous"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf("%s tail %d", key, o.TailLines))
	if s.err != nil {
		return nil, s.err
	}
	text, ok := s.logs[key]
	if !ok {
		return nil, source.ErrNoLogs
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[max(0, len(lines)-1-int(o.TailLines)):]
	return io.NopCloser(strings.NewReader(strings.Join(lines, ""))), nil
}

func (s *shelf) set(key, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[key] = text
}

func onlyPod(name string) source.Scope {
	return source.Scope{Match: func(p *corev1.Pod) bool { return p.Name == name }}
}

func TestReadsTargetAndItsCallers(t *testing.T) {
	redis := pod("redis-0", "redis")
	redis.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		ContainerID: "containerd://redis-0-0", FinishedAt: metav1.NewTime(noon),
	}
	caller := pod("api-1", "api", corev1.EnvVar{Name: "REDIS_URL", Value: "redis://redis:6379/0"})
	caller.Status.PodIP = "10.1.0.8"
	bystander := pod("web-1", "web", corev1.EnvVar{Name: "API", Value: "http://api-v2:80"})
	s := &shelf{logs: map[string]string{
		"redis-0/main": stamped(0, "ready"), "redis-0/main previous": stamped(0, "Get \"http://10.1.0.8:8080/\": EOF"),
		"api-1/main": stamped(time.Second, refusedLine) + stamped(2*time.Second, refusedLine) + stamped(3*time.Second, "dial tcp: lookup redis on 10.96.0.10:53: no such host"),
	}}
	src := source.FromObjects([]runtime.Object{redis, caller, bystander, service("redis")}, s.open, noon.Add(time.Minute))
	src.Scope = onlyPod("redis-0")
	obs, err := Open(src)
	if err != nil {
		t.Fatal(err)
	}
	got := observertest.Run(t, obs, logs.Spec, func(*observertest.Session) { <-obs.(*observer).Settled() })
	var lines []string
	for _, e := range got {
		peer, _ := e.Ref(event.Peer)
		lines = append(lines, fmt.Sprintf("%s %s %q previous=%v peer=%s x%d %v", e.Subject(), logs.What.Or(e, ""), logs.Target.Or(e, ""),
			logs.Previous.Or(e, false), peer, e.Occurrences(), e.Span))
	}
	want := []string{
		`container:uid-redis-0/main closed "10.1.0.8:8080" previous=true peer=pod:uid-api-1 x1 0s`,
		`container:uid-api-1/main refused "10.96.0.12:6379" previous=false peer=service:shop/redis x2 1s`,
		`container:uid-api-1/main unresolved "redis" previous=false peer=service:shop/redis x1 0s`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if slices.ContainsFunc(s.asked, func(a string) bool { return strings.HasPrefix(a, "web-1") }) {
		t.Error("the log of a pod that does not call the target was read")
	}
	if gaps := obs.(*observer).Gaps(); len(gaps) != 0 {
		t.Errorf("unexpected gaps: %v", gaps)
	}
}

// TestReadsOn follows a live source: each line is told once, also across a
// restart, and a restarted container's former instance is not read again.
func TestReadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pod("api-1", "api")
		client := fake.NewClientset(p)
		ctx, cancel := context.WithCancel(t.Context())
		src := source.Live(ctx, client, "shop", source.Options{})
		s := &shelf{logs: map[string]string{"api-1/main": stamped(0, refusedLine)}}
		src = src.WithLogs(s.open)
		obs, err := Open(src)
		if err != nil {
			t.Fatal(err)
		}
		var total atomic.Int64
		var previous atomic.Int64
		done := make(chan error)
		go func() {
			done <- obs.Run(ctx, func(e event.Event) {
				total.Add(int64(e.Occurrences()))
				if logs.Previous.Or(e, false) {
					previous.Add(int64(e.Occurrences()))
				}
			})
		}()
		expect := func(step string, all, prev int64) {
			t.Helper()
			time.Sleep(every + time.Second)
			synctest.Wait()
			if total.Load() != all || previous.Load() != prev {
				t.Errorf("%s: %d complaints, %d of them previous, want %d and %d", step, total.Load(), previous.Load(), all, prev)
			}
		}
		expect("first", 1, 0)
		expect("nothing new", 1, 0)
		s.set("api-1/main", stamped(0, refusedLine)+stamped(0, refusedLine)+stamped(time.Second, refusedLine))
		expect("two more, one of the same instant", 3, 0)
		s.set("api-1/main previous", stamped(0, refusedLine)+stamped(0, refusedLine)+stamped(time.Second, refusedLine)+stamped(2*time.Second, refusedLine))
		s.set("api-1/main", stamped(5*time.Second, "started"))
		q := p.DeepCopy()
		q.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://api-1-1"}
		q.Status.ContainerStatuses[0].ContainerID = "containerd://api-1-2"
		if _, err := client.CoreV1().Pods("shop").UpdateStatus(ctx, q, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("restarted: the last line of the former instance", 4, 1)
		n := len(s.asked)
		expect("nothing new", 4, 1)
		if got := s.asked[n:]; len(got) != 1 || strings.Contains(got[0], "previous") {
			t.Errorf("an ended instance was read again: %v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAsksForFewerLinesWhenCut(t *testing.T) {
	wide := strings.Repeat("x", 2000)
	var text strings.Builder
	for i := range 400 {
		text.WriteString(stamped(time.Duration(i)*time.Second, wide))
	}
	text.WriteString(stamped(time.Hour, refusedLine))
	s := &shelf{logs: map[string]string{"api-1/main": text.String()}}
	src := source.FromObjects([]runtime.Object{pod("api-1", "api")}, s.open, noon)
	obs, err := Open(src)
	if err != nil {
		t.Fatal(err)
	}
	got := observertest.Run(t, obs, logs.Spec, func(*observertest.Session) { <-obs.(*observer).Settled() })
	if len(got) != 1 || !slices.Equal(s.asked, []string{"api-1/main tail 400", "api-1/main tail 100"}) {
		t.Errorf("%d facts after asking %v", len(got), s.asked)
	}
}

func TestGaps(t *testing.T) {
	var many []runtime.Object
	for i := range maxPods + 5 {
		many = append(many, pod(fmt.Sprintf("api-%02d", i), "api"))
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "api-00", nil)
	tests := []struct {
		name  string
		objs  []runtime.Object
		shelf *shelf
		want  []string
		asked int
	}{
		{"more pods than are read", many, &shelf{err: apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "gone")},
			[]string{"logs of 20 pods were read, those of 5 more were not"}, maxPods},
		{"no right", many[:maxPods], &shelf{err: forbidden}, []string{`no right to read container logs in namespace "shop"`}, parallel},
		{"no logs in the files", many[:2], &shelf{}, []string{"2 logs are not part of the input"}, 2},
		{"one that fails", many[:1], &shelf{err: io.ErrNoProgress}, []string{"1 logs could not be read; that of api-00/main: " + io.ErrNoProgress.Error()}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obs, err := Open(source.FromObjects(tt.objs, tt.shelf.open, noon))
			if err != nil {
				t.Fatal(err)
			}
			observertest.Run(t, obs, logs.Spec, func(*observertest.Session) { <-obs.(*observer).Settled() })
			var got []string
			for _, g := range obs.(*observer).Gaps() {
				got = append(got, g.Why)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("gaps %q, want %q", got, tt.want)
			}
			if n := len(tt.shelf.asked); n > tt.asked || n == 0 {
				t.Errorf("%d logs were asked for, want at most %d", n, tt.asked)
			}
		})
	}
	if _, err := Open(source.FromObjects(nil, nil, noon)); err == nil {
		t.Error("opened without knowing any pod")
	}
}
