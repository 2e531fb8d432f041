package launch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ktesting "k8s.io/client-go/testing"
)

func launched(t *testing.T, c *cluster, ctx context.Context, nodes ...string) *Run {
	t.Helper()
	p := Prepare(ctx, c, options(), targets(nodes...))
	r := p.Launch(ctx, nil)
	<-c.watching
	return r
}

func TestLaunchMakesJobsFirstAndDeleteLeavesNothing(t *testing.T) {
	c := newCluster(t, readyNode("node-a"), readyNode("node-b"))
	r := launched(t, c, t.Context(), "node-a", "node-b")
	for _, p := range r.Probes() {
		if err := p.WaitRunning(t.Context()); err != nil {
			t.Errorf("%s: %v", p.Node, err)
		}
	}
	order := c.order()
	if len(order) != 4 || !strings.HasPrefix(order[0], "jobs/") || !strings.HasPrefix(order[1], "jobs/") ||
		!strings.HasPrefix(order[2], "configmaps/") || !strings.HasPrefix(order[3], "configmaps/") {
		t.Errorf("created in the order %v", order)
	}
	maps, err := c.CoreV1().ConfigMaps("kube-system").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps.Items {
		if len(m.OwnerReferences) != 2 {
			t.Errorf("%s is owned by %d Jobs, want both", m.Name, len(m.OwnerReferences))
		}
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if jobs := c.jobs(t); len(jobs) != 0 {
		t.Errorf("%d Jobs are left", len(jobs))
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Errorf("a second Delete: %v", err)
	}
}

func TestLaunchRefusedByTheServer(t *testing.T) {
	for kind, reason := range map[string]Reason{"jobs": Quota, "configmaps": Quota} {
		c := newCluster(t, readyNode("node-a"))
		p := Prepare(t.Context(), c, options(), targets("node-a"))
		c.admit = func(_, k string) error {
			if k == kind {
				return forbidden("exceeded quota: q, requested: x")
			}
			return nil
		}
		r := p.Launch(t.Context(), nil)
		err := r.Probes()[0].WaitRunning(t.Context())
		if AsRefused(err) == nil || AsRefused(err).Reason != reason {
			t.Errorf("%s refused: %v", kind, err)
		}
		if err := r.Delete(t.Context()); err != nil || len(c.jobs(t)) != 0 {
			t.Errorf("%s refused: %d Jobs are left: %v", kind, len(c.jobs(t)), err)
		}
	}
}

func TestNextImageWhenTheKubeletRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse int // how many images the kubelet refuses
		ok     bool
	}{"first": {1, true}, "all": {9, false}} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, readyNode("node-a"))
			var images []string
			c.pod = func(job *batchv1.Job) *corev1.Pod {
				images = append(images, job.Spec.Template.Spec.Containers[0].Image)
				if len(images) <= tt.refuse {
					return probePod(job.Name, corev1.PodPending, waiting("ErrImageNeverPull", "not present"))
				}
				return probePod(job.Name, corev1.PodRunning, runningState)
			}
			r := launched(t, c, t.Context(), "node-a")
			err := r.Probes()[0].WaitRunning(t.Context())
			if (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
			if err != nil && (AsRefused(err).Reason != ImageDenied || !strings.Contains(err.Error(), "--probe-image")) {
				t.Errorf("got %v", err)
			}
			if len(images) != 2 || images[0] == images[1] {
				t.Errorf("images tried: %v", images)
			}
			if jobs := c.jobs(t); len(jobs) != 1 {
				t.Errorf("%d Jobs at once", len(jobs))
			}
			if err := r.Delete(t.Context()); err != nil || len(c.jobs(t)) != 0 {
				t.Errorf("left over: %v", err)
			}
		})
	}
}

