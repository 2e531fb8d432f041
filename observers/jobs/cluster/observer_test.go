package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/jobs"
	"github.com/yairfalse/tapio/observers/observertest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func objects(t testing.TB, manifests ...string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for _, doc := range manifests {
		raw, err := yaml.ToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		out = append(out, obj)
	}
	return out
}

func tell(t *testing.T, manifests ...string) []string {
	t.Helper()
	obs, err := Open(source.FromObjects(objects(t, append(manifests, "apiVersion: v1\nkind: PodList\nitems: []")...), nil, now))
	if err != nil {
		t.Fatal(err)
	}
	events := observertest.Run(t, obs, jobs.Spec, func(*observertest.Session) { <-obs.(*observer).First() })
	var out []string
	for _, e := range events {
		out = append(out, line(e))
	}
	return out
}

func line(e event.Event) string {
	parts := []string{strings.TrimPrefix(string(e.Kind), "jobs."), e.Subject().Leaf(), e.At.Format("15:04:05")}
	for _, r := range e.Refs[1:] {
		parts = append(parts, string(r.Role)+":"+r.Key.Leaf())
	}
	var fields []string
	for name, v := range e.Attrs {
		text := v.String()
		switch name {
		case "due", "last", "done_at":
			if i, ok := event.As[int64](v); ok {
				text = time.Unix(i, 0).UTC().Format("15:04")
			}
		case "succeeded", "limit", "cron":
			continue
		}
		fields = append(fields, name+"="+text)
	}
	slices.Sort(fields)
	return strings.Join(append(parts, fields...), " ")
}

func TestJobs(t *testing.T) {
	job := func(status string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: c, uid: u, controller: true}]}\nspec: {backoffLimit: 2, template: {spec: {}}}\nstatus: " + status
	}
	pod := func(states string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, uid: p, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: j, uid: u, controller: true}]}\nspec: {containers: []}\nstatus: {phase: Running, containerStatuses: [" + states + "]}"
	}
	state := func(name, s string) string {
		return fmt.Sprintf("{name: %s, image: x, imageID: x, ready: true, state: %s}", name, s)
	}
	const run = `{running: {startedAt: "2026-03-01T11:00:00Z"}}`
	ended := func(code int, at string) string {
		return fmt.Sprintf(`{terminated: {exitCode: %d, finishedAt: "2026-03-01T%sZ"}}`, code, at)
	}
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{
			name: "gave up", objs: []string{job(`{failed: 3, conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: m, lastTransitionTime: "2026-03-01T11:30:00Z"}]}`)},
			want: []string{"job j 11:30:00 owner:c attempts=3 failed=true message=m reason=BackoffLimitExceeded"},
		},
		{name: "finished", objs: []string{job(`{succeeded: 1, conditions: [{type: Complete, status: "True"}]}`)}},
		{
			name: "a container keeps the pod running", objs: []string{job("{active: 1}"), pod(state("main", ended(0, "11:50:00")) + "," + state("side", run))},
			want: []string{"job j 11:50:00 owner:c peer:p attempts=0 done=main done_at=11:50 left=side"},
		},
		{name: "it ended just now", objs: []string{job("{active: 1}"), pod(state("main", ended(0, "11:59:50")) + "," + state("side", run))}},
		{name: "it ended badly", objs: []string{job("{active: 1}"), pod(state("main", ended(1, "11:50:00")) + "," + state("side", run))}},
		{name: "both run", objs: []string{job("{active: 1}"), pod(state("main", run) + "," + state("side", run))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, tt.objs...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func cronJob(spec, last string) string {
	status := "{}"
	if last != "" {
		status = fmt.Sprintf(`{lastScheduleTime: "2026-03-01T%sZ"}`, last)
	}
	return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c, namespace: shop, creationTimestamp: \"2026-03-01T09:00:00Z\"}\nspec: " + spec + "\nstatus: " + status
}

func TestSchedules(t *testing.T) {
	for _, tt := range []struct {
		name string
		objs []string
		want []string
	}{
		{name: "it ran when it should", objs: []string{cronJob(`{schedule: "0 * * * *"}`, "11:00:00")}},
		{name: "a run is due this very moment", objs: []string{cronJob(`{schedule: "0 12 * * *"}`, "")}},
		{
			name: "suspended", objs: []string{cronJob(`{schedule: "*/10 * * * *", suspend: true}`, "11:20:00")},
			want: []string{"schedule c 11:30:00 active=0 due=11:50 last=11:20 missed=3 suspended=true"},
		},
		{
			name: "forbidden by a Job that is alive",
			objs: []string{
				cronJob(`{schedule: "*/30 * * * *", concurrencyPolicy: Forbid, startingDeadlineSeconds: 20}`, "11:00:00"),
				"apiVersion: batch/v1\nkind: Job\nmetadata: {name: c-1, namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: c, uid: u, controller: true}]}\nspec: {template: {spec: {}}}\nstatus: {active: 1}",
			},
			want: []string{"schedule c 11:30:00 peer:c-1 active=1 due=11:30 last=11:00 missed=1 policy=Forbid start_by=20"},
		},
		{
			name: "never ran", objs: []string{cronJob(`{schedule: "@hourly"}`, "")},
			want: []string{"schedule c 10:00:00 active=0 due=11:00 missed=2"},
		},
		{
			name: "another time zone", objs: []string{cronJob(`{schedule: "30 13 * * *", timeZone: Europe/Berlin}`, "")},
			want: nil, // 12:30 UTC is ahead
		},
		{name: "a schedule that nobody can read", objs: []string{cronJob(`{schedule: "61 * * * *"}`, "")}, want: []string{"schedule c 09:00:00 active=0 bad=true"}},
		{name: "a zone that does not exist", objs: []string{cronJob(`{schedule: "* * * * *", timeZone: Mars/Base}`, "")}, want: []string{"schedule c 09:00:00 active=0 bad=true"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tell(t, tt.objs...)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMissedIsBounded(t *testing.T) {
	s, ok := schedule(&batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: "* * * * *"}})
	if !ok {
		t.Fatal("the schedule cannot be read")
	}
	if _, _, n := missed(s, now.AddDate(-5, 0, 0), now); n != maxMissed {
		t.Errorf("%d missed, want the bound", n)
	}
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"* * * * *", "@hourly", "TZ=UTC 0 0 * * *", "", "61 * * * *", "TZ=", "CRON_TZ=x", "@every 1s"} {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text, zone string) {
		c := &batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: text, TimeZone: &zone}}
		s, ok := schedule(c)
		if !ok {
			return
		}
		if _, _, n := missed(s, now.Add(-time.Hour), now); n > maxMissed {
			t.Errorf("%d missed", n)
		}
	})
}
