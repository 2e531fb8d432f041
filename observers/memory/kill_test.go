package memory

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers/event"
)

// byParts is a Locate for paths of the form /POD/CONTAINER, where a pod's name
// begins with "p".
func byParts(path string) Place {
	pod, container, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(pod, "p") {
		return Place{}
	}
	return Place{PodUID: pod, ContainerID: container}
}

func wall(d time.Duration) time.Time { return time.Unix(1_000_000, 0).UTC().Add(d) }

func TestKillEvent(t *testing.T) {
	at := func(path string) *Cgroup { c := Locate(byParts).At(path); return &c }
	tests := map[string]struct {
		kill Kill
		refs []event.Ref
		who  string // constraint
	}{
		"container by its own limit": {
			Kill{Victim: *at("/p1/c1"), Trigger: at("/p1/c1"), Limiter: at("/p1/c1")},
			[]event.Ref{
				{Role: event.Subject, Key: event.CgroupKey("p1", "c1")}, {Role: event.Owner, Key: event.PodKey("p1")},
				{Role: event.Culprit, Key: event.CgroupKey("p1", "c1")}, {Role: event.Limiter, Key: event.CgroupKey("p1", "c1")},
				{Role: event.Host, Key: event.NodeKey("n1")},
			}, ByContainer,
		},
		"container by the pod's limit, for a sibling": {
			Kill{Victim: *at("/p1/c1"), Trigger: at("/p1/c2"), Limiter: at("/p1")},
			[]event.Ref{
				{Role: event.Subject, Key: event.CgroupKey("p1", "c1")}, {Role: event.Owner, Key: event.PodKey("p1")},
				{Role: event.Culprit, Key: event.CgroupKey("p1", "c2")}, {Role: event.Limiter, Key: event.CgroupKey("p1", "")},
				{Role: event.Host, Key: event.NodeKey("n1")},
			}, ByPod,
		},
		"by a cgroup above": {
			Kill{Victim: *at("/p1/c1"), Limiter: at("kubepods")},
			[]event.Ref{
				{Role: event.Subject, Key: event.CgroupKey("p1", "c1")}, {Role: event.Owner, Key: event.PodKey("p1")},
				{Role: event.Limiter, Key: event.Key{Type: event.Cgroup, ID: "/kubepods"}}, {Role: event.Host, Key: event.NodeKey("n1")},
			}, ByAncestor,
		},
		"of no pod, by the node": {
			Kill{Victim: *at("/system.slice/sshd.service"), NodeWide: true},
			[]event.Ref{
				{Role: event.Subject, Key: event.Key{Type: event.Cgroup, ID: "/system.slice/sshd.service"}},
				{Role: event.Limiter, Key: event.NodeKey("n1")}, {Role: event.Host, Key: event.NodeKey("n1")},
			}, ByNode,
		},
		"by whom is not known": {
			Kill{Victim: *at("/p1/c1")},
			[]event.Ref{
				{Role: event.Subject, Key: event.CgroupKey("p1", "c1")}, {Role: event.Owner, Key: event.PodKey("p1")},
				{Role: event.Host, Key: event.NodeKey("n1")},
			}, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.kill.Node, tt.kill.At, tt.kill.Boot, tt.kill.Origin = "n1", wall(5), 5, FromTracepoint
			ev := tt.kill.Event()
			if diff := cmp.Diff(tt.refs, ev.Refs); diff != "" {
				t.Error(diff)
			}
			if got := Constraint.Or(ev, ""); got != tt.who {
				t.Errorf("constraint is %q, expected %q", got, tt.who)
			}
			if BootTime.Or(ev, 0) != 5 || !ev.At.Equal(wall(5)) || Origin.Or(ev, "") != FromTracepoint || ev.Kind != OOMKill {
				t.Errorf("stamps or origin are wrong: %v", ev)
			}
		})
	}
}

func TestLogEvent(t *testing.T) {
	full := Report{
		At: time.Second, PID: 7, Comm: "a\xffb", Anon: 1024, File: 0, Shmem: -1, OOMScoreAdj: -5, ScoreKnown: true,
		TaskMemcg: "/p1/c1", TriggerPID: 9, TriggerComm: "t", LimitPath: "/p1", Usage: 4096, Limit: 4096, Failcnt: 3,
	}
	nowhere := full
	nowhere.TaskMemcg = ""
	global := full
	global.LimitPath, global.NodeWide = "", true
	tests := map[string]struct {
		report      Report
		pids        bool
		told        bool // the log tells the cgroup
		has, hasNot []string
		limiter     event.Key
	}{
		"all":               {full, true, true, []string{"victim_pid", "trigger_pid", "victim_anon", "victim_file", "oom_score_adj", "limiter_usage", "limiter_limit", "limiter_failcnt"}, []string{"victim_shmem", "victim_life"}, event.CgroupKey("p1", "")},
		"foreign namespace": {full, false, true, []string{"victim_comm"}, []string{"victim_pid", "trigger_pid"}, event.CgroupKey("p1", "")},
		"node":              {global, true, true, []string{"victim_pid"}, []string{"limiter_usage", "limiter_limit"}, event.NodeKey("n1")},
		"cgroup not told":   {nowhere, true, false, []string{"victim_pid", "limiter_usage"}, nil, event.CgroupKey("p1", "")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := Log{Node: "n1", Locate: byParts, Wall: wall, PIDs: tt.pids}.Event(tt.report)
			if got := ev.Subject().Type == event.Node; got == tt.told {
				t.Fatalf("subject is %v", ev.Subject())
			}
			for _, f := range tt.has {
				if _, there := ev.Attrs[f]; !there {
					t.Errorf("field %s is missing", f)
				}
			}
			for _, f := range tt.hasNot {
				if v, there := ev.Attrs[f]; there {
					t.Errorf("field %s is %v, expected none", f, v)
				}
			}
			if got, _ := ev.Ref(event.Limiter); got != tt.limiter {
				t.Errorf("limiter is %v, expected %v", got, tt.limiter)
			}
			if got := VictimComm.Or(ev, ""); got != "a\uFFFDb" {
				t.Errorf("comm is %q, which JSON cannot carry as it is", got)
			}
			if _, err := json.Marshal(ev); err != nil {
				t.Error(err)
			}
		})
	}
}
