//go:build live

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// user makes a kubeconfig for a user without rights.
func user(t *testing.T, name string) string {
	t.Helper()
	needs(t, "TAPIO_LABCTL")
	out, err := exec.CommandContext(t.Context(), os.Getenv("TAPIO_LABCTL"), "user", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(t.TempDir(), "kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(out); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// objects lists the objects of tapio that were made before the given time.
// Events excepted.
func objects(t *testing.T, c kubernetes.Interface, before time.Time) []string {
	t.Helper()
	ctx := t.Context()
	ours := metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=kubectl-tapio"}
	var out []string
	add := func(kind string, o metav1.ObjectMeta) {
		if o.CreationTimestamp.Time.Before(before) {
			out = append(out, kind+" "+o.Namespace+"/"+o.Name)
		}
	}
	jobs, err := c.BatchV1().Jobs("").List(ctx, ours)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, j := range jobs.Items {
		add("job", j.ObjectMeta)
	}
	pods, err := c.CoreV1().Pods("").List(ctx, ours)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, p := range pods.Items {
		add("pod", p.ObjectMeta)
	}
	maps, err := c.CoreV1().ConfigMaps("").List(ctx, ours)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, m := range maps.Items {
		add("configmap", m.ObjectMeta)
	}
	return out
}

// residue lists whatever of tapio is in the cluster or, on the lab, in the
// kernel.
func residue(t *testing.T, c kubernetes.Interface) string {
	t.Helper()
	out := objects(t, c, time.Now().Add(time.Hour))
	if os.Getenv("TAPIO_LABCTL") == "" {
		return strings.Join(out, "\n")
	}
	comms, _ := exec.CommandContext(t.Context(), "sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null").Output()
	if bytes.Contains(comms, []byte("tapio-probe")) {
		out = append(out, "process tapio-probe")
	}
	for _, pid := range mountNamespaces(t) {
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%s/mountinfo", pid))
		if err == nil && bytes.Contains(mounts, []byte("/run/tapio")) {
			out = append(out, "mount in the namespace of process "+pid)
		}
	}
	return strings.Join(append(out, programs(t)...), "\n")
}

// mountNamespaces gives one process of each mount namespace.
func mountNamespaces(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	var out []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ns, err := os.Readlink("/proc/" + e.Name() + "/ns/mnt")
		if err == nil && !seen[ns] {
			seen[ns] = true
			out = append(out, e.Name())
		}
	}
	return out
}

func mustBeClean(t *testing.T, c kubernetes.Interface, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		left := residue(t, c)
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s there is still:\n%s", within, left)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// The bounds are the product's promise, not a measure of its speed: 5 s after a
// normal end, 60 s after a kill at any moment.
func TestNothingStaysBehind(t *testing.T) {
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("web", "64Mi", "pause"))
	status(t, c, ns, "web", "web runs", isRunning)
	mustBeClean(t, c, time.Minute)

	t.Run("after a normal end", func(t *testing.T) {
		if r := tapio(t, nil, "explain", "pod/web", "-n", ns, "--duration=2s"); r.code != 0 {
			t.Fatal(r.stderr)
		}
		mustBeClean(t, c, 5*time.Second)
	})
	t.Run("after ^C", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), os.Getenv("TAPIO_PLUGIN"), "explain", "pod/web", "-n", ns, "--full")
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the search for leftovers sees a living probe", func() bool {
			now := residue(t, c)
			seen := strings.Contains(now, "job ") && strings.Contains(now, "pod ") && strings.Contains(now, "configmap ")
			if os.Getenv("TAPIO_LABCTL") != "" {
				seen = seen && strings.Contains(now, "process tapio-probe") && strings.Contains(now, "mount in") && strings.Contains(now, "BPF program")
			}
			return seen
		})
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "Nothing is wrong") {
			t.Errorf("the story is told at ^C too:\n%s", out.String())
		}
		mustBeClean(t, c, 5*time.Second)
	})
	t.Run("after kill -9 at random moments", func(t *testing.T) {
		var wg sync.WaitGroup
		seed := time.Now().UnixNano()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewSource(seed))
		for range 20 {
			after := time.Duration(random.Int63n(int64(4 * time.Second)))
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), after)
				defer cancel()
				// CommandContext kills with SIGKILL.
				_ = exec.CommandContext(ctx, os.Getenv("TAPIO_PLUGIN"), "explain", "pod/web", "-n", ns, "--full").Run()
				killed := time.Now()
				time.Sleep(time.Minute)
				if left := objects(t, c, killed); len(left) > 0 {
					t.Errorf("killed after %s, a minute later there is still: %v", after, left)
				}
			})
			time.Sleep(700 * time.Millisecond)
		}
		wg.Wait()
		mustBeClean(t, c, 5*time.Second)
	})
}
