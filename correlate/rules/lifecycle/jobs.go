package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/jobs"
)

// The causes of Jobs.
const (
	JobFailed     finding.Cause = "exit/job-failed"
	JobSidecar    finding.Cause = "exit/job-sidecar-running"
	CronJobMissed finding.Cause = "lifecycle/cronjob-missed"
)

// current lists the newest fact of each subject that still holds.
func current(w *window.Window, kind event.Kind) []window.Fact {
	last := map[event.Key]int{}
	var out []window.Fact
	for _, f := range w.Of(kind) {
		if i, seen := last[f.Subject()]; seen {
			out[i] = f
			continue
		}
		last[f.Subject()] = len(out)
		out = append(out, f)
	}
	return slices.DeleteFunc(out, func(f window.Fact) bool { return jobs.Over.Or(f.Event, false) })
}

func link(from, to event.Key, m finding.Mechanism, e finding.Evidence) finding.Link {
	return finding.Link{From: from, To: to, Mechanism: m, At: e.At, Trust: e.Trust, Sentence: e.Claim, Evidence: []finding.Evidence{e}}
}

// asked tells whether the question is about the workload or its owner.
func asked(w *window.Window, f window.Fact) bool {
	if w.Target.Key == f.Subject() {
		return true
	}
	up, ok := f.Ref(event.Owner)
	return ok && w.Target.Key == up
}

// evalJobFailed proposes JobFailed for each Job that gave up within the window,
// or that was asked about.
func evalJobFailed(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, jobs.Job) {
		if !jobs.Failed.Or(f.Event, false) || f.At.Before(w.From) && !asked(w, f) {
			continue
		}
		k, e := f.Subject(), claims.Job(f)
		n := w.Graph.Name(k)
		h := finding.Hypothesis{Cause: JobFailed, Entity: k, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.JobGaveUp}}
		h.Chain = []finding.Link{link(k, k, finding.Fails, e)}
		switch jobs.Reason.Or(f.Event, "") {
		case "DeadlineExceeded":
			h.Headline = fmt.Sprintf("%s: the Job gave up after its deadline of %s", n.Name, words.Span(time.Duration(jobs.Deadline.Or(f.Event, 0))*time.Second))
		case "BackoffLimitExceeded":
			h.Headline = fmt.Sprintf("%s: the Job gave up after %s (limit %d)", n.Name, words.Count(jobs.Attempts.Or(f.Event, 0), "failed pod"), jobs.Limit.Or(f.Event, 0))
		default:
			h.Headline = fmt.Sprintf("%s: the Job failed: %s", n.Name, e.Claim)
		}
		h.Affected = w.Graph.Pods(k)
		h.Explains = ofJob(w, k)
		h.Advice = []finding.Advice{
			{Command: fmt.Sprintf("kubectl -n %s logs job/%s --all-containers --tail=50", n.Namespace, n.Name), Expect: "what its last pod said"},
			{Command: fmt.Sprintf("kubectl -n %s describe job %s", n.Namespace, n.Name), Expect: "its attempts"},
		}
		out = append(out, h)
	}
	return out
}

// ofJob accounts for a Job's shortage and its pods' phases, not for why its
// containers ended.
func ofJob(w *window.Window, k event.Key) func(finding.Symptom) bool {
	return func(s finding.Symptom) bool {
		wl, ok := w.Graph.WorkloadOf(s.Entity)
		return ok && wl == k && s.Sort != finding.EndedBadly && s.Sort != finding.CallsFailed
	}
}

