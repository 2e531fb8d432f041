package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/signals"
)

// sibling is another container of the api pod, stranger a pod of its own.
var (
	sibling  = event.CgroupKey("u2", "c9")
	stranger = event.CgroupKey("u3", "c3")
)

// restarted is the pod after its container ended with a code at second 30 and
// runs again.
func restarted(s *facts.Set, code int64) {
	s.Pod(api, 34, running(32, 1))
	s.End(api, -29, 30, facts.End{Code: code})
}

func TestSignals(t *testing.T) {
	tests := []familyCase{
		{
			name: "another container kills it", target: api, cause: "exit/killed-by-other", state: "intermittent",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, 30.1, facts.Signal{Number: 9, Sender: signals.ByPod, From: sibling, Comm: "sh"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9})
			},
			says: []string{"api-7d: container app was ended by SIGKILL from sh (pid 23 in the container) of container c9 of the same pod"},
			not:  []string{"exit/killed-after-grace", "memory/limit-oom"}, out: []string{"memory/limit-oom", "exit/killed-after-grace", "exit/terminated-on-request"},
		},
		{
			name: "a process of another pod kills it", target: api, cause: "exit/killed-by-other",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Pod(bare, 0, running(-500, 0))
				s.Signal(api, 30.1, facts.Signal{Number: 9, Sender: signals.ByOtherPod, From: stranger, Comm: "agent"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9})
			},
			says: []string{"from agent (pid 23 in the container) of pod bare/app"},
		},
		{
			name: "a process sends SIGSEGV: no fault of the program", target: api, cause: "exit/killed-by-other",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Signal(api, 30.1, facts.Signal{Number: 11, Sender: signals.ByContainer, From: event.CgroupKey("u2", "c2"), Comm: "sh"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 11})
			},
			says: []string{"was ended by SIGSEGV from sh (pid 23 in the container) of the same container"}, not: []string{"exit/segfault"}, out: []string{"exit/segfault"},
		},
		{
			name: "the signal was of an earlier instance", target: api, cause: "",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, -29.5, facts.Signal{Number: 9, Sender: signals.ByPod, From: sibling, Comm: "sh"})
			},
			not: []string{"exit/killed-by-other"},
		},
		{
			name: "the kill was ignored: it was not the end", target: api, cause: "",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, 30.1, facts.Signal{Number: 9, Sender: signals.ByPod, From: sibling, Comm: "sh", Result: signals.Ignored})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9})
			},
			not: []string{"exit/killed-by-other"},
		},
		{
			name: "segfault with the kernel as witness", target: api, cause: "exit/segfault",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Signal(api, 30.1, facts.Signal{Number: 11, Sender: signals.ByKernel, Fault: "SEGV_MAPERR", Address: "0x10"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 11})
			},
			says: []string{"touched memory that is not its own (SEGV_MAPERR at 0x10, a null pointer, in server): exit 139 (SIGSEGV)"},
			not:  []string{"exit/abort", "exit/killed-by-other"}, out: []string{"exit/killed-by-other", "exit/abort", "memory/limit-oom"},
		},
		{
			name: "a child's segfault is passed on by the shell", target: api, cause: "exit/segfault",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Signal(api, 30.1, facts.Signal{Number: 11, Sender: signals.ByKernel, Fault: "SEGV_ACCERR", Address: "0x7f0010000000", PID: 910, NSPID: 7, Target: "worker"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 11, PID: 910, NSPID: 7, Comm: "worker", Child: true})
				s.ProcessEnd(api, 30.12, facts.ProcessEnd{Code: 139, Comm: "sh"})
			},
			says: []string{"(SEGV_ACCERR at 0x7f0010000000, in worker)"},
		},
		{
			name: "a segfault before the probe, in the kernel log", target: api, cause: "exit/segfault",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Logged(30.4, 11, "server", "SEGV_MAPERR", "0x10")
				s.Logged(10, 11, "other", "SEGV_MAPERR", "0x20")
			},
			says: []string{"(SEGV_MAPERR at 0x10, a null pointer, in server)"},
		},
		{
			name: "two faults in that second: the log decides nothing", target: api, cause: "exit/segfault",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Logged(30.4, 11, "server", "SEGV_MAPERR", "0x10")
				s.Logged(30.5, 11, "other", "SEGV_MAPERR", "0x20")
			},
			says: []string{"touched memory that is not its own: exit 139 (SIGSEGV)"},
		},
		{
			name: "abort", target: api, cause: "exit/abort",
			set: func(s *facts.Set) {
				restarted(s, 134)
				s.Signal(api, 30.1, facts.Signal{Number: 6, Sender: signals.BySelf, Comm: "server"})
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 6})
			},
			says: []string{"aborted itself (server): exit 134 (SIGABRT)"}, not: []string{"exit/segfault"}, out: []string{"exit/segfault", "exit/killed-by-other"},
		},
		{
			name: "a first process aborts and reads as a segfault", target: api, cause: "exit/abort",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.Signal(api, 30.1, facts.Signal{Number: 6, Sender: signals.BySelf, Comm: "server", Result: signals.Ignored, FirstOfItsPIDSpace: true})
				s.Signal(api, 30.2, facts.Signal{Number: 11, Sender: signals.ByKernel, Fault: "SI_KERNEL"})
				s.ProcessEnd(api, 30.21, facts.ProcessEnd{Signal: 11})
			},
			says: []string{"aborted itself"}, not: []string{"exit/segfault"}, out: []string{"exit/segfault"},
		},
		{
			name: "kernel and API disagree: neither is believed", target: api, cause: "",
			set: func(s *facts.Set) {
				restarted(s, 139)
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Code: 1})
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestStops(t *testing.T) {
	term := facts.Signal{Number: 15, Sender: signals.ByRuntime, Comm: "runc", Disposition: signals.IsHandled}
	kill := facts.Signal{Number: 9, Sender: signals.ByRuntime, Comm: "runc"}
	ignored := term
	ignored.Result, ignored.Disposition, ignored.FirstOfItsPIDSpace, ignored.Target = signals.Ignored, signals.ByDefault, true, "sh"
	asked := ignored
	asked.Disposition = signals.IsIgnored
	tests := []familyCase{
		{
			name: "handled, stayed, killed", target: api, cause: "exit/killed-after-grace",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, 28, term)
				s.Signal(api, 30.1, kill)
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9})
			},
			says: []string{"did not end on SIGTERM and was killed 2.1s later, when its grace period was over"},
			not:  []string{"exit/sigterm-ignored", "exit/killed-by-other"}, out: []string{"exit/sigterm-ignored", "exit/killed-by-other", "memory/limit-oom"},
		},
		{
			name: "no handler in a first process that is a shell", target: api, cause: "exit/sigterm-ignored",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, 28, ignored)
				s.Signal(api, 30.1, kill)
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9, Comm: "sh"})
			},
			says: []string{"never gets SIGTERM, because its first process is the shell sh, which has no handler for it and does not pass it on, and was killed 2.1s later"},
			not:  []string{"exit/killed-after-grace"}, out: []string{"exit/killed-after-grace"},
		},
		{
			name: "ignored as the program asked", target: api, cause: "exit/sigterm-ignored",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Signal(api, 28, asked)
				s.Signal(api, 30.1, kill)
				s.ProcessEnd(api, 30.11, facts.ProcessEnd{Signal: 9, Comm: "sh"})
			},
			says: []string{"because sh ignores it"},
		},
		{
			name: "a pod that is asked to end and cannot", target: bare, cause: "exit/sigterm-ignored", state: "recovered",
			set: func(s *facts.Set) {
				s.Pod(bare, 10, running(-500, 0))
				s.End(bare, -500, 30, facts.End{Code: 137})
				s.Signal(bare, 26, ignored)
				s.Signal(bare, 30.1, kill)
				s.ProcessEnd(bare, 30.11, facts.ProcessEnd{Signal: 9, Comm: "sh"})
				s.Leaving(bare, 26)
			},
			says: []string{"never gets SIGTERM", "was killed 4.1s later"},
		},
		{
			name: "a pod that is asked to end and does", target: bare, cause: "",
			set: func(s *facts.Set) {
				s.Pod(bare, 10, running(-500, 0))
				s.End(bare, -500, 30, facts.End{Code: 143})
				s.Signal(bare, 29.9, term)
				s.ProcessEnd(bare, 30.11, facts.ProcessEnd{Signal: 15})
				s.Leaving(bare, 29)
			},
		},
		{
			name: "before the probe: the API's report and the length of the grace period", target: api, cause: "exit/killed-after-grace",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Grace(api, 35, 10)
				s.Stops(api, 20, "Stopping container app")
			},
			says: []string{"did not end on SIGTERM and was killed 10s later"}, not: []string{"exit/terminated-on-request"},
		},
		{
			name: "killed long before the grace period was over", target: api, cause: "",
			set: func(s *facts.Set) {
				restarted(s, 137)
				s.Grace(api, 35, 30)
				s.Stops(api, 27, "Stopping container app")
			},
			not: []string{"exit/killed-after-grace"},
		},
		{
			name: "stopped on request", target: api, cause: "exit/terminated-on-request",
			set: func(s *facts.Set) {
				restarted(s, 143)
				s.Stops(api, 29, "Container app definition changed, will be restarted")
				s.Signal(api, 29.9, facts.Signal{Number: 15, Sender: signals.ByRuntime, Comm: "runc"})
				s.ProcessEnd(api, 30.1, facts.ProcessEnd{Signal: 15})
			},
			says: []string{"was stopped on request with SIGTERM", "its definition changed"}, not: []string{"exit/killed-by-other"}, out: []string{"exit/killed-after-grace"},
		},
		{
			name: "SIGTERM of another container is no request", target: api, cause: "exit/killed-by-other",
			set: func(s *facts.Set) {
				restarted(s, 143)
				s.Signal(api, 29.9, facts.Signal{Number: 15, Sender: signals.ByPod, From: sibling, Comm: "sh"})
				s.ProcessEnd(api, 30.1, facts.ProcessEnd{Signal: 15})
			},
			not: []string{"exit/terminated-on-request"}, out: []string{"exit/terminated-on-request"},
		},
		{
			name: "143 and nobody asked", target: api, cause: "",
			set: func(s *facts.Set) { restarted(s, 143) },
			not: []string{"exit/terminated-on-request", "exit/killed-by-other"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

// A stop because a probe failed is no cause of its own beside the probe's.
func TestStopByProbeYields(t *testing.T) {
	s := &facts.Set{}
	restarted(s, 143)
	s.Stops(api, 29, "Container app failed liveness probe, will be restarted")
	story := correlate.Explain(s.Window(40, false, api))
	for _, h := range story.Hypotheses {
		if h.Cause == "exit/terminated-on-request" && h.Status == "supported" {
			t.Errorf("supported: %s", h.Headline)
		}
	}
}

// What the kernel did not see is told with the time from which it looked.
func TestUnseenKill(t *testing.T) {
	s := &facts.Set{}
	s.Pod(api, 34, facts.State{State: lifecycle.Waiting, Reason: "CrashLoopBackOff", Restarts: 1})
	s.End(api, -90, -30, facts.End{Code: 137})
	got := correlate.Explain(s.Window(40, true, api))
	if got.Verdict != story.Inconclusive {
		t.Fatalf("verdict %s: %s", got.Verdict, got.Headline)
	}
	var why []string
	for _, a := range got.Unseen {
		why = append(why, a.What+": "+a.Why)
	}
	if !strings.Contains(strings.Join(why, "\n"), "who sent SIGKILL to container app: the probe saw signals from 14:00:00 UTC on, which is after that") {
		t.Errorf("not seen: %q", why)
	}
}
