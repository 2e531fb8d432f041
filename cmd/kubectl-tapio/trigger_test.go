package main

import (
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/probe/tape"
	"github.com/yairfalse/tapio/probe/wire"
)

func TestTrigger(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	ended := func(pod, reason string, at time.Time) event.Event {
		e := event.Event{Kind: lifecycle.Ended, At: at, Refs: []event.Ref{{Role: event.Subject, Key: event.ContainerKey(pod, "app")}}}
		lifecycle.Reason.Set(&e, reason)
		return e
	}
	ready := func(pod string, is bool) event.Event {
		e := event.Event{Kind: lifecycle.Pod, At: noon, Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(pod)}}}
		lifecycle.Ready.Set(&e, is)
		return e
	}
	second := noon.Truncate(time.Second)
	for name, tt := range map[string]struct {
		until string
		facts []event.Event
		want  bool
	}{
		"kill in the first second": {untilOOM, []event.Event{ended("mine", "OOMKilled", second)}, true},
		"kill before":              {untilOOM, []event.Event{ended("mine", "OOMKilled", second.Add(-time.Second))}, false},
		"kill of another":          {untilOOM, []event.Event{ended("other", "OOMKilled", noon)}, false},
		"other end":                {untilOOM, []event.Event{ended("mine", "Error", noon)}, false},
		"restart":                  {untilRestart, []event.Event{ended("mine", "Error", noon)}, true},
		"old restart":              {untilRestart, []event.Event{ended("mine", "Error", noon.Add(-time.Hour))}, false},
		"unready":                  {untilUnready, []event.Event{ready("mine", true), ready("mine", false)}, true},
		"was never ready":          {untilUnready, []event.Event{ready("mine", false), ready("mine", false)}, false},
		"another unready":          {untilUnready, []event.Event{ready("other", true), ready("other", false)}, false},
		"unready is no restart":    {untilRestart, []event.Event{ready("mine", true), ready("mine", false)}, false},
	} {
		tr, err := newTrigger(tt.until)
		if err != nil {
			t.Fatal(err)
		}
		tr.began = noon
		in := newInput(window.Target{Key: event.PodKey("mine"), Kind: "Pod", Pods: []event.Key{event.PodKey("mine")}}, noon.Add(-time.Hour))
		in.trigger = tr
		for _, e := range tt.facts {
			in.line(tape.Line{At: noon, Source: wire.Source{Name: "api", Side: "cluster"}, Frame: &wire.Frame{Event: &e}})
		}
		if what, got := tr.fired(in, noon.Add(time.Second)); got != tt.want {
			t.Errorf("%s: fired %t (%s), want %t", name, got, what, tt.want)
		}
	}
	fresh := &trigger{began: noon}
	for name, tt := range map[string]struct {
		since, end time.Time // of the hypothesis, of an end among its evidence
		want       bool
	}{
		"began after":              {noon.Add(time.Minute), noon.Add(-time.Hour), true},
		"began in the same second": {second, noon.Add(-time.Hour), true},
		"began before":             {noon.Add(-time.Minute), noon.Add(-time.Hour), false},
		"happened again":           {noon.Add(-time.Minute), noon.Add(time.Hour), true},
	} {
		s := &story.Story{Evidence: []story.Evidence{{ID: "E1", Kind: string(lifecycle.Ended), Time: tt.end}}}
		if got := fresh.after(s, story.Hypothesis{Since: tt.since, Evidence: []string{"E1"}}); got != tt.want {
			t.Errorf("%s: after is %t", name, got)
		}
	}
	if _, err := newTrigger("memory/limit-oom"); err != nil {
		t.Error(err)
	}
	if _, err := newTrigger("bad weather"); err == nil {
		t.Error("an unknown --until is taken")
	}
}
