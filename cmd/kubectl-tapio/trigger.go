package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/tape"
)

// Events that end an armed recording, beside the codes of causes.
const (
	untilOOM     = "oom"
	untilRestart = "restart"
	untilUnready = "unready"
)

// judgeEvery is how often an armed recording weighs whether its cause holds.
const judgeEvery = 5 * time.Second

// causes are the codes of every cause the engine can name.
func causes() []string {
	var out []string
	for _, r := range correlate.Rules() {
		out = append(out, string(r.Cause))
	}
	return out
}

// trigger watches for what ends an armed recording. Only what happens after
// began counts.
type trigger struct {
	until string
	began time.Time

	mu      sync.Mutex
	ready   map[event.Key]bool
	hits    []event.Key // pods it happened to, not all of the target
	judged  time.Time
	isCause bool
}

// newTrigger reads --until; "" is no trigger.
func newTrigger(until string) (*trigger, error) {
	t := &trigger{until: until, ready: map[event.Key]bool{}}
	switch until {
	case "":
		return nil, nil
	case untilOOM, untilRestart, untilUnready:
		return t, nil
	}
	known := causes()
	if !slices.Contains(known, until) {
		return nil, fmt.Errorf("--until knows oom, restart, unready and %s, not %q", strings.Join(known, ", "), until)
	}
	t.isCause = true
	return t, nil
}

// String is the part of a sentence that says until when; "" for no trigger.
func (t *trigger) String() string {
	if t == nil {
		return ""
	}
	return " or until " + t.until
}

// see takes a line that arrived; ahead is how far its source's clock is.
func (t *trigger) see(l tape.Line, ahead time.Duration) {
	if l.Frame == nil || l.Frame.Event == nil {
		return
	}
	e := *l.Frame.Event
	uid, ok := e.Subject().PodUID()
	if !ok {
		return
	}
	pod := event.PodKey(uid)
	// Times of the API are whole seconds.
	fresh := !e.At.Add(-ahead).Before(t.began.Truncate(time.Second))
	hit := false
	switch {
	case t.until == untilOOM && e.Kind == memory.OOMKill:
		hit = fresh
	case t.until == untilOOM && e.Kind == lifecycle.Ended:
		hit = fresh && lifecycle.Reason.Or(e, "") == "OOMKilled"
	case t.until == untilRestart && e.Kind == lifecycle.Ended:
		hit = fresh
	case t.until == untilUnready && e.Kind == lifecycle.Pod:
		now, told := lifecycle.Ready.Get(e)
		t.mu.Lock()
		hit = told && !now && t.ready[pod]
		t.ready[pod] = now
		t.mu.Unlock()
	}
	if hit {
		t.mu.Lock()
		if !slices.Contains(t.hits, pod) && len(t.hits) < 1024 {
			t.hits = append(t.hits, pod)
		}
		t.mu.Unlock()
	}
}

// fired tells whether it happened to the target, and what in a sentence. A nil
// trigger never fires.
func (t *trigger) fired(in *input, now time.Time) (string, bool) {
	if t == nil {
		return "", false
	}
	if t.isCause {
		return t.judge(in, now)
	}
	t.mu.Lock()
	hits := t.hits
	t.hits = nil
	t.mu.Unlock()
	if len(hits) == 0 {
		return "", false
	}
	w := in.window(now)
	for _, pod := range hits {
		if len(w.Target.Pods) == 0 || slices.Contains(w.Target.Pods, pod) {
			what := map[string]string{untilOOM: "had an OOM kill", untilRestart: "had a container that ended", untilUnready: "is no longer ready"}[t.until]
			return w.Graph.Label(pod) + " " + what, true
		}
	}
	return "", false
}

// judge tells whether the story names the cause, for something that went on
// after the recording began.
func (t *trigger) judge(in *input, now time.Time) (string, bool) {
	if now.Sub(t.judged) < judgeEvery {
		return "", false
	}
	t.judged = now
	s := in.story(now)
	for _, h := range s.Hypotheses {
		if h.Cause == t.until && h.Confidence >= finding.Supported && t.after(s, h) {
			return h.Headline, true
		}
	}
	return "", false
}

// after tells whether what the hypothesis says began, or happened again, after
// the recording did.
func (t *trigger) after(s *story.Story, h story.Hypothesis) bool {
	if !h.Since.Before(t.began.Truncate(time.Second)) {
		return true
	}
	return slices.ContainsFunc(s.Evidence, func(e story.Evidence) bool {
		ended := e.Kind == string(lifecycle.Ended) || e.Kind == string(memory.OOMKill)
		return ended && slices.Contains(h.Evidence, e.ID) && !e.Time.Before(t.began.Truncate(time.Second))
	})
}
