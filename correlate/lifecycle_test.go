package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	lifecyclerules "github.com/yairfalse/tapio/correlate/rules/lifecycle"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/jobs"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

func lifecycleCauses(w *window.Window) (out []string, all []finding.Hypothesis) {
	for _, r := range lifecyclerules.Rules() {
		for _, h := range r.Eval(w) {
			all = append(all, h)
			if h.Confidence(w.Ceiling()) >= finding.Supported {
				out = append(out, string(h.Cause))
			}
		}
	}
	return out, all
}

func TestLifecycle(t *testing.T) {
	job := event.WorkloadKey("Job", "shop", "report")
	cron := event.WorkloadKey("CronJob", "shop", "nightly")
	failed := func(e *event.Event) {
		jobs.Failed.Set(e, true)
		jobs.Reason.Set(e, "BackoffLimitExceeded")
		jobs.Attempts.Set(e, 3)
		jobs.Limit.Set(e, 2)
	}
	lingers := func(e *event.Event) {
		jobs.Done.Set(e, "main")
		jobs.Left.Set(e, "proxy")
		jobs.DoneAt.Set(e, facts.At(-300).Unix())
	}
	missed := func(more func(*event.Event)) func(*event.Event) {
		return func(e *event.Event) {
			jobs.Missed.Set(e, 2)
			jobs.Due.Set(e, facts.At(-600).Unix())
			more(e)
		}
	}
	deleted := func(s *facts.Set, at float64, finalizer string) {
		e := event.Event{Kind: lifecycle.Pod, At: facts.At(at), Refs: []event.Ref{{Role: event.Subject, Key: redis.Key()}}}
		lifecycle.Namespace.Set(&e, "shop")
		lifecycle.Name.Set(&e, "redis-0")
		lifecycle.Phase.Set(&e, "Running")
		lifecycle.Deleted.Set(&e, facts.At(at).Unix())
		if finalizer != "" {
			lifecycle.Finalizers.Set(&e, finalizer)
		}
		s.List = append(s.List, window.Fact{Event: e, Source: "api"})
	}
	for _, tt := range []struct {
		name string
		set  func(*facts.Set)
		want string
		says string
	}{
		{
			name: "a Job gave up", want: "exit/job-failed", says: "report: the Job gave up after 3 failed pods (limit 2)",
			set: func(s *facts.Set) { s.JobFact(jobs.Job, -300, job, failed) },
		},
		{
			name: "a Job gave up last week", set: func(s *facts.Set) { s.JobFact(jobs.Job, -700000, job, failed) },
		},
		{
			name: "a sidecar keeps the Job", want: "exit/job-sidecar-running", says: "report: the Job does not end because container proxy keeps running 5m after main ended well",
			set: func(s *facts.Set) { s.JobFact(jobs.Job, -300, job, lingers) },
		},
		{
			name: "the sidecar ended since", set: func(s *facts.Set) {
				s.JobFact(jobs.Job, -300, job, lingers)
				s.JobFact(jobs.Job, -10, job, func(e *event.Event) { lingers(e); jobs.Over.Set(e, true) })
			},
		},
		{
			name: "a Job that is alive forbids the next", want: "lifecycle/cronjob-missed", says: "2 runs missed because report of it is still alive and its policy forbids a second",
			set: func(s *facts.Set) {
				s.JobFact(jobs.Schedule, -1200, cron, missed(func(e *event.Event) { jobs.Policy.Set(e, "Forbid"); jobs.Active.Set(e, 1) }), job)
			},
		},
		{
			name: "suspended on purpose", set: func(s *facts.Set) {
				s.JobFact(jobs.Schedule, -1200, cron, missed(func(e *event.Event) { jobs.Suspended.Set(e, true) }))
			},
		},
		{
			name: "suspended within the hour", want: "lifecycle/cronjob-missed", says: "because it is suspended; last edited by kubectl-patch",
			set: func(s *facts.Set) {
				s.JobFact(jobs.Schedule, -1200, cron, missed(func(e *event.Event) {
					jobs.Suspended.Set(e, true)
					jobs.Edited.Set(e, facts.At(-1800).Unix())
					jobs.By.Set(e, "kubectl-patch")
				}))
			},
		},
		{
			name: "a schedule nobody can read", want: "lifecycle/cronjob-missed", says: `its schedule "61 * * * *" cannot be read`,
			set: func(s *facts.Set) {
				s.JobFact(jobs.Schedule, -1200, cron, func(e *event.Event) { jobs.Bad.Set(e, true); jobs.Cron.Set(e, "61 * * * *") })
			},
		},
		{
			name: "a finalizer is left", want: "lifecycle/stuck-terminating", says: "redis-0: deleted 10m ago and still there because finalizer example.org/guard is left",
			set: func(s *facts.Set) { deleted(s, -600, "example.org/guard") },
		},
		{name: "a finalizer, deleted just now", set: func(s *facts.Set) { deleted(s, -10, "example.org/guard") }},
		{name: "deleted, no finalizer", set: func(s *facts.Set) { deleted(s, -10, "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &facts.Set{}
			s.Pod(redis, -900, running(-800, 0))
			tt.set(s)
			w := s.Namespace(0, "shop")
			got, all := lifecycleCauses(w)
			if strings.Join(got, " ") != tt.want {
				t.Fatalf("supported %v, want %q", got, tt.want)
			}
			doc := correlate.Explain(w)
			if tt.want == "" {
				if doc.Verdict == story.Explained {
					t.Errorf("explained: %s", doc.Headline)
				}
				return
			}
			if h := all[0]; !strings.Contains(h.Headline, tt.says) || len(h.Chain) == 0 || len(h.Advice) == 0 {
				t.Errorf("%q lacks %q, or there is no chain or advice", h.Headline, tt.says)
			}
			if doc.Verdict != story.Explained || doc.Hypotheses[0].Cause != tt.want {
				t.Errorf("the story is %s: %s", doc.Verdict, doc.Headline)
			}
		})
	}
}
