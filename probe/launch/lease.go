package launch

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// goneBound is how long Delete waits for the garbage collector to take the pods.
const goneBound = 5 * time.Second

// renewBound is how long one extension of the lease may take.
const renewBound = 5 * time.Second

// KeepAlive extends the leases of the run's Jobs until ctx ends. A failed
// extension is tried again at the next turn: a lease bridges four of them.
func (r *Run) KeepAlive(ctx context.Context) {
	tick := time.NewTicker(RenewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.renew(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// renew moves every Job's deadline to a full lease from now.
func (r *Run) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, renewBound)
	defer cancel()
	var wg sync.WaitGroup
	for name, asked := range r.living() {
		wg.Go(func() {
			_, err := r.client.BatchV1().Jobs(r.plan.Namespace).Patch(ctx, name, types.MergePatchType,
				deadlinePatch(time.Since(asked)), metav1.PatchOptions{})
			if apierrors.IsNotFound(err) {
				r.forget(name)
			}
		})
	}
	wg.Wait()
}

// deadlinePatch is the merge patch that gives a Job of that age a full lease.
// The Job's deadline counts from its startTime, which is not before age began.
func deadlinePatch(age time.Duration) []byte {
	seconds := int64((age + Lease + time.Second - 1) / time.Second)
	return fmt.Appendf(nil, `{"spec":{"activeDeadlineSeconds":%d}}`, seconds)
}

// living returns the confirmed Jobs and when they were asked for.
func (r *Run) living() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]time.Time, len(r.jobs))
	for name, l := range r.jobs {
		if l.made {
			out[name] = l.asked
		}
	}
	return out
}

func (r *Run) forget(job string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, job)
}

// deleteJob deletes a Job at once; its pod and ConfigMaps follow by garbage
// collection. A Job that is not there is a success, unless its creation was
// never answered.
func (r *Run) deleteJob(ctx context.Context, name string) error {
	err := r.client.BatchV1().Jobs(r.plan.Namespace).Delete(ctx, name, deleteNow())
	if err == nil || apierrors.IsNotFound(err) {
		r.forget(name)
		return nil
	}
	return err
}

func deleteNow() metav1.DeleteOptions {
	return metav1.DeleteOptions{
		PropagationPolicy:  new(metav1.DeletePropagationBackground),
		GracePeriodSeconds: new(int64(0)),
	}
}

// Leftovers is the error of a Delete that could not remove everything.
type Leftovers struct {
	Namespace string
	Jobs      []string // those that were not confirmed as deleted
	Pods      bool     // pods of the run are there and nobody has deleted them yet
	Err       error
}

func (l *Leftovers) Error() string {
	if len(l.Jobs) == 0 {
		return fmt.Sprintf("probe pods in %s are not deleted yet; they go by themselves within a minute", l.Namespace)
	}
	what := fmt.Sprintf("job %s is left in %s", l.Jobs[0], l.Namespace)
	if len(l.Jobs) > 1 {
		what = fmt.Sprintf("%d jobs are left in %s", len(l.Jobs), l.Namespace)
	}
	r := Refused{What: what, Why: innermost(l.Err), Ask: "gone within a minute, or by kubectl tapio cleanup"}
	return r.Error()
}

func (l *Leftovers) Unwrap() error { return l.Err }

// Delete removes everything the run created and waits, for a bounded time,
// until the deletion of its pods is on record. ctx should be fresh: it is used for the removal
// after the run's own context has ended. The error is a *Leftovers.
func (r *Run) Delete(ctx context.Context) error {
	defer r.stop()
	ctx, cancel := context.WithTimeout(ctx, createBound)
	defer cancel()
	r.mu.Lock()
	names := make([]string, 0, len(r.jobs))
	for name := range r.jobs {
		names = append(names, name)
	}
	r.mu.Unlock()
	left := &Leftovers{Namespace: r.plan.Namespace}
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for _, name := range names {
		wg.Go(func() {
			if err := r.deleteJob(ctx, name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				left.Jobs, left.Err = append(left.Jobs, name), err
			}
		})
	}
	wg.Wait()
	if len(left.Jobs) > 0 {
		return left
	}
	if r.pods == nil || len(names) == 0 {
		return nil
	}
	bound := time.NewTimer(goneBound)
	defer bound.Stop()
	for {
		there, changed := r.pods.present()
		if !there {
			return nil
		}
		select {
		case <-changed:
		case <-bound.C:
			left.Pods = true
			return left
		case <-ctx.Done():
			left.Pods, left.Err = true, ctx.Err()
			return left
		}
	}
}
