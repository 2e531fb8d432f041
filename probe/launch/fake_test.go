package launch

import (
	"context"
	"fmt"
	"sync"
	"testing"

	authv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

// cluster is a fake API server that does what a real one does to the objects of
// a launch: it answers access reviews and dry runs, gives uids, makes a Job's
// pod, and collects what a deleted Job owned.
type cluster struct {
	*fake.Clientset

	mu      sync.Mutex
	denied  map[string]bool             // "create jobs kube-system"
	admit   func(ns, kind string) error // answers dry runs and creations
	pod     func(job *batchv1.Job) *corev1.Pod
	created []string // kind/name in order
	uids    int

	once     sync.Once
	watching chan struct{} // closed when somebody watches pods
}

func newCluster(t *testing.T, objects ...runtime.Object) *cluster {
	t.Helper()
	c := &cluster{Clientset: fake.NewClientset(objects...), denied: map[string]bool{}, watching: make(chan struct{})}
	c.pod = func(job *batchv1.Job) *corev1.Pod { return probePod(job.Name, corev1.PodRunning, runningState) }
	c.PrependReactor("create", "*", c.create)
	c.PrependReactor("create", "selfsubjectaccessreviews", c.review)
	c.PrependReactor("delete", "jobs", c.delete)
	c.PrependWatchReactor("pods", c.watch)
	return c
}

// watch begins with the pods that are there: unlike a real server the fake
// forgets what happened between an informer's list and its watch.
func (c *cluster) watch(a ktesting.Action) (bool, watch.Interface, error) {
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	changes, err := c.Tracker().Watch(pods, a.GetNamespace())
	if err != nil {
		return true, nil, err
	}
	list, err := c.Tracker().List(pods, corev1.SchemeGroupVersion.WithKind("Pod"), a.GetNamespace())
	if err != nil {
		return true, nil, err
	}
	out := &merged{Interface: changes, events: make(chan watch.Event), stopped: make(chan struct{})}
	go func() {
		defer close(out.events)
		for _, p := range list.(*corev1.PodList).Items {
			out.send(watch.Event{Type: watch.Added, Object: &p})
		}
		for e := range changes.ResultChan() {
			out.send(e)
		}
	}()
	c.once.Do(func() { close(c.watching) })
	return true, out, nil
}

// merged is a watch with events put before those of another.
type merged struct {
	watch.Interface
	events  chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

func (m *merged) ResultChan() <-chan watch.Event { return m.events }

func (m *merged) Stop() {
	m.once.Do(func() { close(m.stopped) })
	m.Interface.Stop()
}

func (m *merged) send(e watch.Event) {
	select {
	case m.events <- e:
	case <-m.stopped:
	}
}

func (c *cluster) review(a ktesting.Action) (bool, runtime.Object, error) {
	review := a.(ktesting.CreateAction).GetObject().(*authv1.SelfSubjectAccessReview).DeepCopy()
	r := review.Spec.ResourceAttributes
	name := r.Resource
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	review.Status.Allowed = !c.denied[fmt.Sprintf("%s %s %s", r.Verb, name, r.Namespace)]
	return true, review, nil
}

func (c *cluster) create(a ktesting.Action) (bool, runtime.Object, error) {
	action := a.(ktesting.CreateActionImpl)
	kind := a.GetResource().Resource
	c.mu.Lock()
	admit := c.admit
	c.mu.Unlock()
	if admit != nil {
		if err := admit(a.GetNamespace(), kind); err != nil {
			return true, nil, err
		}
	}
	if len(action.GetCreateOptions().DryRun) > 0 {
		return true, action.GetObject(), nil
	}
	meta, ok := action.GetObject().(metav1.Object)
	if !ok {
		return false, nil, nil
	}
	c.mu.Lock()
	c.uids++
	meta.SetUID(types.UID(fmt.Sprintf("uid-%d", c.uids)))
	c.created = append(c.created, kind+"/"+meta.GetName())
	makePod := c.pod
	c.mu.Unlock()
	if job, ok := action.GetObject().(*batchv1.Job); ok && makePod != nil {
		if pod := makePod(job); pod != nil {
			pod.Namespace, pod.Labels = job.Namespace, job.Spec.Template.Labels
			if err := c.Tracker().Add(pod); err != nil {
				return true, nil, err
			}
		}
	}
	return false, nil, nil
}

func (c *cluster) delete(a ktesting.Action) (bool, runtime.Object, error) {
	job := a.(ktesting.DeleteAction).GetName()
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	c.Tracker().Delete(pods, a.GetNamespace(), job+"-x")
	return false, nil, nil
}

// order returns what was created so far.
func (c *cluster) order() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.created...)
}

// jobs returns the Jobs that are there.
func (c *cluster) jobs(t *testing.T) []batchv1.Job {
	t.Helper()
	list, err := c.BatchV1().Jobs("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func somePayload(arch string) (payload.Payload, error) {
	if arch != "amd64" && arch != "arm64" {
		return payload.Payload{}, fmt.Errorf("linux/%s: %w", arch, payload.ErrMissing)
	}
	p := testPayload(10, 20)
	p.Arch = arch
	return p, nil
}

func options(change ...func(*Options)) Options {
	o := Options{TargetNamespace: "shop", Run: "run1", TokenSHA256: "cd", Payload: somePayload}
	for _, c := range change {
		c(&o)
	}
	return o
}

func targets(nodes ...string) []Target {
	out := make([]Target, len(nodes))
	for i, n := range nodes {
		out[i] = Target{Node: n}
	}
	return out
}