// evalJobSidecar proposes JobSidecar for each Job whose pod has a container that
// is done and one that is not.
func evalJobSidecar(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, jobs.Job) {
		left := jobs.Left.Or(f.Event, "")
		if left == "" {
			continue
		}
		k, e := f.Subject(), claims.Job(f)
		n := w.Graph.Name(k)
		h := finding.Hypothesis{Cause: JobSidecar, Entity: k, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.MainDone}}
		h.Chain = []finding.Link{link(k, k, finding.Blocks, e)}
		h.Headline = fmt.Sprintf("%s: the Job does not end because container %s keeps running %s after %s ended well", n.Name, left,
			words.Span(w.To.Sub(f.At).Truncate(time.Second)), jobs.Done.Or(f.Event, ""))
		h.RuledOut = []finding.Rival{{Cause: JobFailed, Why: "its work ended without an error", Evidence: []finding.Evidence{e}}}
		h.Affected = w.Graph.Pods(k)
		h.Explains = ofJob(w, k)
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get job %s -o yaml", n.Namespace, n.Name),
			Expect:  "make " + left + " a native sidecar: an init container with restartPolicy: Always ends with the others",
		}}
		out = append(out, h)
	}
	return out
}

// evalCronJobMissed proposes CronJobMissed with the reason that the CronJob's
// own fields give.
func evalCronJobMissed(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, f := range current(w, jobs.Schedule) {
		suspended := jobs.Suspended.Or(f.Event, false)
		edited := time.Unix(jobs.Edited.Or(f.Event, 0), 0)
		if suspended && !asked(w, f) && edited.Before(w.From) {
			continue // on purpose, as far as anybody knows
		}
		k, e := f.Subject(), claims.Schedule(f, w.To)
		n := w.Graph.Name(k)
		h := finding.Hypothesis{Cause: CronJobMissed, Entity: k, Since: f.At, State: finding.Failing, Now: e.Claim}
		h.For = []finding.Support{{Evidence: e, Weight: finding.ScheduleMissed}}
		h.Chain = []finding.Link{link(k, k, finding.Blocks, e)}
		why, advice := whyMissed(w, f, n.Namespace, n.Name)
		h.Headline = fmt.Sprintf("%s: %s", n.Name, why)
		h.Advice = advice
		for _, r := range f.Refs {
			if r.Role == event.Peer {
				h.Affected = append(h.Affected, r.Key)
			}
		}
		out = append(out, h)
	}
	return out
}

func whyMissed(w *window.Window, f window.Fact, ns, name string) (string, []finding.Advice) {
	runs := words.Count(jobs.Missed.Or(f.Event, 0), "run") + " missed"
	see := finding.Advice{Command: fmt.Sprintf("kubectl -n %s describe cronjob %s", ns, name), Expect: "its schedule and what its controller says"}
	switch {
	case jobs.Bad.Or(f.Event, false):
		return fmt.Sprintf("its schedule %q cannot be read, so it never runs", jobs.Cron.Or(f.Event, "")), []finding.Advice{see}
	case jobs.Suspended.Or(f.Event, false):
		by := ""
		if who := jobs.By.Or(f.Event, ""); who != "" {
			by = "; last edited by " + who
		}
		patch := func(v string) string {
			return fmt.Sprintf(`kubectl -n %s patch cronjob %s -p '{"spec":{"suspend":%s}}'`, ns, name, v)
		}
		return runs + " because it is suspended" + by, []finding.Advice{{Command: patch("false"), ChangesCluster: true, Expect: "the next run begins at its time; ask first whether it was meant", Undo: patch("true")}}
	case jobs.Policy.Or(f.Event, "") == "Forbid" && jobs.Active.Or(f.Event, 0) > 0:
		which := "a Job"
		for _, r := range f.Refs {
			if r.Role == event.Peer {
				which = w.Graph.Label(r.Key)
				break
			}
		}
		return fmt.Sprintf("%s because %s of it is still alive and its policy forbids a second", runs, which),
			[]finding.Advice{{Command: fmt.Sprintf("kubectl -n %s describe job %s", ns, which), Expect: "why it does not end"}, see}
	}
	if d, ok := jobs.StartBy.Get(f.Event); ok {
		return fmt.Sprintf("%s: its deadline for starting of %s passed", runs, words.Span(time.Duration(d)*time.Second)), []finding.Advice{see}
	}
	return runs + ", and nothing of it says why", []finding.Advice{see}
}
