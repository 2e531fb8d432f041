package launch

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"
)

func TestAlive(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	job := func(change func(*batchv1.Job)) *batchv1.Job {
		j := Job(deliveredSpec())
		j.Status.StartTime = &metav1.Time{Time: start}
		change(j)
		return j
	}
	for name, tt := range map[string]struct {
		job   *batchv1.Job
		after time.Duration
		alive bool
	}{
		"just created":       {job(func(*batchv1.Job) {}), time.Second, true},
		"not started yet":    {job(func(j *batchv1.Job) { j.Status.StartTime = nil }), time.Minute, true},
		"never renewed":      {job(func(*batchv1.Job) {}), 30 * time.Second, false},
		"renewed lately":     {job(func(j *batchv1.Job) { *j.Spec.ActiveDeadlineSeconds = 600 + 45 }), 610 * time.Second, true},
		"renewed long ago":   {job(func(j *batchv1.Job) { *j.Spec.ActiveDeadlineSeconds = 600 + 45 }), 640 * time.Second, false},
		"without a deadline": {job(func(j *batchv1.Job) { j.Spec.ActiveDeadlineSeconds = nil }), time.Hour, true},
		"finished": {job(func(j *batchv1.Job) {
			j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}
		}), time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := leftover(tt.job)
			if got := l.Alive(start.Add(tt.after)); got != tt.alive {
				t.Errorf("alive %v: %+v", got, l)
			}
		})
	}
}

func TestListAndRemove(t *testing.T) {
	c := newCluster(t, readyNode("node-a"), readyNode("node-b"))
	foreign := Job(deliveredSpec())
	foreign.Name, foreign.Labels = "foreign", map[string]string{LabelRun: "run1"}
	if err := c.Tracker().Add(foreign); err != nil {
		t.Fatal(err)
	}
	launched(t, c, t.Context(), "node-a", "node-b")
	for _, tt := range []struct {
		namespace, run string
		want           int
	}{{"", "", 2}, {"kube-system", "run1", 2}, {"", "another", 0}, {"shop", "", 0}} {
		got, err := List(t.Context(), c, tt.namespace, tt.run)
		if err != nil || len(got) != tt.want {
			t.Errorf("namespace %q, run %q: %d, %v; want %d", tt.namespace, tt.run, len(got), err, tt.want)
		}
	}
	all, err := List(t.Context(), c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Node == "" || l.Run != "run1" {
			t.Errorf("incomplete: %+v", l)
		}
		if err := Remove(t.Context(), c, l); err != nil {
			t.Error(err)
		}
		if err := Remove(t.Context(), c, l); err != nil {
			t.Errorf("removed by someone else meanwhile: %v", err)
		}
	}
	if jobs := c.jobs(t); len(jobs) != 1 || jobs[0].Name != "foreign" {
		t.Errorf("left: %d Jobs", len(jobs))
	}
}

func TestListWithoutRights(t *testing.T) {
	c := newCluster(t)
	c.PrependReactor("list", "jobs", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, forbidden(`User "jane" cannot list resource "jobs" in API group "batch" at the cluster scope`)
	})
	if _, err := List(t.Context(), c, "", ""); AsRefused(err).Reason != NoRight {
		t.Errorf("got %v", err)
	}
}
