package correlate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/symptoms"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

var (
	web   = facts.Pod{UID: "u1", Name: "web-1", Namespace: "shop", Workload: "web", ContainerID: "c1", Created: -600}
	api   = facts.Pod{UID: "u2", Name: "api-1", Namespace: "shop", Workload: "api", ContainerID: "c2", Created: -600}
	api2  = facts.Pod{UID: "u3", Name: "api-2", Namespace: "shop", Workload: "api", ContainerID: "c3", Created: -600}
	db    = facts.Pod{UID: "u4", Name: "db-0", Namespace: "shop", Workload: "db", ContainerID: "c4", Created: -600}
	alien = facts.Pod{UID: "u5", Name: "alien", Namespace: "other", Workload: "alien", ContainerID: "c5", Created: -600}
)

func svc(name string) event.Key { return event.ServiceKey("shop", name) }

func deploy(name string) event.Key { return event.WorkloadKey("Deployment", "shop", name) }

// shop is web, which calls api, which calls db; all of them well.
func shop() *facts.Set {
	s := &facts.Set{}
	for _, p := range []facts.Pod{web, api, api2, db, alien} {
		s.Pod(p, 0, facts.State{State: lifecycle.Running, Ready: true, Started: -500})
	}
	s.Service("shop", "api", api, api2)
	s.Service("shop", "db", db)
	s.Names(web, "shop", "api")
	s.Names(api, "shop", "db")
	return s
}

// fault is a hypothesis with one piece of evidence of the given log-odds.
func fault(cause finding.Cause, k event.Key, logOdds float64, state finding.State) finding.Hypothesis {
	w := finding.Weight(fmt.Sprint("test-", cause, k, logOdds))
	finding.Table[w] = finding.Entry{LogOdds: logOdds + 2, Reason: "of a test"}
	return finding.Hypothesis{
		Cause: cause, Entity: k, Since: facts.At(0), State: state, Headline: string(cause),
		For: []finding.Support{{Weight: w, Evidence: finding.Evidence{
			Observer: "test", Kind: "test.fact", Entity: k, At: facts.At(10), Claim: string(cause), Trust: finding.API,
		}}},
	}
}

// judged runs hypotheses through the engine as if rules had proposed them.
func judged(w *window.Window, wrong []finding.Symptom, hs ...finding.Hypothesis) ([]finding.Hypothesis, []finding.Symptom) {
	s := newScope(w)
	var in []finding.Hypothesis
	for _, h := range hs {
		if s.holds(h, wrong) {
			in = append(in, explicit(w, h))
		}
	}
	return roots(w, s, in, wrong)
}

func list(w *window.Window, hs []finding.Hypothesis) string {
	var out []string
	for _, h := range hs {
		out = append(out, string(h.Cause)+"@"+w.Graph.Label(h.Entity))
	}
	return strings.Join(out, " ")
}

func target(s *facts.Set, k event.Key, kind, name string, pods ...facts.Pod) *window.Window {
	t := window.Target{Key: k, Kind: kind, Namespace: "shop", Name: name}
	for _, p := range pods {
		t.Pods = append(t.Pods, p.Key())
	}
	return window.New(window.Input{Target: t, From: facts.At(-3600), Now: facts.At(60), Facts: s.List})
}

func namespace(s *facts.Set) *window.Window {
	return target(s, event.Key{Type: event.Namespace, ID: "shop"}, "Namespace", "shop")
}

