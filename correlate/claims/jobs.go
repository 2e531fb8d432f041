package claims

import (
	"fmt"
	"time"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/jobs"
)

// Job is a Job that gave up, or has a pod that does not end (jobs.job).
func Job(f window.Fact) finding.Evidence {
	e := ofJobs(f)
	if jobs.Failed.Or(f.Event, false) {
		e.Claim = jobs.Reason.Or(f.Event, "Failed") + " after " + words.Count(jobs.Attempts.Or(f.Event, 0), "failed pod")
		return e
	}
	e.Claim = fmt.Sprintf("container %s has ended well at %s, %s still runs", jobs.Done.Or(f.Event, ""), words.Clock(unix(jobs.DoneAt.Or(f.Event, 0))), jobs.Left.Or(f.Event, ""))
	return e
}

// Schedule is a CronJob of which a run was due (jobs.schedule).
func Schedule(f window.Fact, now time.Time) finding.Evidence {
	e := ofJobs(f)
	if jobs.Bad.Or(f.Event, false) {
		e.Claim = fmt.Sprintf("its schedule %q cannot be read", jobs.Cron.Or(f.Event, ""))
		return e
	}
	e.Claim = fmt.Sprintf("%s due and not begun, last at %s", words.Count(jobs.Missed.Or(f.Event, 0), "run"), words.At(unix(jobs.Due.Or(f.Event, 0)), now))
	if last, ok := jobs.Last.Get(f.Event); ok {
		e.Claim += ", last run at " + words.At(unix(last), now)
	}
	return e
}

func ofJobs(f window.Fact) finding.Evidence {
	return finding.Evidence{Observer: jobs.Spec.Name, Kind: f.Kind, Entity: f.Subject(), At: f.At, Trust: finding.API}
}
