package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestFromObjectsKnows(t *testing.T) {
	src := FromObjects([]runtime.Object{
		newPod("a", nil, nil),
		&corev1.ServiceList{},
		&corev1.EventList{Items: []corev1.Event{*newEvent("e1", noon)}},
		&eventsv1.Event{ObjectMeta: objectMeta("e2"), Note: "text", Series: &eventsv1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(noon.Add(time.Minute))}},
		&corev1.ConfigMap{ObjectMeta: objectMeta("ignored")},
		nil,
		newPod("", nil, nil),
		newPod(strings.Repeat("x", 300), nil, nil),
	}, nil, time.Time{})
	for _, r := range []Resource{Pods, Services, Events} {
		if err := src.Known(r); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
	for _, r := range []Resource{Deployments, ReplicaSets, Nodes, "widgets"} {
		var u *Unknown
		if err := src.Known(r); !errors.As(err, &u) || !u.Final {
			t.Errorf("%s: got %v, want finally unknown", r, err)
		}
	}
	pods, _ := src.Pods.List(labels.Everything())
	events, _ := src.Events.List(labels.Everything())
	if len(pods) != 1 || len(events) != 2 {
		t.Errorf("%d pods, %d Events, want 1 and 2", len(pods), len(events))
	}
	e, err := src.Events.Events("shop").Get("e2")
	if err != nil || e.Message != "text" || e.Series.Count != 7 || !LastSeen(e).Equal(noon.Add(time.Minute)) {
		t.Errorf("events.k8s.io Event became %+v, %v", e, err)
	}
	if !src.Now().Equal(noon.Add(time.Minute)) || !src.Static() {
		t.Errorf("now is %v, want the newest time of the input", src.Now())
	}
	if _, err := src.Logs(t.Context(), "shop", "a", "main", LogOptions{}); !errors.Is(err, ErrNoLogs) {
		t.Errorf("logs: %v", err)
	}
	if err := src.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFromObjectsLeavesTheInput(t *testing.T) {
	p := newPod("a", nil, nil)
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	FromObjects([]runtime.Object{p}, nil, noon)
	if len(p.ManagedFields) != 1 {
		t.Error("an object of the caller was changed")
	}
}

func TestOwnProbesAreLeftOut(t *testing.T) {
	probe := newPod("tapio-0123456789abcdef-x2kfp", nil, map[string]string{runLabel: "abc"})
	about := newEvent("e1", noon)
	about.InvolvedObject = corev1.ObjectReference{Kind: "Pod", Name: probe.Name}
	ofJob := newEvent("e2", noon)
	ofJob.InvolvedObject = corev1.ObjectReference{Kind: "Job", Name: "tapio-0123456789abcdef"}
	like := newPod("tapio-0123456789abcdef-other", nil, nil)
	named := newPod("tapio-server-1", nil, map[string]string{runLabel: "abc"})
	kept := newEvent("e3", noon)
	kept.InvolvedObject = corev1.ObjectReference{Kind: "Pod", Name: "tapio-server-1"}
	src := FromObjects([]runtime.Object{probe, about, ofJob, like, named, kept}, nil, noon)
	pods, _ := src.Pods.List(labels.Everything())
	events, _ := src.Events.List(labels.Everything())
	if len(pods) != 2 || len(events) != 1 {
		t.Errorf("%d pods and %d Events are left, want 2 and 1", len(pods), len(events))
	}
}

func TestNewest(t *testing.T) {
	at := func(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(d)) }
	ended := newPod("a", nil, nil)
	ended.Status.InitContainerStatuses = []corev1.ContainerStatus{{LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: at(time.Hour)}}}}
	future := at(1000 * time.Hour)
	ended.DeletionTimestamp = &future
	managed := newPod("b", nil, nil)
	two := at(2 * time.Hour)
	managed.ManagedFields = []metav1.ManagedFieldsEntry{{}, {Time: &two}}
	node := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{LastHeartbeatTime: at(3 * time.Hour)}}}}
	cond := newPod("c", nil, nil)
	cond.Status.Conditions = []corev1.PodCondition{{LastTransitionTime: at(4 * time.Hour)}}
	run := newPod("d", nil, nil)
	run.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(6 * time.Hour)}}}}
	tests := []struct {
		name string
		objs []runtime.Object
		want time.Time
	}{
		{"nothing", nil, time.Time{}},
		{"no times", []runtime.Object{&corev1.Pod{}}, time.Time{}},
		{"a deletion's end does not count", []runtime.Object{ended}, noon.Add(time.Hour)},
		{"edit", []runtime.Object{ended, managed}, noon.Add(2 * time.Hour)},
		{"heartbeat", []runtime.Object{managed, node}, noon.Add(3 * time.Hour)},
		{"condition", []runtime.Object{cond, node}, noon.Add(4 * time.Hour)},
		{"within a list", []runtime.Object{&corev1.EventList{Items: []corev1.Event{*newEvent("e", noon.Add(5*time.Hour))}}}, noon.Add(5 * time.Hour)},
		{"start", []runtime.Object{run, cond}, noon.Add(6 * time.Hour)},
		{"events API", []runtime.Object{&eventsv1.Event{EventTime: metav1.NewMicroTime(noon)}}, noon},
	}
	for _, tt := range tests {
		if got := Newest(tt.objs); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLastAndFirstSeen(t *testing.T) {
	m := func(d time.Duration) metav1.MicroTime { return metav1.NewMicroTime(noon.Add(d)) }
	s := func(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(d)) }
	tests := []struct {
		name        string
		e           corev1.Event
		first, last time.Duration
	}{
		{"old form", corev1.Event{FirstTimestamp: s(1), LastTimestamp: s(time.Minute)}, 1, time.Minute},
		{"single", corev1.Event{EventTime: m(5)}, 5, 5},
		{"series", corev1.Event{EventTime: m(5), Series: &corev1.EventSeries{LastObservedTime: m(time.Hour)}}, 5, time.Hour},
		{"series without a time", corev1.Event{EventTime: m(5), Series: &corev1.EventSeries{}}, 5, 5},
		{"creation alone", corev1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: s(9)}}, 9, 9},
		{"first alone", corev1.Event{FirstTimestamp: s(3)}, 3, 3},
		{"last alone", corev1.Event{LastTimestamp: s(3)}, 3, 3},
	}
	for _, tt := range tests {
		if f, l := FirstSeen(&tt.e), LastSeen(&tt.e); !f.Equal(noon.Add(tt.first)) || !l.Equal(noon.Add(tt.last)) {
			t.Errorf("%s: %v to %v", tt.name, f, l)
		}
	}
}