func TestWhatConcernsTheTarget(t *testing.T) {
	quota := fault("admission/quota-pods", event.Key{Type: event.Namespace, ID: "shop"}, 4, finding.Failing)
	quota.Explains = func(s finding.Symptom) bool { return s.Sort == finding.Short && s.Entity == deploy("web") }
	befell := fault("node/kubelet-down", event.NodeKey("n9"), 4, finding.Failing)
	befell.Affected = []event.Key{web.Key()}
	short := shop()
	short.Workload("shop", "web", 2, 1, -600)
	tests := []struct {
		name   string
		w      *window.Window
		h      finding.Hypothesis
		inside bool
	}{
		{"a pod of the target", namespace(shop()), fault("a/b", web.App(), 4, finding.Failing), true},
		{"a workload without pods in the namespace", namespace(shop()), fault("a/b", deploy("gone"), 4, finding.Failing), true},
		{"a Service in the namespace", namespace(shop()), fault("a/b", svc("nobody"), 4, finding.Failing), true},
		{"a claim in the namespace", namespace(shop()), fault("a/b", event.Key{Type: event.Volume, ID: "shop/data"}, 4, finding.Failing), true},
		{"the namespace's quota", namespace(shop()), quota, true},
		{"another namespace", namespace(shop()), fault("a/b", alien.App(), 4, finding.Failing), false},
		{"the node of its pods", namespace(shop()), fault("a/b", event.NodeKey("n1"), 4, finding.Failing), true},
		{"another node", namespace(shop()), fault("a/b", event.NodeKey("n9"), 4, finding.Failing), false},
		{"another node that befell a pod of it", namespace(shop()), befell, true},
		{"a callee", target(shop(), web.Key(), "Pod", web.Name, web), fault("a/b", api.App(), 4, finding.Failing), true},
		{"a callee's callee", target(shop(), web.Key(), "Pod", web.Name, web), fault("a/b", deploy("db"), 4, finding.Failing), true},
		{"the Service it calls", target(shop(), web.Key(), "Pod", web.Name, web), fault("a/b", svc("api"), 4, finding.Failing), true},
		{"its caller", target(shop(), db.Key(), "Pod", db.Name, db), fault("a/b", api.App(), 4, finding.Failing), false},
		{"the Service before it", target(shop(), db.Key(), "Pod", db.Name, db), fault("a/b", svc("db"), 4, finding.Failing), true},
		{"a Service asked about", target(shop(), svc("api"), "Service", "api"), fault("a/b", api2.App(), 4, finding.Failing), true},
		{"a node asked about", target(shop(), event.NodeKey("n1"), "Node", "n1"), fault("a/b", event.NodeKey("n1"), 4, finding.Failing), true},
		{"a quota while no pod is missing", target(shop(), deploy("web"), "Deployment", "web"), quota, false},
		{"a quota while a pod is missing", target(short, deploy("web"), "Deployment", "web"), quota, true},
		{"everything, of the whole cluster", target(shop(), event.Key{}, "Cluster", ""), fault("a/b", alien.App(), 4, finding.Failing), true},
	}
	for _, tt := range tests {
		if got := newScope(tt.w).holds(tt.h, symptoms.Of(tt.w)); got != tt.inside {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestRootsAndEffects(t *testing.T) {
	ready := func(k event.Key) finding.Hypothesis { return fault("probe/readiness-failing", k, 5, finding.Failing) }
	tests := []struct {
		name string
		hs   []finding.Hypothesis
		want string
	}{
		{"the callee's fault is the root", []finding.Hypothesis{
			fault("exit/dependency-unavailable", web.App(), 6, finding.Failing), fault("config/object-missing", api.App(), 3, finding.Failing),
		}, "config/object-missing@api-1"},
		{"through a callee", []finding.Hypothesis{
			ready(web.App()), fault("storage/pvc-class", deploy("db"), 3, finding.Failing),
		}, "storage/pvc-class@db"},
		{"a caller's fault is no root", []finding.Hypothesis{
			ready(db.App()), fault("config/object-missing", api.App(), 3, finding.Failing),
		}, "probe/readiness-failing@db-0 config/object-missing@api-1"},
		{"two independent faults", []finding.Hypothesis{
			fault("image/not-found", web.App(), 5, finding.Failing), fault("config/object-missing", db.App(), 4, finding.Failing),
		}, "image/not-found@web-1 config/object-missing@db-0"},
		{"an unsupported root explains nothing away", []finding.Hypothesis{
			ready(web.App()), fault("config/object-missing", api.App(), -1, finding.Failing),
		}, "probe/readiness-failing@web-1"},
		{"what is over keeps nothing failing", []finding.Hypothesis{
			ready(web.App()), fault("memory/limit-oom", api.App(), 6, finding.Recovered),
		}, "probe/readiness-failing@web-1 memory/limit-oom@api-1"},
		{"the specific before the general of one workload", []finding.Hypothesis{
			fault("change/bad-rollout", deploy("api"), 6, finding.Failing), fault("image/not-found", api2.App(), 4, finding.Failing),
		}, "image/not-found@api-2"},
		{"no pod behind a Service", []finding.Hypothesis{
			fault("network/no-endpoints", svc("api"), 6, finding.Failing), fault("probe/readiness-port", api.App(), 4, finding.Failing),
		}, "probe/readiness-port@api-1"},
		{"a selector that matches nothing is nobody's effect", []finding.Hypothesis{
			fault("network/selector-mismatch", svc("api"), 6, finding.Failing), fault("probe/readiness-port", api.App(), 4, finding.Failing),
		}, "network/selector-mismatch@api probe/readiness-port@api-1"},
		{"the node went first", []finding.Hypothesis{
			fault("lifecycle/stuck-terminating", api.Key(), 5, finding.Failing), fault("node/kubelet-down", event.NodeKey("n1"), 4, finding.Failing),
		}, "node/kubelet-down@n1"},
		{"a pod that no well node takes, beside a node that is down", []finding.Hypothesis{
			fault("scheduling/nodes-unwell", api.Key(), 6, finding.Failing), fault("node/kubelet-down", event.NodeKey("n1"), 4, finding.Failing),
		}, "node/kubelet-down@n1"},
		{"a chain of effects ends at one root", []finding.Hypothesis{
			ready(web.App()), fault("exit/dependency-unavailable", api.App(), 5, finding.Failing), fault("image/not-found", db.App(), 4, finding.Failing),
		}, "image/not-found@db-0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := namespace(shop())
			for range 2 { // in either order
				hs, _ := judged(w, symptoms.Of(w), tt.hs...)
				if got := list(w, hs); got != tt.want {
					t.Errorf("roots %q, want %q", got, tt.want)
				}
				tt.hs[0], tt.hs[len(tt.hs)-1] = tt.hs[len(tt.hs)-1], tt.hs[0]
			}
		})
	}
}

// What a better hypothesis about the same container rules out is not listed
// beside it; about another it is.
func TestRuledOutByTheBetter(t *testing.T) {
	w := namespace(shop())
	small := fault("memory/limit-too-small", api.App(), 5, finding.Failing)
	small.RuledOut = []finding.Rival{{Cause: "memory/limit-oom", Why: "of a test"}}
	for logOdds, want := range map[float64]string{
		4: "memory/limit-too-small@api-1",
		6: "memory/limit-oom@api-1 memory/limit-too-small@api-1", // the stronger is not ruled out by the weaker
	} {
		hs, _ := judged(w, nil, small, fault("memory/limit-oom", api.App(), logOdds, finding.Failing))
		if got := list(w, hs); got != want {
			t.Errorf("%v: %q, want %q", logOdds, got, want)
		}
	}
	hs, _ := judged(w, nil, small, fault("memory/limit-oom", db.App(), 4, finding.Failing))
	if len(hs) != 2 {
		t.Errorf("of another container: %q", list(w, hs))
	}
}

// A root that lies elsewhere takes what it does to the workload into its story.
func TestRootElsewhere(t *testing.T) {
	s := shop()
	s.Workload("shop", "api", 3, 2, -600)
	s.ServiceWith("shop", "api", 0, api, api2)
	w := namespace(s)
	wrong := symptoms.Of(w)
	quota := fault("admission/quota-pods", event.Key{Type: event.Namespace, ID: "shop"}, 5, finding.Failing)
	quota.Explains = func(x finding.Symptom) bool { return x.Sort == finding.Short && x.Entity == deploy("api") }
	hs, open := judged(w, wrong, quota, fault("network/no-endpoints", svc("api"), 6, finding.Failing), fault("change/bad-rollout", deploy("api"), 6, finding.Failing))
	if got := list(w, hs); got != "admission/quota-pods@shop" || len(open) != 0 {
		t.Errorf("roots %q, open %v", got, open)
	}
	quota.Explains = func(finding.Symptom) bool { return false }
	hs, _ = judged(w, wrong, quota, fault("network/no-endpoints", svc("api"), 6, finding.Failing))
	if len(hs) != 2 {
		t.Errorf("a quota that keeps nobody out takes %q", list(w, hs))
	}
}

// A name without a Service is told with the quota that refused it, unless the
// name itself is wrong.
func TestServiceNeverMade(t *testing.T) {
	w := namespace(shop())
	quota := fault("admission/quota-services", event.Key{Type: event.Namespace, ID: "shop"}, 2, finding.Failing)
	wrong := fault("config/address-wrong", web.App(), 3, finding.Failing)
	hs, _ := judged(w, nil, quota, wrong)
	if got := list(w, hs); got != "admission/quota-services@shop" {
		t.Errorf("roots %q", got)
	}
	wrong.For = append(wrong.For, finding.Support{Evidence: wrong.For[0].Evidence, Weight: finding.RightIsNear})
	if hs, _ = judged(w, nil, quota, wrong); len(hs) != 2 {
		t.Errorf("a slip of the pen is told as %q", list(w, hs))
	}
}

// Two that call each other have one root, the better ranked, and it is told
// whom it hits.
func TestCircleOfCalls(t *testing.T) {
	s := shop()
	s.Service("shop", "web", web)
	s.Names(api, "shop", "web")
	w := namespace(s)
	hs, _ := judged(w, nil, fault("exit/dependency-unavailable", web.App(), 4, finding.Failing), fault("exit/dependency-unavailable", api.App(), 5, finding.Failing))
	if got := list(w, hs); got != "exit/dependency-unavailable@api-1" {
		t.Fatalf("roots %q", got)
	}
	if a := hs[0].Affected; len(a) != 1 || a[0] != web.App() {
		t.Errorf("affected %v", a)
	}
	if c := hs[0].Chain; len(c) != 1 || c[0].To != web.App() || len(c[0].Evidence) == 0 {
		t.Errorf("chain %+v", c)
	}
}

func TestRank(t *testing.T) {
	failing := func(s *facts.Set) { // api is not ready
		s.Pod(api, 20, facts.State{State: lifecycle.Running, Started: -500})
	}
	tests := []struct {
		name string
		set  func(*facts.Set)
		hs   []finding.Hypothesis
		want string
	}{
		{"what fails now before what is over", failing, []finding.Hypothesis{
			fault("memory/limit-oom", db.App(), 6.5, finding.Recovered), fault("probe/readiness-port", api.App(), 2, finding.Failing),
		}, "probe/readiness-port@api-1 memory/limit-oom@db-0"},
		{"the better supported", nil, []finding.Hypothesis{
			fault("a/weak", db.App(), 2, finding.Failing), fault("a/strong", web.App(), 4, finding.Failing),
		}, "a/strong@web-1 a/weak@db-0"},
		{"who explains what is wrong, among equals", failing, []finding.Hypothesis{
			fault("a/a", db.App(), 4, finding.Failing), fault("a/b", api.App(), 4, finding.Failing),
		}, "a/b@api-1 a/a@db-0"},
		{"ties by cause and name", nil, []finding.Hypothesis{
			fault("a/b", db.App(), 4, finding.Failing), fault("a/a", web.App(), 4, finding.Failing), fault("a/a", api.App(), 4, finding.Failing),
		}, "a/a@api-1 a/a@web-1 a/b@db-0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := shop()
			if tt.set != nil {
				tt.set(s)
			}
			w := namespace(s)
			for range 2 {
				hs, _ := judged(w, symptoms.Of(w), tt.hs...)
				if got := list(w, hs); got != tt.want {
					t.Errorf("order %q, want %q", got, tt.want)
				}
				tt.hs[0], tt.hs[len(tt.hs)-1] = tt.hs[len(tt.hs)-1], tt.hs[0]
			}
		})
	}
}

// Causes of one thing share the odds; causes of different things do not.
func TestRivals(t *testing.T) {
	s := shop()
	s.Pod(api, 20, facts.State{State: lifecycle.Running, Started: -500})
	s.Pod(db, 20, facts.State{State: lifecycle.Running, Started: -500})
	w := namespace(s)
	wrong := symptoms.Of(w)
	a, b, c := fault("a/a", api.App(), 4, finding.Failing), fault("a/b", api.App(), 4, finding.Failing), fault("a/c", db.App(), 4, finding.Failing)
	hs, _ := judged(w, wrong, a, c)
	for _, h := range hs {
		if h.Confidence(1) < 0.9 {
			t.Errorf("%s: %v although nobody rivals it", h.Cause, h.Confidence(1))
		}
	}
	hs, _ = judged(w, wrong, a, b, c)
	for _, h := range hs {
		if got := h.Confidence(1); h.Cause != "a/c" && (got > 0.51 || got < 0.48) || h.Cause == "a/c" && got < 0.9 {
			t.Errorf("%s: confidence %v", h.Cause, got)
		}
	}
	if got := list(w, hs); got != "a/c@db-0 a/a@api-1 a/b@api-1" {
		t.Errorf("order %s", got)
	}
	hs, open := judged(w, wrong, a, b)
	in := decide(w, wrong, hs, open)
	if in.Verdict != "inconclusive" || !strings.HasPrefix(in.Headline, "Two causes fit") {
		t.Errorf("a tie is told as %s: %s", in.Verdict, in.Headline)
	}
}

// Old evidence of what is over says little; of what goes on it is as good as new.
func TestStale(t *testing.T) {
	w := namespace(shop())
	old := func(state finding.State) finding.Hypothesis {
		h := fault("a/old", api.App(), 4, state)
		h.For[0].Evidence.At = facts.At(-90000)
		return h
	}
	for state, low := range map[finding.State]bool{finding.Recovered: true, finding.StateUnknown: true, finding.Failing: false, finding.Intermittent: false} {
		hs, _ := judged(w, nil, old(state))
		if got := hs[0].Confidence(1) < 0.9; got != low {
			t.Errorf("%s: confidence %v", state, hs[0].Confidence(1))
		}
	}
	weak := old(finding.Recovered)
	weak.For[0].Weight = fault("a/weak", api.App(), 2, finding.Recovered).For[0].Weight
	if hs, _ := judged(w, nil, weak); len(hs) != 0 {
		t.Errorf("over and unlikely, and still listed: %s", list(w, hs))
	}
}

// A crash while the pod started, with minutes of good health since, is history:
// no symptom, and a cause of it counts for little.
func TestTroubleOfTheStart(t *testing.T) {
	young := api
	young.Created = -400
	for name, tt := range map[string]struct {
		ended, started float64
		wrong          bool
	}{
		"at the start, well since":    {-380, -378, false},
		"at the start, just now well": {-380, -30, true},
		"later":                       {-100, -98, true},
	} {
		s := &facts.Set{}
		s.Pod(young, 0, facts.State{State: lifecycle.Running, Ready: true, Started: tt.started, Restarts: 1})
		s.Ended(young, tt.ended-5, tt.ended, "Error", 1, "")
		w := target(s, young.Key(), "Pod", young.Name, young)
		if got := symptoms.Of(w); (len(got) > 0) != tt.wrong {
			t.Errorf("%s: symptoms %v", name, got)
		}
		h := fault("exit/dependency-unavailable", young.App(), 3.5, finding.Recovered)
		h.For[0].Evidence.At = facts.At(tt.ended)
		hs, _ := judged(w, nil, h)
		if sure := len(hs) > 0 && supported(w, hs[0]) && hs[0].Confidence(1) > 0.9; sure != tt.wrong {
			t.Errorf("%s: %s", name, list(w, hs))
		}
	}
}

// What callers complain of, and their own trouble beside it, is told in the
// root's chain.
func TestCallersTrouble(t *testing.T) {
	s := shop()
	s.Complains(web, 50, 55, 9, logs.Refused, "shop", "api")
	s.Pod(web, 20, facts.State{State: lifecycle.Running, Started: -500})
	w := namespace(s)
	wrong := symptoms.Of(w)
	root := fault("network/target-port", svc("api"), 4, finding.Failing)
	hs, open := judged(w, wrong, root)
	if len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	var got []string
	for _, l := range hs[0].Chain {
		got = append(got, string(l.Trust)+" "+l.Sentence)
	}
	if want := "api 9 calls to api:8080 refused in 5s; inferred container app is running, not ready"; strings.Join(got, "; ") != want {
		t.Errorf("chain %q, want %q", strings.Join(got, "; "), want)
	}
	// a complaint about another peer stays open
	hs, open = judged(w, wrong, fault("network/target-port", svc("db"), 4, finding.Failing))
	if len(open) != 0 || len(hs[0].Chain) == 0 {
		t.Errorf("through the callee: open %v", open)
	}
	_, open = judged(w, wrong, fault("network/target-port", svc("nobody"), 4, finding.Failing))
	if len(open) != 2 {
		t.Errorf("open %v: nobody's fault explains it", open)
	}
	_, open = judged(w, wrong, fault("network/target-port", svc("api"), -1, finding.Failing))
	if len(open) != 2 {
		t.Errorf("open %v: an unsupported cause explains nothing", open)
	}
}

// A Service without ready pods is no root while its pods fail for a reason that
// nobody knows.
func TestSymptomaticService(t *testing.T) {
	s := shop()
	s.Pod(api, 20, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 4})
	w := namespace(s)
	wrong := symptoms.Of(w)
	hs, _ := judged(w, wrong, fault("network/no-endpoints", svc("api"), 3, finding.Failing))
	if got := hs[0].Confidence(1); got > 0.3 || len(hs[0].Against) != 1 {
		t.Errorf("confidence %v, against %v", got, hs[0].Against)
	}
	hs, _ = judged(w, wrong, fault("network/selector-mismatch", svc("api"), 3, finding.Failing))
	if got := hs[0].Confidence(1); got < 0.9 {
		t.Errorf("a mistake in the Service itself: confidence %v", got)
	}
}

func TestTwinsAreOne(t *testing.T) {
	w := namespace(shop())
	hs, _ := judged(w, nil, fault("image/not-found", api.App(), 4, finding.Failing), fault("image/not-found", api2.App(), 5, finding.Failing))
	if list(w, hs) != "image/not-found@api-2" {
		t.Fatalf("%s", list(w, hs))
	}
	in := decide(w, nil, hs, nil)
	if !strings.HasSuffix(in.Headline, "; likewise in 1 other pod") {
		t.Errorf("headline %q", in.Headline)
	}
}
