// Package jobs holds the facts about Jobs and CronJobs: whether they gave up,
// and whether they ran when their schedule says.
package jobs

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds. Both are states: one is told again when it changes, and once more
// with Over when it ends.
const (
	Job      event.Kind = "jobs.job"
	Schedule event.Kind = "jobs.schedule"
)

// Fields of Job: a Job that gave up, or that has a pod which does not end.
// Subject is the Job, Owner its CronJob, Peer the pod that does not end. At is
// since when.
var (
	Failed    = event.Field[bool]{Name: "failed", Doc: "the Job's controller has given up"}
	Reason    = event.Field[string]{Name: "reason", Doc: "why, as BackoffLimitExceeded or DeadlineExceeded"}
	Message   = event.Field[string]{Name: "message", Doc: "its words"}
	Attempts  = event.Field[int64]{Name: "attempts", Unit: event.Count, Doc: "pods of it that failed"}
	Succeeded = event.Field[int64]{Name: "succeeded", Unit: event.Count, Doc: "pods of it that succeeded"}
	Limit     = event.Field[int64]{Name: "limit", Unit: event.Count, Doc: "backoffLimit"}
	Deadline  = event.Field[int64]{Name: "deadline", Unit: event.Seconds, Doc: "activeDeadlineSeconds; absent when there is none"}
	Done      = event.Field[string]{Name: "done", Doc: "containers of the pod that have ended well, comma-separated"}
	Left      = event.Field[string]{Name: "left", Doc: "containers of it that still run, comma-separated"}
	DoneAt    = event.Field[int64]{Name: "done_at", Unit: event.Seconds, Doc: "when the last of those that have ended did, Unix seconds"}
	Over      = event.Field[bool]{Name: "over", Doc: "what was told before no longer holds"}
)

// Fields of Schedule: a CronJob of which a run was due that did not begin.
// Subject is the CronJob, each Peer a Job of it that is still active. At is when
// the first run that was missed was due.
var (
	Cron      = event.Field[string]{Name: "cron", Doc: "spec.schedule"}
	Bad       = event.Field[bool]{Name: "bad", Doc: "the schedule or its time zone cannot be read"}
	Suspended = event.Field[bool]{Name: "suspended", Doc: "spec.suspend"}
	Policy    = event.Field[string]{Name: "policy", Doc: "concurrencyPolicy"}
	Active    = event.Field[int64]{Name: "active", Unit: event.Count, Doc: "Jobs of it that still run"}
	Last      = event.Field[int64]{Name: "last", Unit: event.Seconds, Doc: "last run that began, Unix seconds; absent for none"}
	Due       = event.Field[int64]{Name: "due", Unit: event.Seconds, Doc: "last run that was due and did not begin, Unix seconds"}
	Missed    = event.Field[int64]{Name: "missed", Unit: event.Count, Doc: "runs that were due and did not begin, counted up to a hundred"}
	StartBy   = event.Field[int64]{Name: "start_by", Unit: event.Seconds, Doc: "startingDeadlineSeconds; absent when there is none"}
	Edited    = event.Field[int64]{Name: "edited", Unit: event.Seconds, Doc: "last edit of the CronJob, Unix seconds"}
	By        = event.Field[string]{Name: "by", Doc: "client program of that edit, as the API server recorded it"}
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "jobs",
	Side: observers.Cluster,
	Doc:  "Jobs that gave up or do not end, and CronJobs that did not run when they should",
	Emits: []observers.Schema{
		{Kind: Job, Meaning: "a Job gave up, or has a pod that does not end", Fields: event.Fields(Failed, Reason, Message, Attempts, Succeeded, Limit, Deadline, Done, Left, DoneAt, Over)},
		{Kind: Schedule, Meaning: "a run of a CronJob was due and did not begin", Fields: event.Fields(Cron, Bad, Suspended, Policy, Active, Last, Due, Missed, StartBy, Edited, By, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list jobs.batch", Why: "Jobs that gave up", Optional: true},
		{Type: observers.Verb, Name: "list cronjobs.batch", Why: "runs that were due", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 200},
}
