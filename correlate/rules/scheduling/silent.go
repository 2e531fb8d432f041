package scheduling

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
	"github.com/yairfalse/tapio/observers/scheduling"
)

// evalGated proposes Gated for pods whose gates are still closed.
func evalGated(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	for _, x := range waitings(w) {
		gates := x.text(scheduling.Gates)
		if gates == "" {
			continue
		}
		e := claims.SchedulerWords(x.fact)
		e.Claim, e.Origin = "scheduling gates still closed: "+gates, ""
		h := finding.Hypothesis{
			Cause: Gated, Entity: x.pod, Since: since(x), State: finding.Failing,
			Headline: fmt.Sprintf("%s is not scheduled by order: nobody has opened its scheduling gate %s", w.Graph.Label(x.pod), gates),
			Now:      "gated for " + words.Span(w.To.Sub(since(x)).Truncate(time.Second)),
			For:      []finding.Support{{Evidence: e, Weight: finding.StandsInSpec}},
			RuledOut: []finding.Rival{{Cause: SchedulerDown, Why: "the scheduler leaves gated pods alone", Evidence: []finding.Evidence{e}}},
			Explains: explains(w, x.pod),
		}
		h.Chain = []finding.Link{{From: x.pod, To: x.pod, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
		n := w.Graph.Name(x.pod)
		h.Advice = []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.spec.schedulingGates}'", n.Namespace, n.Name), Expect: "the gate's name tells which controller should open it",
		}}
		out = append(out, h)
	}
	return out
}

// silence is how long a pod must have waited before it means something that the
// scheduler has not said a word: it looks at a new pod within a second.
const silence = 30 * time.Second

// leaseAge is from when on a lease that is not renewed shows that nobody leads:
// twice the default duration.
const leaseAge = 30 * time.Second

// evalSchedulerDown proposes SchedulerDown for the pods of which nobody has
// said a word although a node would take them. They share one hypothesis: the
// scheduler is one. A pod that names a scheduler of its own has its own.
func evalSchedulerDown(w *window.Window) []finding.Hypothesis {
	byName := map[string][]waiting{}
	var names []string
	for _, x := range waitings(w) {
		if scheduling.Asked.Or(x.fact.Event, false) || x.text(scheduling.Gates) != "" || w.To.Sub(since(x)) < silence {
			continue
		}
		name := x.text(scheduling.Names)
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], x)
	}
	var out []finding.Hypothesis
	for _, name := range names {
		out = append(out, schedulerDown(w, name, byName[name]))
	}
	return out
}

func schedulerDown(w *window.Window, name string, xs []waiting) finding.Hypothesis {
	first := xs[0]
	for _, x := range xs {
		if since(x).Before(since(first)) {
			first = x
		}
	}
	h := finding.Hypothesis{Cause: SchedulerDown, Entity: first.pod, Since: since(first), State: finding.Failing}
	h.Now = fmt.Sprintf("%s unscheduled for %s", words.Count(len(xs), "pod"), words.Span(w.To.Sub(since(first)).Truncate(time.Second)))
	said := claims.SchedulerWords(first.fact)
	h.For = []finding.Support{{Evidence: said, Weight: finding.NobodyAnswers}}
	taking := ""
	if n := scheduling.Feasible.Or(first.fact.Event, 0); n > 0 {
		e := said
		e.Claim, e.Origin = words.Count(n, "node")+" would take it", ""
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.NodeWouldTake})
		taking = ", although " + e.Claim
		for _, k := range kinds {
			if k.common {
				h.RuledOut = append(h.RuledOut, finding.Rival{Cause: k.cause, Why: e.Claim, Evidence: []finding.Evidence{e}})
			}
		}
	} else {
		h.Absent = append(h.Absent, finding.Absent{What: "whether a node would take it", Why: noTaker(first)})
	}
	label := w.Graph.Label(first.pod)
	if name != "" {
		h.Headline = fmt.Sprintf("%s waits for the scheduler %q, which has said nothing of it in %s%s", label, name, words.Span(w.To.Sub(since(first)).Truncate(time.Second)), taking)
		h.Advice = []finding.Advice{{Command: "kubectl get pods -A | grep " + name, Expect: "whether a scheduler of that name runs; the default one is default-scheduler"}}
	} else {
		h.Headline = fmt.Sprintf("Nobody schedules: %s waits for %s without a word of the scheduler%s", label, words.Span(w.To.Sub(since(first)).Truncate(time.Second)), taking)
		h.Advice = []finding.Advice{{Command: "kubectl -n kube-system get pods,leases -o wide", Expect: "whether kube-scheduler runs and renews its lease"}}
		lookAtScheduler(w, &h)
	}
	h.Chain = append(h.Chain, finding.Link{From: h.Entity, To: first.pod, Mechanism: finding.Blocks, At: said.At, Trust: finding.API, Sentence: said.Claim, Evidence: []finding.Evidence{said}})
	mine := make([]func(finding.Symptom) bool, len(xs))
	for i, x := range xs {
		mine[i] = explains(w, x.pod)
		if x.pod != h.Entity {
			h.Affected = append(h.Affected, x.pod)
		}
	}
	h.Explains = func(s finding.Symptom) bool {
		for _, f := range mine {
			if f(s) {
				return true
			}
		}
		return false
	}
	return h
}

