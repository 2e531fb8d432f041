package correlate_test

import (
	"encoding/json"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/observers/memory"
)

const mi = 1 << 20

var (
	redis = facts.Pod{UID: "u1", Name: "redis-0", Namespace: "shop", Workload: "redis", ContainerID: "c1", Limit: 64 * mi, Created: -600}
	api   = facts.Pod{UID: "u2", Name: "api-7d", Namespace: "shop", Workload: "api", ContainerID: "c2", Limit: 128 * mi, Created: -600}
	bare  = facts.Pod{UID: "u3", Name: "bare", Namespace: "shop", ContainerID: "c3", Created: -600}
)

func running(started float64, restarts int64) facts.State {
	return facts.State{State: lifecycle.Running, Ready: true, Started: started, Restarts: restarts}
}

// leaking is a container that grows into its limit and is killed again and
// again, with a caller that complains.
func leaking() *facts.Set {
	s := &facts.Set{}
	s.Pod(redis, 40, running(32, 2))
	s.Pod(api, 0, running(-500, 0))
	s.Service("shop", "redis", redis)
	s.Names(api, "shop", "redis")
	s.Kill(redis, -30.2, facts.Kill{PID: 900, Usage: 64 * mi, Limit: 64 * mi, Life: 58 * time.Second, Log: true})
	s.Ended(redis, -29, 30, "OOMKilled", 137, "")
	s.Kill(redis, 29.8, facts.Kill{PID: 950, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
	s.Usage(redis, 10, 40*mi, mi, 41*mi)
	s.Usage(redis, 20, 52*mi, mi, 53*mi)
	s.Usage(redis, 25, 58*mi, mi, 59*mi)
	s.Usage(redis, 34, 4*mi, mi, 5*mi)
	s.Usage(redis, 39, 10*mi, mi, 11*mi)
	s.Complains(api, 30, 32.5, 14, logs.Refused, "shop", "redis")
	return s
}

func TestLimitOOM(t *testing.T) {
	s := correlate.Explain(leaking().Window(40, true, redis))
	if s.Verdict != story.Explained || s.State != "intermittent" {
		t.Fatalf("verdict %s, state %s", s.Verdict, s.State)
	}
	h := s.Hypotheses[0]
	if h.Cause != "memory/limit-oom" || h.Entity != (story.Entity{Kind: "Pod", Namespace: "shop", Name: "redis-0", Container: "app"}) {
		t.Fatalf("leader %s at %+v", h.Cause, h.Entity)
	}
	if h.Confidence < 0.97 {
		t.Errorf("confidence %v: kernel and API agree", h.Confidence)
	}
	want := "redis-0: container app reached its 64Mi memory limit (64Mi used) and was OOM-killed twice in 1m, last at 14:00:29 UTC; the victim server (pid 1 in the container) triggered it itself"
	if s.Headline != want {
		t.Errorf("headline\n %s\nwant\n %s", s.Headline, want)
	}
	var got []string
	for _, l := range h.Chain {
		got = append(got, l.Mechanism+" "+l.Trust+" "+l.Sentence)
		if len(l.Evidence) == 0 {
			t.Errorf("link %q cites nothing", l.Sentence)
		}
	}
	chain := []string{
		"exhausts seen anonymous memory +1.2Mi/s over 5s, cache flat",
		"kills seen kernel killed server at 64/64Mi, the container's limit, pid 1 in the container",
		"kills api OOMKilled, exit 137 (SIGKILL), lived 59s",
		"restarts api started again 2s after the kill, 2 restarts",
		"interrupts api 14 calls to redis:8080 refused in 2.5s",
	}
	if diff := cmp.Diff(chain, got); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
	if !strings.Contains(s.Now, "next kill is due about 14:01:23 UTC") {
		t.Errorf("now: %s", s.Now)
	}
	if causes(s.RuledOut) != "memory/node-oom memory/evicted exit/killed-after-grace memory/limit-too-small" {
		t.Errorf("ruled out: %s", causes(s.RuledOut))
	}
	if a := h.Advice[0]; a.Command != "kubectl -n shop set resources deployment/redis -c app --limits=memory=96Mi" || !a.ChangesCluster || a.Undo == "" {
		t.Errorf("advice: %+v", a)
	}
}

func causes(rs []story.RuledOut) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Cause)
	}
	return strings.Join(out, " ")
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name     string
		set      func(*facts.Set)
		target   facts.Pod
		watched  bool
		verdict  story.Verdict
		cause    string // of the leader, "" for none
		headline string // part of it
		ruledOut string // cause that must be ruled out
	}{
		{
			name: "the kill was before the probe and the API forgot it", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-500, 0))
				s.Kill(redis, -520, facts.Kill{PID: 9, Usage: 64 * mi, Limit: 64 * mi, Life: time.Hour, Log: true})
			},
			verdict: story.Explained, cause: "memory/limit-oom",
		},
		{
			name: "all processes of the container die in one group kill", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Kill(redis, 29.80, facts.Kill{PID: 8, NSPID: 7, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
				s.Kill(redis, 29.81, facts.Kill{PID: 9, NSPID: 1, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
				s.Kill(redis, 29.82, facts.Kill{PID: 10, NSPID: 8, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
				s.Ended(redis, -29, 30, "OOMKilled", 137, "")
			},
			verdict: story.Explained, cause: "memory/limit-oom", headline: "and was OOM-killed at 14:00:29 UTC; the victim server (pid 1",
		},
		{
			name: "a child dies, the container lives", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-500, 0))
				s.Kill(redis, 29.8, facts.Kill{PID: 8, NSPID: 7, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
			},
			verdict: story.Explained, cause: "memory/child-oom", headline: "the kernel OOM-killed process server (pid 7 in the container) of container app at its 64Mi memory limit, and the container lives on, at 14:00:29 UTC",
		},
		{
			name: "killed long ago and well since", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(-90000, 3))
				s.Ended(redis, -91000, -90002, "OOMKilled", 137, "")
				s.Kill(redis, -90002.5, facts.Kill{PID: 8, Usage: 64 * mi, Limit: 64 * mi, Life: 900 * time.Second, Log: true})
			},
			verdict: story.Healthy, headline: "Nothing is wrong",
		},
		{
			name: "API only", target: redis,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Ended(redis, -29, 30, "OOMKilled", 137, "")
			},
			verdict: story.Explained, cause: "memory/limit-oom", headline: "OOM-killed at 14:00:30 UTC",
		},
		{
			name: "OOM flag on a container without limit: nobody knows whose limit", target: bare,
			set: func(s *facts.Set) {
				s.Pod(bare, 40, running(32, 1))
				s.Ended(bare, -29, 30, "OOMKilled", 137, "")
			},
			verdict: story.Inconclusive, headline: "the cause is not proven",
		},
		{
			name: "the node ran out", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Ended(redis, -29, 30, "OOMKilled", 137, "")
				s.Kill(redis, 29.8, facts.Kill{PID: 9, Life: 59 * time.Second, By: memory.ByNode})
			},
			verdict: story.Explained, cause: "memory/node-oom", headline: "container app was OOM-killed because node n1 ran out of memory, not for its own limit", ruledOut: "memory/limit-oom",
		},
		{
			name: "the pod's limit counts as its own", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Kill(redis, 29.8, facts.Kill{PID: 9, Usage: 99 * mi, Limit: 100 * mi, Life: 59 * time.Second, By: memory.ByPod})
			},
			verdict: story.Explained, cause: "memory/limit-oom", headline: "pod's 100Mi memory limit",
		},
		{
			name: "killed by a plain SIGKILL", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, running(32, 1))
				s.Ended(redis, -29, 30, "Error", 137, "")
				s.Usage(redis, 34, 4*mi, mi, 5*mi)
			},
			verdict: story.Inconclusive, headline: "Error, exit 137 (SIGKILL), lived 59s; the cause is not proven", ruledOut: "memory/limit-oom",
		},
		{
			name: "deleted: its end was asked for", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 10, running(-500, 0))
				s.Leaving(redis, 30)
				s.Ended(redis, -500, 35, "Error", 137, "")
			},
			verdict: story.Healthy,
		},
		{
			name: "dies in its start each time", target: redis, watched: true,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 3})
				s.Ended(redis, 29, 30, "OOMKilled", 137, "")
				s.Kill(redis, 29.9, facts.Kill{PID: 9, Usage: 64 * mi, Limit: 64 * mi, Life: 300 * time.Millisecond})
			},
			verdict: story.Explained, cause: "memory/limit-too-small", headline: "cannot hold even its start", ruledOut: "memory/node-oom",
		},
		{
			name: "the runtime's init was killed", target: redis,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 3})
				s.Ended(redis, facts.Unknown, 30, "StartError", 128, "failed to create containerd task: container init was OOM-killed (memory limit too low?)")
			},
			verdict: story.Explained, cause: "memory/limit-too-small",
		},
		{
			name: "the sandbox was killed, nothing ever began", target: redis,
			set: func(s *facts.Set) {
				s.Pod(redis, 0, facts.State{State: lifecycle.Waiting, Reason: "ContainerCreating"})
				s.NoSandbox(redis, 20, lifecycle.FailOOM)
			},
			verdict: story.Explained, cause: "memory/limit-too-small", headline: "the 64Mi memory limit of container app cannot hold even the pod's sandbox", ruledOut: "memory/limit-oom",
		},
		{
			name: "the sandbox was killed once and the pod came up", target: redis,
			set: func(s *facts.Set) {
				s.NoSandbox(redis, -20, lifecycle.FailOOM)
				s.Pod(redis, 0, running(-10, 0))
			},
			verdict: story.Healthy,
		},
		{
			name: "no sandbox for another reason", target: redis,
			set: func(s *facts.Set) {
				s.Pod(redis, 0, facts.State{State: lifecycle.Waiting, Reason: "ContainerCreating"})
				s.NoSandbox(redis, 20, "")
			},
			verdict: story.Healthy,
		},
		{
			name: "a start that fails for another reason", target: redis,
			set: func(s *facts.Set) {
				s.Pod(redis, 40, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 3})
				s.Ended(redis, facts.Unknown, 30, "StartError", 128, "exec: \"/nope\": no such file or directory")
			},
			verdict: story.Inconclusive,
		},
		{
			name: "all well", target: redis, watched: true,
			set:     func(s *facts.Set) { s.Pod(redis, 40, running(-500, 0)); s.Usage(redis, 30, 4*mi, mi, 5*mi) },
			verdict: story.Healthy, headline: "Nothing is wrong with deployment redis now",
		},
		{
			name: "nothing is known", target: redis,
			set:     func(*facts.Set) {},
			verdict: story.Inconclusive, headline: "Nothing is known",
		},
		{
			name: "the caller is asked about, its callee is the root", target: api, watched: true,
			set: func(s *facts.Set) {
				*s = *leaking()
			},
			verdict: story.Explained, cause: "memory/limit-oom", headline: "redis-0: container app",
		},
		{
			name: "another's OOM explains nothing here", target: api, watched: true,
			set: func(s *facts.Set) {
				s.Pod(api, 40, running(-500, 0))
				s.Pod(redis, 40, running(32, 1))
				s.Ended(redis, -29, 30, "OOMKilled", 137, "")
			},
			verdict: story.Healthy,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := &facts.Set{}
			tt.set(set)
			s := correlate.Explain(set.Window(40, tt.watched, tt.target))
			if s.Verdict != tt.verdict {
				t.Errorf("verdict %s, want %s: %s", s.Verdict, tt.verdict, s.Headline)
			}
			leader := ""
			if len(s.Hypotheses) > 0 {
				leader = s.Hypotheses[0].Cause
			}
			if leader != tt.cause {
				t.Errorf("leader %q, want %q", leader, tt.cause)
			}
			if !strings.Contains(s.Headline, tt.headline) {
				t.Errorf("headline %q lacks %q", s.Headline, tt.headline)
			}
			if tt.ruledOut != "" && !strings.Contains(causes(s.RuledOut), tt.ruledOut) {
				t.Errorf("ruled out: %s; want %s", causes(s.RuledOut), tt.ruledOut)
			}
		})
	}
}

