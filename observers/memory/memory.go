// Package memory holds the facts about a container's memory: who was killed
// for want of it, by whose limit, and how the use grew before.
package memory

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	OOMKill event.Kind = "memory.oom_kill"
	Usage   event.Kind = "memory.usage"
)

// Fields of OOMKill. Subject is the victim's cgroup, or the node when only the
// kernel log tells of the kill and leaves the cgroup out; Owner its pod; Culprit the
// cgroup of the task whose allocation triggered the kill; Limiter the cgroup
// (or node) whose limit was hit; Host the node.
var (
	VictimPID      = event.Field[int64]{Name: "victim_pid", Unit: event.PID, Doc: "process id of the victim, as the probe's pid namespace numbers it"}
	VictimNSPID    = event.Field[int64]{Name: "victim_ns_pid", Unit: event.PID, Doc: "process id of the victim inside its own container"}
	VictimComm     = event.Field[string]{Name: "victim_comm", Doc: "command name of the victim"}
	VictimAnon     = event.Field[int64]{Name: "victim_anon", Unit: event.Bytes, Doc: "anonymous memory of the victim"}
	VictimFile     = event.Field[int64]{Name: "victim_file", Unit: event.Bytes, Doc: "file-backed memory of the victim"}
	VictimShmem    = event.Field[int64]{Name: "victim_shmem", Unit: event.Bytes, Doc: "shared memory of the victim"}
	OOMScoreAdj    = event.Field[int64]{Name: "oom_score_adj", Doc: "the victim's oom_score_adj"}
	TriggerPID     = event.Field[int64]{Name: "trigger_pid", Unit: event.PID, Doc: "process whose allocation could not be met"}
	TriggerComm    = event.Field[string]{Name: "trigger_comm", Doc: "command name of the trigger"}
	Constraint     = event.Field[string]{Name: "constraint", Doc: "whose limit was hit: container, pod, ancestor (a cgroup above the pod) or node"}
	LimiterUsage   = event.Field[int64]{Name: "limiter_usage", Unit: event.Bytes, Doc: "memory charged to the limiting cgroup when the kill was decided"}
	LimiterLimit   = event.Field[int64]{Name: "limiter_limit", Unit: event.Bytes, Doc: "the limit that was hit"}
	LimiterFailcnt = event.Field[int64]{Name: "limiter_failcnt", Unit: event.Count, Doc: "how often the limit had been hit before"}
	Origin         = event.Field[string]{Name: "origin", Doc: "where the fact comes from: tracepoint or kernel_log"}
	VictimLife     = event.Field[int64]{Name: "victim_life", Unit: event.Nanos, Doc: "time from the victim's start to its death"}
	BootTime       = event.Field[int64]{Name: "boot_time", Unit: event.Nanos, Doc: "the kernel's own stamp: time since boot, suspend included"}
)

// Values of Constraint.
const (
	ByContainer = "container"
	ByPod       = "pod"
	ByAncestor  = "ancestor"
	ByNode      = "node"
)

// Values of Origin.
const (
	FromTracepoint = "tracepoint"
	FromKernelLog  = "kernel_log"
)

// Fields of Usage, a sample of one container's memory cgroup. Subject is the
// cgroup, Owner its pod. Failcnt and OOMKills count since the cgroup was made,
// which is the container's start.
var (
	Used     = event.Field[int64]{Name: "used", Unit: event.Bytes, Doc: "memory charged to the cgroup"}
	Limit    = event.Field[int64]{Name: "limit", Unit: event.Bytes, Doc: "the cgroup's limit; absent when there is none"}
	Peak     = event.Field[int64]{Name: "peak", Unit: event.Bytes, Doc: "highest charge since the cgroup was made"}
	Anon     = event.Field[int64]{Name: "anon", Unit: event.Bytes, Doc: "anonymous memory, what only the program itself can free"}
	Cache    = event.Field[int64]{Name: "cache", Unit: event.Bytes, Doc: "page cache, what the kernel can reclaim"}
	Failcnt  = event.Field[int64]{Name: "failcnt", Unit: event.Count, Doc: "how often the charge met the limit"}
	OOMKills = event.Field[int64]{Name: "oom_kills", Unit: event.Count, Doc: "processes of the cgroup killed for want of memory"}
)

// Spec declares the observer. MapBytes is the ring buffer.
var Spec = observers.Spec{
	Name: "memory",
	Side: observers.Node,
	Doc:  "OOM kills with victim, trigger and whose limit; memory use of the target's containers, split into anonymous and cache",
	Emits: []observers.Schema{
		{Kind: OOMKill, Meaning: "the kernel's OOM killer chose a process and killed it",
			Fields: event.Fields(VictimPID, VictimNSPID, VictimComm, VictimAnon, VictimFile, VictimShmem, OOMScoreAdj, VictimLife,
				TriggerPID, TriggerComm, Constraint, LimiterUsage, LimiterLimit, LimiterFailcnt, Origin, BootTime)},
		{Kind: Usage, Meaning: "memory of one container of the target at a moment",
			Fields: event.Fields(Used, Limit, Peak, Anon, Cache, Failcnt, OOMKills)},
	},
	Needs: []observers.Need{
		{Type: observers.Hook, Name: "tp_btf/mark_victim", Why: "OOM kills as they happen"},
		{Type: observers.Hook, Name: "tp_btf/signal_generate", Why: "telling a kill from a mere mark"},
		{Type: observers.Feature, Name: "/dev/kmsg", Why: "OOM kills from before the probe", Optional: true},
		{Type: observers.Feature, Name: "memory cgroup", Why: "use and limit of a container", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 100, MapBytes: 256 << 10},
}
