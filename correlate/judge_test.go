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
		}, "probe/readiness-failing@web-1 config/object-missing@api-1"},
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
	hs, open := judged(w, wrong, a, b, c)
	for _, h := range hs {
		if got := h.Confidence(1); h.Cause != "a/c" && (got > 0.51 || got < 0.48) || h.Cause == "a/c" && got < 0.9 {
			t.Errorf("%s: confidence %v", h.Cause, got)
		}
	}
	if got := list(w, hs); got != "a/c@db-0 a/a@api-1 a/b@api-1" {
		t.Errorf("order %s", got)
	}
	hs, open = judged(w, wrong, a, b)
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
