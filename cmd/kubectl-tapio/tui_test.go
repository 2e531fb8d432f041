package main

import (
	"bytes"
	"go/build"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes/fake"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

func TestNoTerminal(t *testing.T) {
	for _, args := range [][]string{{}, {"tui"}, {"tui", "pod/x"}} {
		var out bytes.Buffer
		root := newRoot(genericiooptions.IOStreams{In: &out, Out: &out, ErrOut: &out})
		root.SetArgs(args)
		err := root.Execute()
		if err == nil || !strings.Contains(err.Error(), "kubectl tapio explain") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// The plugin asks the terminal nothing when it starts: see tui/quiet.
func TestStartIsQuiet(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil || build.Default.GOOS != "linux" {
		t.Skip("needs script of util-linux to make a terminal")
	}
	bin := t.TempDir() + "/kubectl-tapio"
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), script, "-qec", bin+" version", "/dev/null")
	cmd.Env = []string{"TERM=xterm", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("kubectl-tapio")) || bytes.ContainsRune(out, '\x1b') {
		t.Errorf("%v: %q", err, out)
	}
}

func TestTargets(t *testing.T) {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	two := int32(2)
	killed := &corev1.Pod{ObjectMeta: meta("cart-1"), Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		RestartCount: 3, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}},
	}}}}
	c := fake.NewClientset(
		&appsv1.Deployment{ObjectMeta: meta("cart"), Spec: appsv1.DeploymentSpec{Replicas: &two}, Status: appsv1.DeploymentStatus{ReadyReplicas: 1}},
		&appsv1.Deployment{ObjectMeta: meta("api"), Status: appsv1.DeploymentStatus{ReadyReplicas: 1}},
		killed, &corev1.Pod{ObjectMeta: meta("api-1"), Status: corev1.PodStatus{Phase: corev1.PodRunning}},
	)
	c.PrependReactor("list", "daemonsets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &appsv1.DaemonSetList{}, apierrors.NewForbidden(schema.GroupResource{Resource: "daemonsets"}, "", nil)
	})
	l, err := targets(t.Context(), c, "shop")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range l.Rows {
		got = append(got, r.Kind+"/"+r.Name+" "+r.State)
	}
	want := "Deployment/cart 1/2 ready|Pod/cart-1 running, before: OOMKilled, 3 restarts|Deployment/api 1/1 ready|Pod/api-1 running|Namespace/shop everything in it"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	if l.Note != "daemonsets cannot be listed" {
		t.Errorf("note %q", l.Note)
	}
}

func TestRate(t *testing.T) {
	var r rate
	at := time.Unix(100, 0)
	for i, tt := range []struct {
		total uint64
		after time.Duration
		want  float64
	}{{10, 0, 0}, {30, 2 * time.Second, 10}, {30, 3 * time.Second, 0}, {5, 4 * time.Second, 0}, {9, 4 * time.Second, 0}} {
		if got := r.of(tt.total, at.Add(tt.after)); got != tt.want {
			t.Errorf("look %d: %v, want %v", i, got, tt.want)
		}
	}
}
