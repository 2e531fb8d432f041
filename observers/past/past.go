// Package past holds what the node still knows of the time before the probe:
// counters that the kernel has kept since a container or its pod was started.
// The span of each fact is the time over which its counters counted.
package past

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Network event.Kind = "past.network"
	CPU     event.Kind = "past.cpu"
	Tasks   event.Kind = "past.tasks"
)

// Fields of Network, the counters of a pod's network namespace since its
// sandbox was started. Subject is the pod. A pod in the node's network has none
// of its own.
var (
	SegmentsOut     = event.Field[int64]{Name: "segments_out", Unit: event.Count, Doc: "TCP segments sent"}
	Retransmitted   = event.Field[int64]{Name: "retransmitted", Unit: event.Count, Doc: "TCP segments sent again"}
	SynRetransmits  = event.Field[int64]{Name: "syn_retransmits", Unit: event.Count, Doc: "connection attempts sent again for want of an answer"}
	ActiveOpens     = event.Field[int64]{Name: "active_opens", Unit: event.Count, Doc: "connections that the pod tried to open"}
	PassiveOpens    = event.Field[int64]{Name: "passive_opens", Unit: event.Count, Doc: "connections that others opened to the pod"}
	FailedAttempts  = event.Field[int64]{Name: "failed_attempts", Unit: event.Count, Doc: "connection attempts of either direction that failed"}
	EstabResets     = event.Field[int64]{Name: "established_resets", Unit: event.Count, Doc: "established connections that ended by a reset"}
	ResetsSent      = event.Field[int64]{Name: "resets_sent", Unit: event.Count, Doc: "TCP resets sent: among them the answers to calls to ports where nothing listens"}
	ListenOverflows = event.Field[int64]{Name: "listen_overflows", Unit: event.Count, Doc: "connections that came while the accept queue was full"}
	ListenDrops     = event.Field[int64]{Name: "listen_drops", Unit: event.Count, Doc: "connections that a listening socket dropped for any reason"}
	Timeouts        = event.Field[int64]{Name: "timeouts", Unit: event.Count, Doc: "retransmission timers that ran out"}
	UDPNoPorts      = event.Field[int64]{Name: "udp_no_ports", Unit: event.Count, Doc: "datagrams to ports where nothing listens"}
	UDPBufferErrors = event.Field[int64]{Name: "udp_buffer_errors", Unit: event.Count, Doc: "datagrams dropped because the socket's buffer was full"}
)

// Fields of CPU, the limits and what they cost a container since it was
// started. Subject is the container's cgroup, Owner its pod.
var (
	Periods      = event.Field[int64]{Name: "periods", Unit: event.Count, Doc: "enforcement periods in which the container wanted the processor; absent without a CPU limit"}
	Throttled    = event.Field[int64]{Name: "throttled", Unit: event.Count, Doc: "periods in which the limit stopped it"}
	ThrottledFor = event.Field[int64]{Name: "throttled_for", Unit: event.Nanos, Doc: "time for which the limit stopped its threads, summed over processors"}
	Limit        = event.Field[float64]{Name: "cpu_limit", Doc: "CPU limit in processors; absent when there is none"}
)

// Fields of Tasks, the processes that a container has now. Subject is the
// container's cgroup, Owner its pod. Times count since each of its threads was
// started.
var (
	Processes   = event.Field[int64]{Name: "processes", Unit: event.Count, Doc: "processes in the container"}
	Threads     = event.Field[int64]{Name: "threads", Unit: event.Count, Doc: "threads of these"}
	PIDsMax     = event.Field[int64]{Name: "pids_max", Unit: event.Count, Doc: "limit of threads; absent when there is none"}
	ForksFailed = event.Field[int64]{Name: "forks_refused", Unit: event.Count, Doc: "new threads or processes that the limit refused"}
	Ran         = event.Field[int64]{Name: "ran", Unit: event.Nanos, Doc: "time its threads ran"}
	Waited      = event.Field[int64]{Name: "waited", Unit: event.Nanos, Doc: "time its threads could have run and waited for a processor"}
	MajorFaults = event.Field[int64]{Name: "major_faults", Unit: event.Count, Doc: "page faults for which the disk was read"}
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "past",
	Side: observers.Node,
	Doc:  "what the kernel counted since the target's pods and containers were started: connections, retransmissions, resets and drops; CPU throttling; run-queue delay, threads and refused forks",
	Emits: []observers.Schema{
		{Kind: Network, Meaning: "counters of a pod's network since its sandbox was started",
			Fields: event.Fields(SegmentsOut, Retransmitted, SynRetransmits, ActiveOpens, PassiveOpens, FailedAttempts, EstabResets, ResetsSent,
				ListenOverflows, ListenDrops, Timeouts, UDPNoPorts, UDPBufferErrors)},
		{Kind: CPU, Meaning: "what a container's CPU limit did since it was started", Fields: event.Fields(Periods, Throttled, ThrottledFor, Limit)},
		{Kind: Tasks, Meaning: "processes of a container and what they waited for since they were started",
			Fields: event.Fields(Processes, Threads, PIDsMax, ForksFailed, Ran, Waited, MajorFaults)},
	},
	Needs: []observers.Need{
		{Type: observers.Feature, Name: "memory cgroup", Why: "which processes are of which container"},
		{Type: observers.Feature, Name: "/proc", Why: "processes and networks of the node", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 100},
}
