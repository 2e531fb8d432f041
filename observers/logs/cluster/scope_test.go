package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	source "github.com/yairfalse/tapio/observers/cluster"
)

func TestInstances(t *testing.T) {
	ended := func(id, reason string, code int32) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{ContainerID: id, Reason: reason, ExitCode: code}
	}
	tests := []struct {
		name   string
		status corev1.ContainerStatus
		want   []string
	}{
		{"running", corev1.ContainerStatus{ContainerID: "c2", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, []string{"c2 current"}},
		{"running again", corev1.ContainerStatus{ContainerID: "c2", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			LastTerminationState: corev1.ContainerState{Terminated: ended("c1", "OOMKilled", 137)}}, []string{"c2 current", "c1 previous"}},
		{"waits for its restart", corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: ended("c1", "Error", 1)}}, []string{"c1 previous"}},
		{"ended", corev1.ContainerStatus{State: corev1.ContainerState{Terminated: ended("c1", "Error", 1)}}, []string{"c1 current"}},
		{"ended twice the same", corev1.ContainerStatus{State: corev1.ContainerState{Terminated: ended("c1", "Error", 1)},
			LastTerminationState: corev1.ContainerState{Terminated: ended("c1", "Error", 1)}}, []string{"c1 current"}},
		{"init container that is done", corev1.ContainerStatus{State: corev1.ContainerState{Terminated: ended("c1", "Completed", 0)}}, nil},
		{"never started", corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}, nil},
		{"nothing known", corev1.ContainerStatus{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pod("api-1", "api")
			tt.status.Name = "main"
			p.Status.ContainerStatuses = []corev1.ContainerStatus{tt.status}
			sc := &scope{src: source.FromObjects([]runtime.Object{p}, nil, noon), pods: []*corev1.Pod{p}}
			var got []string
			for _, in := range sc.instances() {
				which := " current"
				if in.previous {
					which = " previous"
				}
				got = append(got, in.id[strings.LastIndexByte(in.id, '/')+1:]+which)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestChoose gives each workload its turn, the worst pods first, and leaves
// room for callers.
func TestChoose(t *testing.T) {
	var own, callers []*corev1.Pod
	owned := func(name, kind, by string, n int32) *corev1.Pod {
		p := pod(name, "x")
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: by, Controller: &yes}}
		p.Status.ContainerStatuses[0].RestartCount = n
		return p
	}
	for i := range 30 {
		own = append(own, owned(fmt.Sprintf("db-%02d", i), "StatefulSet", "db", int32(i)))
	}
	for i := range 8 {
		callers = append(callers, owned(fmt.Sprintf("web-%02d", i), "StatefulSet", "web", 0))
	}
	callers = append(callers, owned("zeta-0", "StatefulSet", "zeta", 0))
	sc := &scope{src: source.FromObjects(nil, nil, noon)}
	var got []string
	for _, p := range sc.choose(own, callers) {
		got = append(got, p.Name)
	}
	if len(got) != maxPods || got[0] != "db-29" || !slices.Contains(got, "zeta-0") || !slices.Contains(got, "web-00") {
		t.Errorf("chose %v", got)
	}
}
