package correlate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// familyCase is a set of facts and what the engine must make of it.
type familyCase struct {
	name   string
	set    func(*facts.Set)
	target facts.Pod
	cause  string   // of the leader, "" when none may be supported
	says   []string // parts of the headline
	not    []string // causes that may not be supported
	out    []string // causes that must be ruled out
	state  string   // of the leader, "" for any
}

func (tt familyCase) run(t *testing.T) {
	set := &facts.Set{}
	tt.set(set)
	s := correlate.Explain(set.Window(40, false, tt.target))
	var supported []string
	for _, h := range s.Hypotheses {
		if h.Status == "supported" {
			supported = append(supported, h.Cause)
		}
		if len(h.Evidence) == 0 || len(h.Chain) == 0 {
			t.Errorf("%s has no evidence or no chain", h.Cause)
		}
		for _, l := range h.Chain {
			if len(l.Evidence) == 0 && l.Trust != "inferred" {
				t.Errorf("%s: link %q cites nothing", h.Cause, l.Sentence)
			}
		}
	}
	switch {
	case tt.cause == "" && len(supported) > 0:
		t.Errorf("%v is supported: %s", supported, s.Headline)
	case tt.cause != "" && (s.Verdict != story.Explained || s.Hypotheses[0].Cause != tt.cause):
		t.Errorf("%s, supported %v, want %s: %s", s.Verdict, supported, tt.cause, s.Headline)
	}
	for _, n := range tt.not {
		if slices.Contains(supported, n) {
			t.Errorf("the rival %s is supported", n)
		}
	}
	for _, part := range tt.says {
		if !strings.Contains(s.Headline, part) {
			t.Errorf("headline %q lacks %q", s.Headline, part)
		}
	}
	for _, o := range tt.out {
		if !strings.Contains(causes(s.RuledOut), o) {
			t.Errorf("ruled out %s, not %s", causes(s.RuledOut), o)
		}
	}
	if tt.state != "" && s.State != tt.state {
		t.Errorf("state %s, want %s", s.State, tt.state)
	}
}

func TestExit(t *testing.T) {
	loops := func(life float64, x facts.End) func(*facts.Set) {
		return func(s *facts.Set) { s.Loops(api, 30, life, x) }
	}
	tests := []familyCase{
		{
			name: "command not in the image", target: api, cause: "exit/command-not-found", state: "failing",
			set:  loops(-1, facts.End{Reason: "StartError", Code: 128, Failure: lifecycle.FailNotFound, Target: "/nope"}),
			says: []string{`api-7d: container app cannot start: "/nope" is not in the image`},
			not:  []string{"exit/not-executable", "memory/limit-too-small"}, out: []string{"image/not-found", "exit/not-executable"},
		},
		{
			name: "the shell does not find it", target: api, cause: "exit/command-not-found",
			set: loops(0, facts.End{Code: 127}), says: []string{"ended: a command is not in the image", "exit 127"},
		},
		{
			name: "command may not be executed", target: api, cause: "exit/not-executable",
			set: loops(-1, facts.End{Reason: "StartError", Code: 126, Failure: lifecycle.FailDenied, Target: "/etc/passwd"}),
			not: []string{"exit/command-not-found"}, says: []string{`"/etc/passwd" may not be executed`},
		},
		{
			name: "a refused start with the code of another", target: api, cause: "exit/not-executable",
			set: loops(-1, facts.End{Reason: "StartError", Code: 127, Failure: lifecycle.FailDenied, Target: "/srv"}),
			not: []string{"exit/command-not-found"},
		},
		{
			name: "another processor", target: api, cause: "exit/wrong-architecture",
			set: loops(-1, facts.End{Reason: "StartError", Code: 128, Failure: lifecycle.FailFormat, Target: "/app"}),
			not: []string{"exit/command-not-found", "exit/illegal-instruction"},
		},
		{name: "SIGILL", target: api, cause: "exit/illegal-instruction", set: loops(1, facts.End{Code: 132}), not: []string{"exit/segfault"}},
		{name: "SIGABRT", target: api, cause: "exit/abort", set: loops(1, facts.End{Code: 134}), out: []string{"exit/segfault", "memory/limit-oom"}},
		{name: "SIGBUS", target: api, cause: "exit/bus-error", set: loops(1, facts.End{Code: 135}), not: []string{"exit/segfault"}},
		{
			name: "SIGSEGV", target: api, cause: "exit/segfault", set: loops(7, facts.End{Code: 139, Before: 3}),
			says: []string{"touched memory that is not its own: exit 139 (SIGSEGV) after 7s, 5 times, last at 14:00:30 UTC"},
			not:  []string{"exit/bus-error", "memory/limit-oom"},
		},
		{name: "SIGSYS", target: api, cause: "exit/seccomp-denied", set: loops(1, facts.End{Code: 159})},
		{
			name: "the OOM killer's end is not a crash", target: redis, cause: "memory/limit-oom",
			set: func(s *facts.Set) { s.Loops(redis, 30, 20, facts.End{Reason: "OOMKilled", Code: 137}) },
			not: []string{"exit/segfault", "exit/abort"},
		},
		{name: "SIGKILL by nobody knows whom stays open", target: api, set: loops(20, facts.End{Code: 137})},
		{
			name: "a segfault of the past, well since", target: api, cause: "exit/segfault", state: "recovered",
			set: func(s *facts.Set) {
				s.End(api, -3000, -2900, facts.End{Code: 139})
				s.Pod(api, 0, running(-2899, 1))
			},
		},
		{
			name: "a segfault in a pod that was asked to end", target: api,
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.Leaving(api, 20)
				s.End(api, -500, 30, facts.End{Code: 139})
			},
		},
		{
			name: "the newest end decides", target: api, cause: "exit/abort",
			set: func(s *facts.Set) {
				s.End(api, -100, -60, facts.End{Code: 139})
				s.End(api, -50, 30, facts.End{Code: 134, Before: 1})
				s.Pod(api, 31, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 2})
			},
			not: []string{"exit/segfault"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
