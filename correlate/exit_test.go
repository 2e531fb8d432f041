package correlate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
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

// TestLastWords has ends of the program's own and what its log told of just
// before.
func TestLastWords(t *testing.T) {
	says := func(x facts.End, what, target string) func(*facts.Set) {
		return func(s *facts.Set) {
			s.Loops(api, 30, 1, x)
			s.Says(api, 30.4, what, target)
		}
	}
	one := facts.End{Code: 1}
	tests := []familyCase{
		{
			name: "a file is absent", target: api, cause: "exit/config-missing", set: says(one, logs.NoFile, "/etc/app.yaml"), state: "failing",
			says: []string{"api-7d: container app ends because it lacks /etc/app.yaml: exit 1 after 1s, twice, last at 14:00:30 UTC"},
			not:  []string{"exit/panic-or-usage", "exit/dependency-unavailable"}, out: []string{"memory/limit-oom"},
		},
		{name: "a variable is not set", target: api, cause: "exit/config-missing", set: says(one, logs.NoVariable, "DB_URL"), says: []string{"it lacks DB_URL"}},
		{name: "malformed", target: api, cause: "config/invalid", set: says(one, logs.BadConfig, "/etc/app.yaml"), not: []string{"exit/config-missing"}},
		{name: "the runtime's heap", target: redis, cause: "memory/heap-exhausted", set: func(s *facts.Set) { s.Loops(redis, 30, 50, facts.End{Code: 3}); s.Says(redis, 29, logs.Heap, "") }, not: []string{"memory/limit-oom"}, out: []string{"memory/limit-oom"}},
		{name: "the runtime's heap, by SIGABRT", target: api, cause: "memory/heap-exhausted", set: says(facts.End{Code: 134}, logs.Heap, "")},
		{name: "the kernel's OOM killer is the rival", target: redis, cause: "memory/limit-oom", set: func(s *facts.Set) {
			s.Loops(redis, 30, 50, facts.End{Reason: "OOMKilled", Code: 137})
			s.Says(redis, 29, logs.Heap, "")
		}, not: []string{"memory/heap-exhausted"}},
		{name: "leadership", target: api, cause: "exit/leader-lost", set: says(one, logs.LeaseLost, ""), not: []string{"exit/panic-or-usage"}},
		{name: "permission", target: api, cause: "storage/permission", set: says(one, logs.DeniedFile, "/data"), not: []string{"storage/read-only-root"}, says: []string{"it may not use /data"}},
		{name: "read-only", target: api, cause: "storage/read-only-root", set: says(one, logs.ReadOnlyFile, "/tmp/x"), not: []string{"storage/permission"}},
		{name: "full", target: api, cause: "storage/disk-full", set: says(one, logs.NoSpace, "/data/wal"), not: []string{"storage/permission"}},
		{name: "port", target: api, cause: "network/port-conflict", set: says(one, logs.Port, "8080"), says: []string{"port 8080 is taken already"}},
		{name: "not permitted", target: api, cause: "exit/capability-denied", set: says(one, logs.NotPermitted, "")},
		{name: "cloud", target: api, cause: "config/cloud-identity", set: says(one, logs.CloudIdentity, "")},
		{name: "files", target: api, cause: "limit/file-descriptors", set: says(one, logs.FilesLimit, "")},
		{name: "threads", target: api, cause: "limit/pids", set: says(one, logs.Threads, ""), not: []string{"memory/heap-exhausted"}},
		{name: "exec format error in the log", target: api, cause: "exit/wrong-architecture", set: says(facts.End{Code: 255}, logs.Format, "/app"), not: []string{"exit/command-not-found"}},
		{name: "a library is absent", target: api, cause: "exit/command-not-found", set: says(facts.End{Code: 127}, logs.Library, "libssl.so.1.1")},
		{name: "a panic", target: api, cause: "exit/panic-or-usage", set: says(facts.End{Code: 2}, logs.Panic, "")},
		{name: "an unknown flag", target: api, cause: "exit/panic-or-usage", set: says(facts.End{Code: 2}, logs.Usage, "--prot"), says: []string{"it does not know --prot"}},
		{
			name: "a panic over a missing file is the file's", target: api, cause: "exit/config-missing",
			set: func(s *facts.Set) {
				says(facts.End{Code: 2}, logs.NoFile, "/etc/a")(s)
				s.Says(api, 30.5, logs.Panic, "")
			},
			not: []string{"exit/panic-or-usage"},
		},
		{
			name: "a panic for want of a peer is the peer's", target: api, cause: "exit/dependency-unavailable",
			set: func(s *facts.Set) {
				says(facts.End{Code: 2}, logs.Panic, "")(s)
				s.ComplainsOf(api, 28, 30.2, logs.Refused, "db:5432")
			},
			says: []string{"ends because db:5432 refuses connections"}, not: []string{"exit/panic-or-usage", "exit/config-missing"}, out: []string{"exit/config-missing"},
		},
		{name: "words long before the end are not its last", target: api, set: func(s *facts.Set) { s.Loops(api, 30, 50, one); s.Says(api, -10, logs.NoFile, "/etc/a") }},
		{name: "no words, exit 1", target: api, set: func(s *facts.Set) { s.Loops(api, 30, 1, one) }},
		{name: "no words, exit 2", target: api, set: func(s *facts.Set) { s.Loops(api, 30, 1, facts.End{Code: 2}) }},
		{name: "who was killed did not give up", target: api, set: says(facts.End{Code: 137}, logs.NoFile, "/etc/a"), not: []string{"exit/config-missing"}},
		{
			name: "the peer's own fault is the root", target: api, cause: "memory/limit-oom",
			set: func(s *facts.Set) {
				s.Service("shop", "redis", redis)
				s.Names(api, "shop", "redis")
				s.Loops(redis, 20, 15, facts.End{Reason: "OOMKilled", Code: 137})
				s.Loops(api, 30, 5, one)
				s.Complains(api, 28, 30.2, 3, logs.Refused, "shop", "redis")
			},
			says: []string{"redis-0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestCompleted(t *testing.T) {
	done := facts.End{Code: 0}
	tests := []familyCase{
		{
			name: "finishes and is started again", target: api, cause: "exit/completed-loop", set: func(s *facts.Set) { s.Loops(api, 30, 2, done) },
			says: []string{"api-7d: container app finishes after 2s without an error (exit 0) and is started again: 2 restarts"}, out: []string{"exit/panic-or-usage"},
		},
		{name: "finished once and is not started again", target: bare, set: func(s *facts.Set) {
			s.Pod(bare, 0, facts.State{State: lifecycle.Terminated, Reason: "Completed"})
			s.End(bare, -10, 0, done)
		}},
		{name: "one end that did not come again", target: api, set: func(s *facts.Set) {
			s.End(api, -500, -300, done)
			s.Pod(api, -298, running(-298, 1))
		}, not: []string{"exit/completed-loop"}},
		{name: "the kubelet stopped it", target: api, set: func(s *facts.Set) { s.Loops(api, 30, 200, done); s.Stopping(api, 25) }, not: []string{"exit/completed-loop"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestInitFailed(t *testing.T) {
	first := facts.End{Code: 1, Role: lifecycle.Init}
	loops := func(s *facts.Set) {
		s.Init(api, 31, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 2})
		s.End(api, 29, 30, first)
	}
	tests := []familyCase{
		{name: "ends with an error", target: api, cause: "exit/init-failed", set: loops, says: []string{"api-7d: init container app fails, so that no other container of the pod begins: exit 1"}},
		{
			name: "its last words go deeper", target: api, cause: "exit/config-missing",
			set: func(s *facts.Set) { loops(s); s.Says(api, 29.5, logs.NoFile, "/etc/a") },
		},
		{name: "hangs", target: api, cause: "exit/init-failed", set: func(s *facts.Set) { s.Init(api, -100, facts.State{State: lifecycle.Running, Started: -100}) }, says: []string{"has run for 2m20s and does not end"}},
		{name: "has just begun", target: api, set: func(s *facts.Set) { s.Init(api, 30, facts.State{State: lifecycle.Running, Started: 30}) }},
		{name: "failed once and is done since", target: api, set: func(s *facts.Set) {
			s.End(api, 9, 10, first)
			s.Init(api, 20, facts.State{State: lifecycle.Terminated, Reason: "Completed"})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestSidecarOrder(t *testing.T) {
	calls := func(mateBegan float64) func(*facts.Set) {
		return func(s *facts.Set) {
			s.Pod(api, 10, running(12, 1))
			s.Beside(api, "proxy", mateBegan)
			s.End(api, 0, 2, facts.End{Code: 1})
			s.ComplainsOf(api, 1, 2, logs.Refused, "127.0.0.1:15001")
		}
	}
	tests := []familyCase{
		{
			name: "the proxy began after it", target: api, cause: "exit/sidecar-order", set: calls(4), out: []string{"exit/dependency-unavailable"},
			says: []string{"it calls 127.0.0.1:15001 before container proxy of its pod serves it"}, not: []string{"exit/dependency-unavailable"},
		},
		{name: "the proxy was there long before", target: api, set: calls(-100), not: []string{"exit/sidecar-order", "exit/dependency-unavailable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestPortConflict(t *testing.T) {
	shares := func(s *facts.Set) {
		s.Loops(api, 30, 5, facts.End{Code: 1})
		s.Beside(api, "proxy", -100)
		s.SharesPort(api, "proxy", 8080)
	}
	tests := []familyCase{
		{name: "another container is told to listen on it", target: api, cause: "network/port-conflict", set: shares, says: []string{"port 8080, which it declares, is taken: container proxy of its pod is told to listen on it, too (env STATUS_PORT)"}},
		{name: "and its log says so", target: api, cause: "network/port-conflict", set: func(s *facts.Set) { shares(s); s.Says(api, 30, logs.Port, "8080") }, says: []string{"port 8080 is taken already"}},
		{name: "its log names another reason", target: api, cause: "exit/config-missing", set: func(s *facts.Set) { shares(s); s.Says(api, 30, logs.NoFile, "/etc/a") }, not: []string{"network/port-conflict"}},
		{name: "both run", target: api, set: func(s *facts.Set) {
			s.Pod(api, 0, running(-500, 0))
			s.Beside(api, "proxy", -100)
			s.SharesPort(api, "proxy", 8080)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestRefusedSettings(t *testing.T) {
	tests := []familyCase{
		{
			name: "as root", target: api, cause: "config/invalid", state: "failing", out: []string{"config/object-missing", "image/not-found"},
			set:  func(s *facts.Set) { s.Refused(api, 0, "CreateContainerConfigError", lifecycle.FailRootRefused, "") },
			says: []string{"api-7d: container app cannot start: runAsNonRoot forbids it to run as root"},
		},
		{
			name: "a mount, told by the last start", target: api, cause: "config/invalid", not: []string{"exit/command-not-found"},
			set: func(s *facts.Set) {
				s.Loops(api, 30, -1, facts.End{Reason: "StartError", Code: 128, Failure: lifecycle.FailMount, Target: "/etc/app.conf"})
			},
			says: []string{"(/etc/app.conf)"},
		},
		{
			name: "refused once, runs now", target: api,
			set: func(s *facts.Set) {
				s.Refused(api, 0, "CreateContainerConfigError", lifecycle.FailRootRefused, "")
				s.Pod(api, 30, running(30, 0))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
