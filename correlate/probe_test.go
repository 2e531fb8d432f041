package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/health"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// unready is the pod's container running since -300 s and not ready.
func unready(s *facts.Set) {
	s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: -300})
}

// killed is the pod's container killed twice by its liveness probe, each time
// after so many seconds.
func killed(s *facts.Set, which string, life float64) {
	s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: 20, Restarts: 2, Ready: which == health.Liveness})
	s.Ended(api, 18-life, 18, "Error", 137, "")
	s.ProbeKilled(api, which, -60, 18, 2)
}

func TestProbes(t *testing.T) {
	const l, r, st = health.Liveness, health.Readiness, health.StartupKind
	tests := []familyCase{
		{
			name: "readiness at another port, refused", target: api, cause: "probe/readiness-port", state: "failing",
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8081, Wanted: 8080, WantedN: 2})
				s.ProbeFailed(api, r, health.Refused, 8081, 0, -290, 30, 30)
			},
			says: []string{"api-7d: container app is not ready because its readiness probe asks HTTP on port 8081; the container listens on 8080"},
			not:  []string{"probe/readiness-protocol"}, out: []string{"probe/readiness-protocol"},
		},
		{
			name: "readiness at another port, the prober hides the refusal", target: api, cause: "probe/readiness-port",
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Method: health.GRPC, Port: 8081, Wanted: 8080, WantedN: 3})
				s.ProbeFailed(api, r, health.Timeouts, 8081, 0, -290, 30, 30)
			},
		},
		{
			name: "readiness at another port, and no event is left", target: api, cause: "probe/readiness-port",
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8081, Wanted: 8080, WantedN: 2})
			},
		},
		{
			name: "readiness at a name that is not declared", target: api, cause: "probe/readiness-port",
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Unnamed: "web", Wanted: 8080})
			},
			says: []string{`on port "web", which the container does not declare`},
		},
		{
			name: "a proxy that no spec declares listens there", target: api, cause: "probe/readiness-failing", not: []string{"probe/readiness-port"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 15020, Wanted: 8080, WantedN: 2, Elsewhere: 9})
				s.ProbeFailed(api, r, health.Status, 0, 503, -290, 30, 30)
			},
		},
		{
			name: "the port is declared, the program says no", target: api, cause: "probe/readiness-failing", not: []string{"probe/readiness-port", "probe/readiness-protocol"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8080, Known: 2, Wanted: 9090})
				s.ProbeFailed(api, r, health.Status, 0, 503, -290, 30, 30)
			},
			says: []string{"is not ready: its readiness probe failed 30 times: HTTP status 503"}, out: []string{"probe/readiness-port"},
		},
		{
			name: "the server does not know the path", target: api, cause: "probe/readiness-port", not: []string{"probe/readiness-failing"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8080, Known: 2})
				s.ProbeFailed(api, r, health.Status, 0, 404, -290, 30, 30)
			},
			says: []string{"which the server answers with status 404"},
		},
		{
			name: "readiness in HTTP to a gRPC port", target: api, cause: "probe/readiness-protocol", not: []string{"probe/readiness-port"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8080, Known: 2, Speaks: health.GRPC})
				s.ProbeFailed(api, r, health.Malformed, 8080, 0, -290, 30, 30)
			},
			says: []string{"readiness probe asks HTTP on port 8080; the port speaks gRPC"}, out: []string{"probe/readiness-port"},
		},
		{
			name: "readiness in gRPC to an HTTP port looks like a time-out", target: api, cause: "probe/readiness-protocol", not: []string{"probe/readiness-port"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Method: health.GRPC, Port: 8080, Known: 2, Speaks: health.HTTP})
				s.ProbeFailed(api, r, health.Timeouts, 8080, 0, -290, 30, 30)
			},
		},
		{
			name: "the name of the port is wrong and the server speaks what is asked", target: api, cause: "probe/readiness-failing", not: []string{"probe/readiness-protocol"},
			set: func(s *facts.Set) {
				unready(s)
				s.Probe(api, facts.Probe{Which: r, Port: 8080, Known: 2, Speaks: health.GRPC})
				s.ProbeFailed(api, r, health.Status, 0, 500, -290, 30, 30)
			},
		},
		{
			name: "failures of before the restart explain nothing", target: api, cause: "", not: []string{"probe/readiness-port"},
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Ready: true, Started: -300})
				s.Probe(api, facts.Probe{Which: r, Port: 8081, Wanted: 8080, WantedN: 2})
				s.ProbeFailed(api, r, health.Refused, 8081, 0, -310, -305, 2)
			},
		},
		{
			name: "still within its first chance", target: api, cause: "",
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: 5})
				s.Probe(api, facts.Probe{Which: r, Port: 8081, Wanted: 8080, WantedN: 2, Delay: 60})
			},
		},
		{
			name: "liveness at another port", target: api, cause: "probe/liveness-port", state: "intermittent",
			set: func(s *facts.Set) {
				killed(s, l, 30)
				s.Probe(api, facts.Probe{Which: l, Port: 8081, Wanted: 8080, WantedN: 3})
				s.ProbeFailed(api, l, health.Refused, 8081, 0, -80, 18, 6)
			},
			says: []string{"is killed again and again (2 restarts) because its liveness probe asks HTTP on port 8081"},
			not:  []string{"probe/liveness-too-eager", "probe/liveness-protocol"}, out: []string{"probe/liveness-too-eager"},
		},
		{
			name: "liveness in HTTP to a gRPC port", target: api, cause: "probe/liveness-protocol", not: []string{"probe/liveness-port", "probe/liveness-too-eager"},
			set: func(s *facts.Set) {
				killed(s, l, 30)
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 2, Speaks: health.GRPC})
				s.ProbeFailed(api, l, health.Malformed, 8080, 0, -80, 18, 6)
			},
		},
		{
			name: "liveness leaves two seconds to start", target: api, cause: "probe/liveness-too-eager", not: []string{"probe/liveness-port", "probe/liveness-kills-slow"},
			set: func(s *facts.Set) {
				killed(s, l, 8)
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Delay: 1, Period: 1, Threshold: 1})
				s.ProbeFailed(api, l, health.Timeouts, 8080, 0, -80, 18, 6)
			},
			says: []string{"is killed while it starts because its liveness probe gives the container 1s"}, out: []string{"probe/liveness-kills-slow", "probe/liveness-port"},
		},
		{
			name: "liveness leaves no time, and no event is left", target: api, cause: "probe/liveness-too-eager",
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: 20, Restarts: 5, Ready: true})
				s.Ended(api, 8, 17, "Error", 137, "")
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Delay: 1, Period: 1, Threshold: 1})
			},
		},
		{
			name: "an end of its own beside a hasty probe", target: api, cause: "", not: []string{"probe/liveness-too-eager"},
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: 20, Restarts: 5, Ready: true})
				s.Ended(api, 8, 17, "Error", 1, "")
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Delay: 1, Period: 1, Threshold: 1})
			},
		},
		{
			name: "liveness leaves less than a sibling took", target: api, cause: "probe/liveness-too-eager",
			set: func(s *facts.Set) {
				killed(s, l, 32)
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Took: 55})
				s.ProbeFailed(api, l, health.Refused, 8080, 0, -80, 18, 6)
			},
			says: []string{"a pod of the workload took 55s to be ready"},
		},
		{
			name: "a program that never answers is not proven to be slow", target: api, cause: "", not: []string{"probe/liveness-too-eager"},
			set: func(s *facts.Set) {
				killed(s, l, 32)
				s.Pod(api, 1, facts.State{State: lifecycle.Running, Started: 20, Restarts: 2})
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Delay: 30})
				s.ProbeFailed(api, l, health.Refused, 8080, 0, -80, 18, 6)
			},
		},
		{
			name: "late answers after a long good life", target: api, cause: "probe/liveness-kills-slow", not: []string{"probe/liveness-too-eager", "probe/liveness-port"},
			set: func(s *facts.Set) {
				killed(s, l, 1800)
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3})
				s.ProbeFailed(api, l, health.Timeouts, 8080, 0, -80, 18, 6)
			},
			out: []string{"probe/liveness-too-eager"},
		},
		{
			name: "an OOM kill is not the probe's", target: api, cause: "memory/limit-oom", not: []string{"probe/liveness-too-eager", "probe/liveness-port"},
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: 20, Restarts: 2, Ready: true})
				s.Ended(api, -10, 18, "OOMKilled", 137, "")
				s.Probe(api, facts.Probe{Which: l, Port: 8080, Known: 3, Delay: 1, Period: 1, Threshold: 1})
			},
		},
		{
			name: "startup probe gives up", target: api, cause: "probe/startup-too-slow", not: []string{"probe/startup-port", "probe/liveness-too-eager"},
			set: func(s *facts.Set) {
				killed(s, st, 21)
				s.Probe(api, facts.Probe{Which: st, Port: 8080, Known: 3})
				s.ProbeFailed(api, st, health.Refused, 8080, 0, -80, 18, 6)
			},
			out: []string{"probe/liveness-too-eager"},
		},
		{
			name: "startup probe at another port", target: api, cause: "probe/startup-port", not: []string{"probe/startup-too-slow"},
			set: func(s *facts.Set) {
				killed(s, st, 21)
				s.Probe(api, facts.Probe{Which: st, Port: 8081, Wanted: 8080, WantedN: 2})
				s.ProbeFailed(api, st, health.Refused, 8081, 0, -80, 18, 6)
			},
		},
		{
			name: "startup probe in HTTP to a gRPC port", target: api, cause: "probe/startup-protocol", not: []string{"probe/startup-port"},
			set: func(s *facts.Set) {
				killed(s, st, 21)
				s.Probe(api, facts.Probe{Which: st, Port: 8080, Known: 1, Speaks: health.GRPC})
				s.ProbeFailed(api, st, health.Malformed, 8080, 0, -80, 18, 6)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
