package launch

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// pods follows the pods of one run, by one watch for all its nodes.
type pods struct {
	mu      sync.Mutex
	byJob   map[string]PodState
	changed chan struct{} // closed and replaced at each change
}

// watchPods follows the run's pods until ctx ends. A broken watch is renewed by
// the informer; while it is broken the last state holds.
func watchPods(ctx context.Context, client kubernetes.Interface, namespace, run string) (*pods, error) {
	p := &pods{byJob: map[string]PodState{}, changed: make(chan struct{})}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = LabelRun + "=" + run }))
	informer := factory.Core().V1().Pods().Informer()
	if err := informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}); err != nil {
		return nil, err
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { p.set(o, false) },
		UpdateFunc: func(_, o any) { p.set(o, false) },
		DeleteFunc: func(o any) { p.set(o, true) },
	})
	if err != nil {
		return nil, err
	}
	factory.StartWithContext(ctx)
	return p, nil
}

func (p *pods) set(o any, deleted bool) {
	if tomb, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = tomb.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	job := ownerJob(pod)
	if job == "" {
		return
	}
	st := podState(pod)
	if deleted {
		if st.Phase != Ended {
			st.Why = "the pod was deleted"
		}
		st.Phase = Absent
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byJob[job] = st
	close(p.changed)
	p.changed = make(chan struct{})
}

// get returns the state of a Job's pod and a channel that is closed when any
// pod of the run changes.
func (p *pods) get(job string) (PodState, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byJob[job], p.changed
}

// present tells whether any pod of the run is there that is not being deleted.
func (p *pods) present() (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.byJob {
		if st.Phase != Absent && !st.Doomed {
			return true, p.changed
		}
	}
	return false, p.changed
}

// ownerJob returns the name of the Job that made the pod.
func ownerJob(pod *corev1.Pod) string {
	for _, o := range pod.OwnerReferences {
		if o.Kind == "Job" {
			return o.Name
		}
	}
	return ""
}

// linger returns a context that ends a while after its parent, so that a
// request that is under way when the user interrupts still gets its answer.
func linger(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}
