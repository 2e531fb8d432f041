package cluster

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/jobs"
)

const (
	// tolerance is how late a run may begin: its controller looks at the
	// schedule about every ten seconds.
	tolerance = 45 * time.Second
	// maxMissed bounds how many missed runs are counted.
	maxMissed = 100
	// farBack bounds how far back the schedule is followed.
	farBack = 30 * 24 * time.Hour
	// maxCron bounds the text of a schedule, in bytes.
	maxCron = 200
)

func (o *observer) tellCron(c *batchv1.CronJob, all []*batchv1.Job) {
	if !source.Plausible(c.Name, c.Namespace) || c.DeletionTimestamp != nil {
		return
	}
	key := event.WorkloadKey("CronJob", c.Namespace, c.Name)
	e := event.Event{Kind: jobs.Schedule, Refs: []event.Ref{{Role: event.Subject, Key: key}}}
	setText(jobs.Cron, &e, c.Spec.Schedule)
	setText(jobs.Policy, &e, string(c.Spec.ConcurrencyPolicy))
	if c.Spec.Suspend != nil && *c.Spec.Suspend {
		jobs.Suspended.Set(&e, true)
	}
	if d := c.Spec.StartingDeadlineSeconds; d != nil {
		jobs.StartBy.Set(&e, *d)
	}
	if a := source.LastAuthor(c); !a.At.IsZero() {
		setTime(jobs.Edited, &e, a.At)
		setText(jobs.By, &e, a.Manager)
	}
	active := 0
	for _, j := range sorted(all) {
		up := metav1.GetControllerOfNoCopy(j)
		if up != nil && up.Kind == "CronJob" && up.Name == c.Name && j.Namespace == c.Namespace && j.Status.Active > 0 && active < 10 {
			active++
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.WorkloadKey("Job", j.Namespace, j.Name)})
		}
	}
	jobs.Active.Set(&e, int64(max(active, len(c.Status.Active))))
	from := c.CreationTimestamp.Time
	if l := c.Status.LastScheduleTime; l != nil {
		setTime(jobs.Last, &e, l.Time)
		from = l.Time
	}
	times, ok := schedule(c)
	if !ok {
		e.At = c.CreationTimestamp.Time
		jobs.Bad.Set(&e, true)
		o.tell(key.ID, e)
		return
	}
	first, last, n := missed(times, from, o.src.Now().Add(-tolerance))
	if n == 0 {
		return
	}
	e.At = first
	setTime(jobs.Due, &e, last)
	jobs.Missed.Set(&e, n)
	o.tell(key.ID, e)
}

// schedule reads the schedule as the CronJob controller does.
func schedule(c *batchv1.CronJob) (cron.Schedule, bool) {
	text := c.Spec.Schedule
	if text == "" || len(text) > maxCron {
		return nil, false
	}
	zone := ""
	if c.Spec.TimeZone != nil {
		zone = *c.Spec.TimeZone
	}
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") { // accepted of old objects only
		if !strings.Contains(text, " ") {
			return nil, false // the parser looks for the blank behind the zone
		}
		zone = ""
	}
	if zone != "" {
		if len(zone) > maxCron || strings.ContainsAny(zone, " \t\n") {
			return nil, false
		}
		if _, err := time.LoadLocation(zone); err != nil {
			return nil, false
		}
		text = "TZ=" + zone + " " + text
	}
	s, err := cron.ParseStandard(text)
	return s, err == nil
}

// missed lists the first and the last run that was due after from and not after
// until, and counts them.
func missed(s cron.Schedule, from, until time.Time) (first, last time.Time, n int64) {
	if oldest := until.Add(-farBack); from.Before(oldest) {
		from = oldest
	}
	for t := s.Next(from); !t.IsZero() && !t.After(until) && n < maxMissed; t = s.Next(t) {
		if first.IsZero() {
			first = t
		}
		last = t
		n++
	}
	return first, last, n
}
