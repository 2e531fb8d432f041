package memory

import (
	"fmt"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

// killEvidence is the kernel's word on a kill.
func killEvidence(w *window.Window, c event.Key, kill window.Fact) finding.Evidence {
	e := finding.Evidence{
		Observer: memory.Spec.Name, Kind: memory.OOMKill, Entity: c, At: kill.At, Trust: finding.Seen,
	}
	if memory.Origin.Or(kill.Event, "") == memory.FromKernelLog {
		e.Origin = "kernel log"
	}
	used, hasUsed := memory.LimiterUsage.Get(kill.Event)
	limit, hasLimit := memory.LimiterLimit.Get(kill.Event)
	at := "out of memory"
	if hasUsed && hasLimit {
		at = "at " + words.Of(used, limit)
	}
	victim := memory.VictimComm.Or(kill.Event, "a process")
	pid := ""
	if p, ok := memory.VictimNSPID.Get(kill.Event); ok {
		pid = fmt.Sprintf(", pid %d in the container", p)
	}
	e.Claim = fmt.Sprintf("kernel killed %s %s, %s%s", victim, at, limiterWords(w, c, kill), pid)
	return e
}

// limiterWords names whose limit it was.
func limiterWords(w *window.Window, c event.Key, kill window.Fact) string {
	switch memory.Constraint.Or(kill.Event, "") {
	case memory.ByContainer:
		if limiter, ok := kill.Ref(event.Limiter); ok && limiter != c {
			return "limit of " + where(w, limiter)
		}
		return "the container's limit"
	case memory.ByPod:
		if limit, _ := memory.LimiterLimit.Get(kill.Event); limit == w.Graph.Limit(c) {
			return "the container's limit, met in the pod's cgroup"
		}
		return "the pod's limit"
	case memory.ByAncestor:
		return "a limit above the pod"
	case memory.ByNode:
		return "the node's memory"
	}
	return "limit not told"
}

// endEvidence is the API's word on the end of an instance. The runtime says
// StartError when even its own init did not fit; the claim says so.
func endEvidence(end window.Fact) finding.Evidence {
	e := claims.Ended(end)
	if initOOM(end) {
		e.Claim += ": the runtime's own init was OOM-killed"
	}
	return e
}

// startUp is how long a start may take: who is OOM-killed within it never had
// room for its start-up set. API times are whole seconds, so one more is
// allowed where only they tell.
const startUp = 2 * time.Second

// diedAtStart is the claim that no known instance outlived a start-up; ok is
// false when one did or when no life is known.
func diedAtStart(w *window.Window, c event.Key, deaths []death) (finding.Evidence, bool) {
	longest, known := longLife(w, c, deaths)
	if !known || longest > startUp {
		return finding.Evidence{}, false
	}
	last := deaths[len(deaths)-1]
	e := finding.Evidence{
		Observer: lifecycle.Spec.Name, Kind: lifecycle.Ended, Entity: c, At: last.at, Trust: finding.API,
		Claim: fmt.Sprintf("no instance lived longer than %s", words.Span(longest)),
	}
	if last.kill != nil {
		e.Observer, e.Kind, e.Trust = memory.Spec.Name, memory.OOMKill, finding.Seen
	}
	return e, true
}

// longLife is the longest life of an instance that is known.
func longLife(w *window.Window, c event.Key, deaths []death) (time.Duration, bool) {
	longest, known := time.Duration(0), false
	for _, d := range deaths {
		if life, ok := d.life(); ok {
			longest, known = max(longest, life), true
		}
	}
	if run, ok := running(w, c); ok {
		longest, known = max(longest, run), true
	}
	return longest, known
}

// running is for how long the current instance runs.
func running(w *window.Window, c event.Key) (time.Duration, bool) {
	f, ok := w.Last(lifecycle.Container, c)
	if !ok || lifecycle.State.Or(f.Event, "") != lifecycle.Running {
		return 0, false
	}
	started, ok := lifecycle.Started.Get(f.Event)
	if !ok || started <= 0 {
		return 0, false
	}
	return w.To.Sub(time.Unix(started, 0)), true
}

func lower(s string) string { return strings.ToLower(s) }

func containsFold(s, sub string) bool { return strings.Contains(lower(s), sub) }