func TestWaitGivesUpWithTheReason(t *testing.T) {
	for name, tt := range map[string]struct {
		pod   func(*batchv1.Job) *corev1.Pod
		event *corev1.Event // about the Job, or about its pod when there is one
		says  string
	}{
		"pod ended": {
			pod: func(j *batchv1.Job) *corev1.Pod {
				return probePod(j.Name, corev1.PodFailed, ended(128, "StartError", "exec format error"))
			},
			says: "the probe on node-a ended at once (StartError, exit code 128: exec format error)",
		},
		"Pod Security at the controller": {
			event: &corev1.Event{Reason: "FailedCreate", Message: `Error creating: pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged`},
			says:  `kube-system enforces Pod Security "baseline"`,
		},
		"another failure of the controller": {
			event: &corev1.Event{Reason: "FailedCreate", Message: `error looking up service account`},
			says:  "the Job controller cannot create the probe's pod (error looking up service account)",
		},
		"no sandbox": {
			pod: func(j *batchv1.Job) *corev1.Pod {
				return probePod(j.Name, corev1.PodPending, waiting("ContainerCreating", ""))
			},
			event: &corev1.Event{Reason: "FailedCreatePodSandBox", Message: "Failed to create pod sandbox: no IP addresses available"},
			says:  "node node-a cannot start pods (Failed to create pod sandbox: no IP addresses available)",
		},
		"a silent kubelet": {
			pod:  func(j *batchv1.Job) *corev1.Pod { return probePod(j.Name, corev1.PodPending, corev1.ContainerState{}) },
			says: "the kubelet of node-a did not start the probe within 30s",
		},
		"no pod at all": {says: "the Job controller made no pod for the probe on node-a within 10s; look at kube-controller-manager"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := newCluster(t, readyNode("node-a"))
				c.pod = tt.pod
				r := launched(t, c, ctx, "node-a")
				p := r.Probes()[0]
				if tt.event != nil {
					uid, name := p.jobUID, "job"
					if tt.pod != nil {
						uid, name = "pod-uid", "pod"
					}
					ev := tt.event.DeepCopy()
					ev.Name, ev.Namespace, ev.InvolvedObject.UID = name, "kube-system", types.UID(uid)
					go func() {
						time.Sleep(3 * time.Second) // past the delay of the pod's events, before any bound
						c.CoreV1().Events("kube-system").Create(ctx, ev, metav1.CreateOptions{})
					}()
				}
				err := p.WaitRunning(ctx)
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %q", err, tt.says)
				}
				c.pod = nil
				if err := r.Delete(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, readyNode("node-a"))
		c.pod = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := launched(t, c, ctx, "node-a")
		if err := r.Probes()[0].WaitRunning(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := r.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestInterruptedCreationIsStillRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, readyNode("node-a"))
		p := Prepare(t.Context(), c, options(), targets("node-a"))
		ctx, cancel := context.WithCancel(t.Context())
		c.PrependReactor("create", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
			cancel() // the user interrupts while the request is under way
			return false, nil, nil
		})
		r := p.Launch(ctx, nil)
		<-c.watching
		if len(c.jobs(t)) != 1 {
			t.Error("the creation was not finished")
		}
		if err := r.Delete(context.Background()); err != nil || len(c.jobs(t)) != 0 {
			t.Errorf("%d Jobs are left: %v", len(c.jobs(t)), err)
		}
	})
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, readyNode("node-a"))
		r := launched(t, c, t.Context(), "node-a")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.KeepAlive(ctx); close(done) }()
		time.Sleep(35 * time.Second)
		synctest.Wait()
		if got := *c.jobs(t)[0].Spec.ActiveDeadlineSeconds; got != 30+45 {
			t.Errorf("after 35s the deadline is %ds, want a full lease from the last turn: 75s", got)
		}
		cancel()
		<-done
		if err := r.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDeadlinePatch(t *testing.T) {
	for age, want := range map[time.Duration]int64{0: 45, time.Millisecond: 46, 10 * time.Second: 55, 12 * time.Hour: 43245} {
		var patch struct{ Spec batchv1.JobSpec }
		if err := json.Unmarshal(deadlinePatch(age), &patch); err != nil || *patch.Spec.ActiveDeadlineSeconds != want {
			t.Errorf("age %s: %s, %v", age, deadlinePatch(age), err)
		}
	}
}

func TestDeleteReportsWhatIsLeft(t *testing.T) {
	c := newCluster(t, readyNode("node-a"))
	r := launched(t, c, t.Context(), "node-a")
	c.PrependReactor("delete", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("the connection broke")
	})
	err := r.Delete(t.Context())
	left, ok := errors.AsType[*Leftovers](err)
	if !ok || len(left.Jobs) != 1 || !strings.Contains(err.Error(), "kubectl tapio cleanup") {
		t.Errorf("got %v", err)
	}
}

func TestDeleteWaitsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, readyNode("node-a"))
		r := launched(t, c, t.Context(), "node-a")
		if err := r.Probes()[0].WaitRunning(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.PrependReactor("delete", "jobs", func(a ktesting.Action) (bool, runtime.Object, error) {
			return true, nil, nil // accepted, but the pod does not end
		})
		err := r.Delete(t.Context())
		if left, ok := errors.AsType[*Leftovers](err); !ok || !left.Pods {
			t.Errorf("got %v", err)
		}
	})
}
