package launch

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func probePod(job string, phase corev1.PodPhase, state corev1.ContainerState) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: job + "-x", Namespace: "kube-system", UID: "pod-uid",
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: job}},
		},
		Spec:   corev1.PodSpec{NodeName: "node-a"},
		Status: corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: ContainerName, State: state}}},
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func ended(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

var runningState = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}

func TestPodState(t *testing.T) {
	evicted := probePod("j", corev1.PodFailed, corev1.ContainerState{})
	evicted.Status.Reason, evicted.Status.Message = "Evicted", "The node was low on resource: memory."
	evicted.Status.ContainerStatuses = nil
	admitted := probePod("j", corev1.PodFailed, corev1.ContainerState{})
	admitted.Status.Reason, admitted.Status.Message = "OutOfpods", "Node didn't have enough resource: pods"
	deleted := probePod("j", corev1.PodRunning, runningState)
	deleted.DeletionTimestamp = &metav1.Time{}
	bare := probePod("j", corev1.PodPending, corev1.ContainerState{})
	bare.Status.ContainerStatuses = nil
	other := probePod("j", corev1.PodRunning, runningState)
	other.Status.ContainerStatuses[0].Name = "injected"
	for name, tt := range map[string]struct {
		pod   *corev1.Pod
		phase Phase
		why   string
	}{
		"nothing yet":          {bare, Starting, ""},
		"an injected sidecar":  {other, Starting, ""},
		"creating":             {probePod("j", corev1.PodPending, waiting("ContainerCreating", "")), Starting, ""},
		"create error":         {probePod("j", corev1.PodPending, waiting("CreateContainerError", "no space left")), Starting, "CreateContainerError: no space left"},
		"running":              {probePod("j", corev1.PodRunning, runningState), Running, ""},
		"container before pod": {probePod("j", corev1.PodPending, runningState), Starting, ""},
		"never pull":           {probePod("j", corev1.PodPending, waiting("ErrImageNeverPull", `Container image "a:1" is not present with pull policy of Never`)), NoImage, `ErrImageNeverPull: Container image "a:1" is not present with pull policy of Never`},
		"pull back-off":        {probePod("j", corev1.PodPending, waiting("ImagePullBackOff", "")), NoImage, "ImagePullBackOff"},
		"OOM killed":           {probePod("j", corev1.PodFailed, ended(137, "OOMKilled", "")), Ended, "OOMKilled, exit code 137"},
		"start error":          {probePod("j", corev1.PodFailed, ended(128, "StartError", "failed to create containerd task: exec format error\n")), Ended, "StartError, exit code 128: failed to create containerd task: exec format error"},
		"the loader's code":    {probePod("j", corev1.PodFailed, ended(102, "Error", "")), Ended, "no part of the probe was mounted"},
		"the last line":        {probePod("j", corev1.PodFailed, ended(66, "Error", "first\nloader: checksum mismatch\n\n")), Ended, "exit code 66: loader: checksum mismatch"},
		"evicted":              {evicted, Ended, "Evicted: The node was low on resource: memory"},
		"refused by kubelet":   {admitted, Ended, "OutOfpods: Node didn't have enough resource: pods"},
		"being deleted":        {deleted, Ended, "the pod was deleted"},
		"hostile message":      {probePod("j", corev1.PodFailed, ended(1, "Error", "\x1b[2J\u202e"+strings.Repeat("\n", 10000))), Ended, "exit code 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := podState(tt.pod)
			if got.Phase != tt.phase || got.Why != tt.why {
				t.Errorf("phase %d, why %q; want %d, %q", got.Phase, got.Why, tt.phase, tt.why)
			}
		})
	}
}

func FuzzLastLine(f *testing.F) {
	f.Add("a\nb\n")
	f.Add("\n\n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, s string) {
		if got := lastLine(s); strings.ContainsAny(got, "\n\x1b\x00") || len(got) > maxStatusText {
			t.Errorf("%q", got)
		}
	})
}