// A kill that the kernel log ascribes to nobody is no proof against the pod, and
// none for it.
func TestKillOfNobody(t *testing.T) {
	set := &facts.Set{}
	set.Pod(redis, 40, running(32, 1))
	set.Ended(redis, -29, 30, "Error", 137, "")
	sure := correlate.Explain(set.Window(40, true, redis))
	set.KillOfNobody(-700, 5) // before the pod was made
	if s := correlate.Explain(set.Window(40, true, redis)); s.RuledOut[0].Why != sure.RuledOut[0].Why || !strings.Contains(s.RuledOut[0].Why, "kernel log has no kill of it") {
		t.Errorf("ruled out: %+v", s.RuledOut)
	}
	set.KillOfNobody(29, 6)
	s := correlate.Explain(set.Window(40, true, redis))
	if s.Verdict != story.Inconclusive || strings.Contains(s.RuledOut[0].Why, "kernel log") {
		t.Errorf("%s, ruled out: %+v", s.Verdict, s.RuledOut)
	}
	if !strings.Contains(strings.Join(s.Checked, " "), "1 OOM kill on its node that the kernel log ascribes to nobody") {
		t.Errorf("checked: %v", s.Checked)
	}
}

// The order in which facts arrive must not show in the story.
func TestDeterministic(t *testing.T) {
	set := leaking()
	want, err := json.Marshal(correlate.Explain(set.Window(40, true, redis)))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range int64(20) {
		shuffled := &facts.Set{List: append([]window.Fact(nil), set.List...)}
		rand.New(rand.NewSource(seed)).Shuffle(len(shuffled.List), func(i, j int) {
			shuffled.List[i], shuffled.List[j] = shuffled.List[j], shuffled.List[i]
		})
		got, err := json.Marshal(correlate.Explain(shuffled.Window(40, true, redis)))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("seed %d gives another story (-want +got):\n%s", seed, cmp.Diff(string(want), string(got)))
		}
	}
}

// Every evidence id that a story cites exists, and every list is present.
func TestDocumentIsWhole(t *testing.T) {
	s := correlate.Explain(leaking().Window(40, true, redis))
	ids := map[string]bool{}
	for _, e := range s.Evidence {
		ids[e.ID] = true
		if e.Claim == "" || e.Trust == "" || e.Observer == "" {
			t.Errorf("incomplete evidence %+v", e)
		}
	}
	cited := func(where string, list []string) {
		for _, id := range list {
			if !ids[id] {
				t.Errorf("%s cites %s, which does not exist", where, id)
			}
		}
	}
	for _, h := range s.Hypotheses {
		cited(h.Cause, h.Evidence)
		cited(h.Cause, h.Against)
		for _, l := range h.Chain {
			cited(l.Sentence, l.Evidence)
		}
	}
	for _, r := range s.RuledOut {
		cited(r.Cause, r.Evidence)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), ":null") {
		t.Errorf("a list is null: %s", b)
	}
}