// noTaker says why no node is known to take the pod.
func noTaker(x waiting) string {
	if u := x.text(scheduling.Unknown); u != "" {
		return u + " are unknown"
	}
	return "none is known that would"
}

// lookAtScheduler weighs what is known of the scheduler itself, and gives the
// hypothesis its place: the node it runs or ran on.
func lookAtScheduler(w *window.Window, h *finding.Hypothesis) {
	all := w.Of(scheduling.Scheduler)
	if len(all) == 0 {
		return
	}
	f := all[len(all)-1]
	e := claims.Scheduler(f)
	if f.Subject().Type == event.Node {
		h.Entity = f.Subject()
	}
	if s, ok := scheduling.Renewed.Get(f.Event); ok {
		if age := f.At.Sub(time.Unix(s, 0)); age > leaseAge {
			l := e
			l.Claim = "its lease was last renewed " + words.Span(age.Truncate(time.Second)) + " before"
			h.For = append(h.For, finding.Support{Evidence: l, Weight: finding.LeaseStill})
			h.Chain = append(h.Chain, finding.Link{From: h.Entity, To: h.Entity, Mechanism: finding.Fails, At: time.Unix(s, 0).UTC(), Trust: finding.API, Sentence: l.Claim, Evidence: []finding.Evidence{l}})
		}
	}
	switch scheduling.State.Or(f.Event, "") {
	case scheduling.Failing:
		h.For = append(h.For, finding.Support{Evidence: e, Weight: finding.SchedulerFails})
		h.Chain = append(h.Chain, finding.Link{From: h.Entity, To: h.Entity, Mechanism: finding.Fails, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}})
		name := scheduling.PodName.Or(f.Event, "")
		h.Advice = append([]finding.Advice{{Command: "kubectl -n kube-system logs " + name + " --previous", Expect: "why it does not run"}}, h.Advice...)
	case scheduling.Running:
		h.Against = append(h.Against, finding.Support{Evidence: e, Weight: finding.SchedulerLives})
	default:
		h.Absent = append(h.Absent, finding.Absent{What: "the scheduler itself", Why: e.Claim + "; it may run outside the cluster's pods"})
	}
}

// evalDisplaced proposes Displaced once for each workload of which a pod had to
// leave, as long as that is still felt: the workload is short of a pod, or the
// pod itself is on its way out.
func evalDisplaced(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	seen := map[event.Key]bool{}
	all := w.Of(scheduling.Displaced)
	for i := range all {
		f := all[len(all)-1-i] // the newest of a workload leads
		if f.At.Before(w.From) {
			continue
		}
		at := f.Subject()
		if wl, ok := f.Ref(event.Owner); ok {
			at = wl
		}
		if seen[at] || !felt(w, f, at) {
			continue
		}
		seen[at] = true
		out = append(out, displaced(w, f, at))
	}
	return out
}

// felt tells whether the loss of the pod still shows.
func felt(w *window.Window, f window.Fact, at event.Key) bool {
	if at.Type == event.Workload {
		wl := w.Graph.Workload(at)
		return wl.Known && wl.Available < wl.Desired
	}
	p, ok := w.Last(lifecycle.Pod, f.Subject())
	if !ok {
		return false
	}
	_, leaving := lifecycle.Deleted.Get(p.Event)
	return leaving || lifecycle.Gone.Or(p.Event, false) || lifecycle.Phase.Or(p.Event, "") == "Failed"
}

