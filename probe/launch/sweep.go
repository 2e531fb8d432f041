package launch

import (
	"context"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Leftover is a probe Job that is still in the cluster.
type Leftover struct {
	Namespace, Job, Run, Node string
	Since                     time.Time // its creation, by the API server's clock
	// Renewed is when a client last extended the lease, and Expires when the
	// Job ends unless that happens again; both zero before the Job has started.
	Renewed, Expires time.Time
	Finished         bool // it has ended and goes within seconds
}

// aliveFor is how long after an extension a client is taken for living: two
// turns, and some seconds for the difference of clocks.
const aliveFor = 2*RenewEvery + 5*time.Second

// Alive tells whether the Job's client seems to live: its lease was extended a
// short while ago.
func (l Leftover) Alive(now time.Time) bool {
	return !l.Finished && (l.Renewed.IsZero() || now.Sub(l.Renewed) < aliveFor)
}

// maxLeftovers bounds one listing.
const maxLeftovers = 500

// List finds probe Jobs in a namespace, "" for all; run restricts it to one
// run. The oldest come first.
func List(ctx context.Context, client kubernetes.Interface, namespace, run string) ([]Leftover, error) {
	selector := LabelManagedBy + "=" + ManagedBy
	if run != "" {
		selector += "," + LabelRun + "=" + run
	}
	jobs, err := client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: maxLeftovers})
	if err != nil {
		where := namespace
		if where == "" {
			where = "all namespaces"
		}
		return nil, refusal(err, "list", "jobs", where)
	}
	out := make([]Leftover, 0, len(jobs.Items))
	for i := range jobs.Items {
		out = append(out, leftover(&jobs.Items[i]))
	}
	slices.SortFunc(out, func(a, b Leftover) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Namespace+"/"+a.Job, b.Namespace+"/"+b.Job)
	})
	return out, nil
}

func leftover(job *batchv1.Job) Leftover {
	l := Leftover{
		Namespace: job.Namespace, Job: job.Name, Run: job.Labels[LabelRun],
		Node: job.Spec.Template.Spec.NodeName, Since: job.CreationTimestamp.Time, Finished: finished(job),
	}
	if job.Status.StartTime != nil && job.Spec.ActiveDeadlineSeconds != nil {
		l.Expires = job.Status.StartTime.Add(time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second)
		l.Renewed = l.Expires.Add(-Lease)
	}
	return l
}

// Remove deletes a leftover; its pod and ConfigMaps follow by garbage
// collection.
func Remove(ctx context.Context, client kubernetes.Interface, l Leftover) error {
	err := client.BatchV1().Jobs(l.Namespace).Delete(ctx, l.Job, deleteNow())
	if err != nil && !apierrors.IsNotFound(err) {
		return refusal(err, "delete", "jobs", l.Namespace)
	}
	return nil
}
