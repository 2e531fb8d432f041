package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yairfalse/tapio/correlate/claims"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/observers/changes"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// maxChanges bounds the changes of a story: the newest count.
const maxChanges = 12

// changed lists what changed within the window about the target's workloads and
// those of the hypotheses, newest first: rollouts, scaling, edits of what they
// use, and what was made anew.
func changed(w *window.Window, hs []finding.Hypothesis) []story.Change {
	owners := concerned(w, hs)
	out := []story.Change{}
	told := map[event.Key]bool{}
	add := func(about event.Key, at time.Time, what, by string) {
		if at.Before(w.From) || at.After(w.To) {
			return
		}
		n := w.Graph.Name(about)
		out = append(out, story.Change{Time: at, Entity: story.Entity{Kind: n.Kind, Namespace: n.Namespace, Name: n.Name}, What: what, By: by})
		told[about] = true
	}
	for k := range owners {
		if f, ok := w.Last(changes.Rollout, k); ok && !changes.Over.Or(f.Event, false) {
			add(k, f.At, claims.Rollout(f).Claim, changes.By.Or(f.Event, ""))
		}
		if f, ok := w.Last(changes.Scaled, k); ok && !changes.Over.Or(f.Event, false) && !changes.AtBirth.Or(f.Event, false) {
			what := "scaled to 0 pods"
			if had := changes.Had.Or(f.Event, 0); had > 0 {
				what = fmt.Sprintf("scaled from %d to 0 pods", had)
			}
			add(k, f.At, what, changes.By.Or(f.Event, ""))
		}
	}
	edited(w, owners, add)
	for k := range owners {
		if c, ok := remade(w, k); ok && !told[k] {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b story.Change) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Entity.Name+a.What, b.Entity.Name+b.What)
	})
	return out[:min(len(out), maxChanges)]
}

// edited adds the edits of configuration that the workloads use, and of policy
// in their namespaces.
func edited(w *window.Window, owners map[event.Key]bool, add func(event.Key, time.Time, string, string)) {
	spaces := map[string]bool{}
	for k := range owners {
		spaces[w.Graph.Name(k).Namespace] = true
	}
	last := map[event.Key]window.Fact{}
	for _, f := range w.Of(changes.Edited) {
		last[f.Subject()] = f
	}
	for k, f := range last {
		kind := changes.Kind.Or(f.Event, "")
		used := slices.ContainsFunc(f.Refs[1:], func(r event.Ref) bool { return owners[r.Key] })
		policy := kind != "ConfigMap" && kind != "Secret" && spaces[w.Graph.Name(k).Namespace]
		if changes.Over.Or(f.Event, false) || !used && !policy {
			continue
		}
		what := changes.What.Or(f.Event, changes.Edit)
		if keys := changes.Keys.Or(f.Event, ""); keys != "" {
			what += ": " + keys
		}
		add(k, f.At, what, changes.By.Or(f.Event, ""))
	}
}

// concerned are the workloads whose changes a story tells, and pods without one:
// those of the target and of the hypotheses.
func concerned(w *window.Window, hs []finding.Hypothesis) map[event.Key]bool {
	out := map[event.Key]bool{}
	pods := slices.Clone(w.Target.Pods)
	for _, h := range hs {
		for _, k := range append([]event.Key{h.Entity}, h.Affected...) {
			if k.Type == event.Workload {
				out[k] = true
			}
		}
		if p, ok := w.Graph.PodOf(h.Entity); ok {
			pods = append(pods, p)
		}
	}
	for _, k := range symptoms.Workloads(w) {
		out[k] = true
	}
	for _, p := range pods {
		owner, ok := w.Graph.WorkloadOf(p)
		if !ok {
			owner = p
		}
		out[owner] = true
	}
	return out
}

// remade tells when the owner, or else its newest pod, was made.
func remade(w *window.Window, owner event.Key) (story.Change, bool) {
	n := w.Graph.Name(owner)
	c := story.Change{Entity: story.Entity{Kind: n.Kind, Namespace: n.Namespace, Name: n.Name}}
	if made, ok := createdAt(w, lifecycle.Workload, owner); ok && !made.Before(w.From) {
		c.Time, c.What = made, strings.ToLower(n.Kind)+" created"
		return c, true
	}
	newest, count, all := time.Time{}, 0, w.Graph.Pods(owner)
	for _, p := range all {
		made, ok := createdAt(w, lifecycle.Pod, p)
		if !ok || made.Before(w.From) {
			continue
		}
		count++
		if made.After(newest) {
			newest = made
		}
	}
	if count == 0 {
		return c, false
	}
	c.Time = newest
	switch {
	case owner.Type == event.Pod:
		c.What = "pod created"
	default:
		c.What = fmt.Sprintf("%d of %s created anew", count, words.Count(len(all), "pod"))
		if rev := w.Graph.Workload(owner).Revision; rev != "" {
			c.What += ", revision " + rev
		}
	}
	return c, true
}

func createdAt(w *window.Window, kind event.Kind, k event.Key) (time.Time, bool) {
	f, ok := w.Last(kind, k)
	if !ok {
		return time.Time{}, false
	}
	s, ok := lifecycle.Created.Get(f.Event)
	return time.Unix(s, 0).UTC(), ok && s > 0
}
