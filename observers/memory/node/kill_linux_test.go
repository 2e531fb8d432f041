package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/observertest"
)

const podUID = "0d9b2f0e-6a57-4f0c-9d53-3a8f1f0f7a11"

// unlimited is PAGE_COUNTER_MAX.
var unlimited = uint64(1<<63)/uint64(os.Getpagesize()) - 1

// chainOf makes the cgroups of a path, root last, with one limit.
func chainOf(path, limited string, limit uint64) (c bpfCgroupChain) {
	names := strings.Split(strings.Trim(path, "/"), "/")
	for i := len(names) - 1; i >= -1; i-- {
		l := &c.Level[c.Depth]
		l.Id, l.Usage, l.Max = uint64(i+2), limit, unlimited
		if i >= 0 {
			copy(l.Name[:], names[i])
			if names[i] == limited {
				l.Max, l.Oom, l.Failcnt = limit, 1, 7
			}
		}
		c.Depth++
	}
	return c
}

func sampleKill() *bpfKill {
	path := "/kubepods/burstable/pod" + podUID + "/" + containerID
	k := &bpfKill{
		BootNs: 9e9, StartNs: 4e9, AnonPages: 10, FilePages: -3, ShmemPages: 0, VictimGlobal: 70,
		VictimPid: bpfPidNumbers{Asked: 70, Own: 1}, TriggerPid: bpfPidNumbers{Asked: 71, Own: 2},
		OomScoreAdj: -997, OomKnown: 1, Victim: chainOf(path, containerID, 256), Trigger: chainOf(path, "", 256),
	}
	copy(k.VictimComm[:], "victim\xff")
	copy(k.TriggerComm[:], "trigger-of-15-b")
	return k
}

func record(t testing.TB, k *bpfKill) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, k); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecode(t *testing.T) {
	k, err := decode(record(t, sampleKill()))
	if err != nil || *k != *sampleKill() {
		t.Errorf("decoded %+v, %v", k, err)
	}
	if _, err := decode(record(t, sampleKill())[:100]); err == nil || !strings.Contains(err.Error(), "do not fit") {
		t.Errorf("a short record says %v", err)
	}
	deep := sampleKill()
	deep.Victim.Depth = 1 << 31
	if _, err := decode(record(t, deep)); err == nil || !strings.Contains(err.Error(), "more than fit") {
		t.Errorf("too many cgroups say %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(record(f, sampleKill()))
	f.Add([]byte{})
	o := &observer{host: openHost(f), locate: locate}
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := decode(raw)
		if err != nil {
			return
		}
		ev, _ := o.kill(k)
		if err := observertest.Check(memory.Spec, ev); err != nil {
			t.Error(err)
		}
	})
}

func TestKill(t *testing.T) {
	o := &observer{host: openHost(t), locate: locate}
	key, page := event.CgroupKey(podUID, containerID), int64(os.Getpagesize())
	t.Run("container", func(t *testing.T) {
		ev, _ := o.kill(sampleKill())
		if err := observertest.Check(memory.Spec, ev); err != nil {
			t.Error(err)
		}
		wantRef(t, ev, event.Subject, key)
		wantRef(t, ev, event.Culprit, key)
		wantRef(t, ev, event.Limiter, key)
		wantText(t, ev, memory.Constraint, memory.ByContainer)
		wantText(t, ev, memory.VictimComm, "victim\uFFFD")
		wantText(t, ev, memory.TriggerComm, "trigger-of-15-b")
		for f, n := range map[*event.Field[int64]]int64{
			&memory.VictimPID: 70, &memory.VictimNSPID: 1, &memory.TriggerPID: 71, &memory.OOMScoreAdj: -997,
			&memory.VictimAnon: 10 * page, &memory.VictimFile: 0, &memory.VictimLife: 5e9, &memory.BootTime: 9e9,
			&memory.LimiterUsage: 256 * page, &memory.LimiterLimit: 256 * page, &memory.LimiterFailcnt: 7,
		} {
			wantInt(t, ev, *f, n, n)
		}
	})
	t.Run("node, triggered by the kernel", func(t *testing.T) {
		k := sampleKill()
		k.Victim = chainOf("/system.slice/sshd.service", "", 256)
		k.TriggerKthread, k.VictimPid.Asked = 1, 0
		ev, _ := o.kill(k)
		wantRef(t, ev, event.Subject, event.Key{Type: event.Cgroup, ID: "/system.slice/sshd.service"})
		wantRef(t, ev, event.Limiter, event.NodeKey("n1"))
		wantText(t, ev, memory.Constraint, memory.ByNode)
		if _, there := ev.Ref(event.Culprit); there {
			t.Error("a thread of the kernel has no cgroup to blame")
		}
		if _, there := memory.VictimPID.Get(ev); there {
			t.Error("a process that the probe's namespace does not hold has no id there")
		}
		if _, there := ev.Ref(event.Owner); there {
			t.Error("a service has no pod")
		}
	})
}

func TestKnown(t *testing.T) {
	traced := []bpfKill{*sampleKill()}
	tests := map[string]struct {
		report memory.Report
		want   bool
	}{
		"same":             {memory.Report{PID: 70, At: 9 * time.Second}, true},
		"clocks apart":     {memory.Report{PID: 70, At: time.Minute}, true},
		"another process":  {memory.Report{PID: 71, At: 9 * time.Second}, false},
		"number used anew": {memory.Report{PID: 70, At: time.Hour}, false},
	}
	for name, tt := range tests {
		if got := known(tt.report, traced); got != tt.want {
			t.Errorf("%s: known %v", name, got)
		}
	}
}

func TestPassesTask(t *testing.T) {
	handler := func(params ...btf.FuncParam) *btf.Typedef {
		return &btf.Typedef{Name: "btf_trace_mark_victim", Type: &btf.Pointer{Target: &btf.FuncProto{
			Return: &btf.Void{}, Params: append([]btf.FuncParam{{Type: &btf.Pointer{Target: &btf.Void{}}}}, params...),
		}}}
	}
	integer := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	task := &btf.Pointer{Target: &btf.Struct{Name: "task_struct"}}
	tests := map[string]struct {
		proto *btf.Typedef
		want  bool
		fails bool
	}{
		"task and uid":     {handler(btf.FuncParam{Type: task}, btf.FuncParam{Type: integer}), true, false},
		"pid":              {handler(btf.FuncParam{Type: integer}), false, false},
		"pid by a typedef": {handler(btf.FuncParam{Type: &btf.Typedef{Name: "pid_t", Type: integer}}), false, false},
		"no arguments":     {handler(), false, true},
		"not a function":   {&btf.Typedef{Type: integer}, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := passesTask(tt.proto)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("passes a task: %v, %v", got, err)
			}
		})
	}
}

func TestObjectsAreClean(t *testing.T) {
	files, err := filepath.Glob("*.o")
	if err != nil || len(files) != 2 {
		t.Fatalf("expected an object for each of two architectures, found %v, %v", files, err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(filepath.Dir(here))) {
			t.Errorf("%s holds the path it was built in", f)
		}
	}
}

func TestOpenWithoutAnything(t *testing.T) {
	o := &observer{}
	o.gap(&observers.Unsupported{Need: victimHook, Why: "a"})
	o.gap(errors.New("b"))
	gaps := o.Gaps()
	if len(gaps) != 2 || gaps[0].Why != "a" || gaps[1].Why != "b" || gaps[1].Need != victimHook {
		t.Errorf("gaps are %v", gaps)
	}
	if s := o.Stats(); s != (observers.Stats{}) {
		t.Errorf("an observer without programs costs %+v", s)
	}
	o.close()
}