func displaced(w *window.Window, f window.Fact, at event.Key) finding.Hypothesis {
	e := claims.Displaced(f)
	h := finding.Hypothesis{
		Cause: Displaced, Entity: at, Since: f.At, State: finding.Failing, Headline: upper(e.Claim),
		Now: "its place is not filled again", For: []finding.Support{{Evidence: e, Weight: finding.ToldDisplaced}},
	}
	room := scheduling.For.Or(f.Event, "")
	from := at
	if c, ok := f.Ref(event.Culprit); ok {
		from = c
	} else if n, ok := hostOf(f); ok {
		from = n
	}
	h.Chain = []finding.Link{{From: from, To: f.Subject(), Mechanism: finding.Kills, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}}
	pods := []event.Key{f.Subject()}
	if at.Type == event.Workload {
		pods = append(pods, w.Graph.Pods(at)...)
	}
	for _, x := range waitings(w) {
		for _, p := range pods {
			if x.pod != p {
				continue
			}
			said := claims.SchedulerWords(x.fact)
			if scheduling.By.Or(f.Event, "") == scheduling.Preemption {
				h.For = append(h.For, finding.Support{Evidence: said, Weight: finding.SuccessorWaits})
			}
			h.Headline += fmt.Sprintf("; its successor %s finds no node", w.Graph.Label(p))
			h.Chain = append(h.Chain, finding.Link{From: f.Subject(), To: p, Mechanism: finding.Blocks, At: said.At, Trust: finding.API, Sentence: said.Claim, Evidence: []finding.Evidence{said}})
		}
	}
	mine := map[event.Key]bool{at: true}
	for _, p := range pods {
		mine[p] = true
	}
	h.Explains = func(s finding.Symptom) bool {
		if s.Sort == finding.EndedBadly && s.Entity.Type == event.Container {
			p, ok := w.Graph.PodOf(s.Entity)
			return ok && p == f.Subject()
		}
		p, ok := w.Graph.PodOf(s.Entity)
		return mine[s.Entity] || ok && mine[p]
	}
	h.RuledOut = []finding.Rival{{Cause: "memory/evicted", Why: "it was not the kubelet that removed the pod", Evidence: []finding.Evidence{e}}}
	if scheduling.By.Or(f.Event, "") == scheduling.Shutdown {
		h.RuledOut = nil
	}
	h.Advice = displacedAdvice(w, f, at, room)
	return h
}

func displacedAdvice(w *window.Window, f window.Fact, at event.Key, room string) []finding.Advice {
	n := w.Graph.Name(at)
	if ns, name, ok := strings.Cut(room, "/"); ok {
		return []finding.Advice{{
			Command: fmt.Sprintf("kubectl -n %s get pod %s -o jsonpath='{.spec.priorityClassName}'", ns, name), Expect: "which priority displaces this workload; give it one as high, or the cluster more room",
		}}
	}
	if host, ok := hostOf(f); ok {
		return []finding.Advice{{Command: "kubectl describe node " + host.ID, Expect: "whether it is cordoned, tainted or shut down"}}
	}
	return []finding.Advice{{Command: fmt.Sprintf("kubectl -n %s get events --sort-by=.lastTimestamp", n.Namespace), Expect: "who removed the pod"}}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// evalBudgetBlocks proposes BudgetBlocks once for each budget.
func evalBudgetBlocks(w *window.Window) []finding.Hypothesis {
	var out []finding.Hypothesis
	at := map[string]int{}
	for _, f := range w.Of(scheduling.Guard) {
		pod := f.Subject()
		n := w.Graph.Name(pod)
		node, _ := hostOf(f)
		budget := scheduling.BudgetName.Or(f.Event, "")
		id := n.Namespace + "/" + budget
		e := claims.Guard(f)
		if i, ok := at[id]; ok {
			out[i].Affected = append(out[i].Affected, pod)
			continue
		}
		at[id] = len(out)
		h := finding.Hypothesis{
			Cause: BudgetBlocks, Entity: pod, Since: f.At, State: finding.Failing,
			Headline: fmt.Sprintf("Draining %s waits for %s: %s", node.ID, n.Name, e.Claim),
			Now:      node.ID + " is cordoned and keeps the pod",
			For:      []finding.Support{{Evidence: e, Weight: finding.BudgetHolds}},
			Explains: func(finding.Symptom) bool { return false },
			Chain:    []finding.Link{{From: pod, To: node, Mechanism: finding.Blocks, At: e.At, Trust: finding.API, Sentence: e.Claim, Evidence: []finding.Evidence{e}}},
			Affected: []event.Key{node},
		}
		wanted := scheduling.Wanted.Or(f.Event, 0)
		if wl, ok := w.Graph.WorkloadOf(pod); ok && wanted >= scheduling.Expected.Or(f.Event, 0) {
			owner := w.Graph.Name(wl)
			h.Advice = append(h.Advice, finding.Advice{
				Command: fmt.Sprintf("kubectl -n %s scale %s/%s --replicas=%d", owner.Namespace, strings.ToLower(owner.Kind), owner.Name, wanted+1), ChangesCluster: true,
				Expect: "one pod to spare, so that one may leave", Undo: fmt.Sprintf("--replicas=%d", scheduling.Expected.Or(f.Event, 0)),
			})
		}
		h.Advice = append(h.Advice, finding.Advice{Command: fmt.Sprintf("kubectl -n %s get pdb %s -o yaml", n.Namespace, budget), Expect: "minAvailable or maxUnavailable, to be lowered or raised"})
		out = append(out, h)
	}
	return out
}
