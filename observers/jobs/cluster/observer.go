// Package cluster tells from Kubernetes objects of Jobs that gave up or do not
// end, and of CronJobs that did not run.
package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/jobs"
)

type observer struct {
	*source.Loop
	src  source.Source
	told source.Told
	emit func(event.Event)
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, jobs.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	o.emit = o.Counted(emit)
	return o.Follow(ctx, o.look)
}

func (o *observer) look() error {
	o.told.Begin()
	list, _ := o.src.Jobs.List(labels.Everything())
	pods, _ := o.src.Pods.List(labels.Everything())
	for _, j := range sorted(list) {
		o.tellJob(j, pods)
	}
	crons, _ := o.src.CronJobs.List(labels.Everything())
	for _, c := range sorted(crons) {
		o.tellCron(c, list)
	}
	o.told.End(jobs.Over, o.src.Now(), o.emit)
	return nil
}

func sorted[T metav1.Object](list []T) []T {
	slices.SortFunc(list, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return list
}

func (o *observer) tell(id string, e event.Event) {
	if e.At.IsZero() {
		e.At = o.src.Now()
	}
	o.told.Tell(string(e.Kind)+"\x00"+id, e, o.src.Now(), o.emit)
}

// maxText bounds every text taken from an object, in bytes.
const maxText = 512

func setText(f event.Field[string], e *event.Event, s string) {
	if s == "" {
		return
	}
	if len(s) > maxText {
		s = s[:maxText]
	}
	f.Set(e, strings.ToValidUTF8(s, ""))
}

func setTime(f event.Field[int64], e *event.Event, t time.Time) {
	if t.Unix() > 0 {
		f.Set(e, t.Unix())
	}
}

// lingering is for how long a pod may go on after a container of it is done
// before that is told: sidecars may finish their own work.
const lingering = 30 * time.Second

func (o *observer) tellJob(j *batchv1.Job, pods []*corev1.Pod) {
	if !source.Plausible(j.Name, j.Namespace) {
		return
	}
	key := event.WorkloadKey("Job", j.Namespace, j.Name)
	e := event.Event{Kind: jobs.Job, Refs: []event.Ref{{Role: event.Subject, Key: key}}}
	if up := metav1.GetControllerOfNoCopy(j); up != nil && up.Kind == "CronJob" && source.Plausible(up.Name) && up.Name != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: event.WorkloadKey("CronJob", j.Namespace, up.Name)})
	}
	jobs.Attempts.Set(&e, int64(j.Status.Failed))
	jobs.Succeeded.Set(&e, int64(j.Status.Succeeded))
	jobs.Limit.Set(&e, 6)
	if j.Spec.BackoffLimit != nil {
		jobs.Limit.Set(&e, int64(*j.Spec.BackoffLimit))
	}
	if j.Spec.ActiveDeadlineSeconds != nil {
		jobs.Deadline.Set(&e, *j.Spec.ActiveDeadlineSeconds)
	}
	for _, c := range j.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
			jobs.Failed.Set(&e, true)
			setText(jobs.Reason, &e, c.Reason)
			setText(jobs.Message, &e, c.Message)
			e.At = c.LastTransitionTime.Time
			o.tell(key.ID, e)
			return
		}
	}
	for _, p := range pods {
		ref := metav1.GetControllerOfNoCopy(p)
		if ref == nil || ref.Kind != "Job" || ref.Name != j.Name || p.Namespace != j.Namespace || p.DeletionTimestamp != nil {
			continue
		}
		done, left, at := halves(p)
		if len(done) == 0 || len(left) == 0 || o.src.Now().Sub(at) < lingering {
			continue
		}
		e.At = at
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
		setText(jobs.Done, &e, strings.Join(done, ", "))
		setText(jobs.Left, &e, strings.Join(left, ", "))
		setTime(jobs.DoneAt, &e, at)
		o.tell(key.ID, e)
		return
	}
}

// halves are the containers of a pod that have ended well and those that still
// run, and when the last of the former did. A native sidecar ends with the
// others and keeps no pod running; one that failed is another story.
func halves(p *corev1.Pod) (done, left []string, at time.Time) {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Running != nil:
			left = append(left, c.Name)
		case c.State.Terminated != nil && c.State.Terminated.ExitCode == 0:
			done = append(done, c.Name)
			if c.State.Terminated.FinishedAt.After(at) {
				at = c.State.Terminated.FinishedAt.Time
			}
		default:
			return nil, nil, at
		}
	}
	return done, left, at
}
