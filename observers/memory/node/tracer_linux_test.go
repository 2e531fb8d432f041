package node

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/observers/observertest"
	"golang.org/x/sys/unix"
)

// The program for kernels whose tracepoint passes a pid passes the verifier of
// this kernel too, when shown a tracepoint whose first argument is a number.
func TestLiveVerifierByPID(t *testing.T) {
	needRoot(t)
	spec, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	delete(spec.Programs, bpfProgOomKill)
	spec.Programs[bpfProgOomKillByPid].AttachTo = "signal_generate"
	coll, err := ebpf.NewCollection(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		t.Fatalf("%+v", refused)
	}
	if err != nil {
		unable(t, "%v", err)
	}
	coll.Close()
}

// A probe reports process ids as its own pid namespace numbers them: here it is
// that of the victim, which is its first process.
func TestLivePIDNamespace(t *testing.T) {
	pod := newPod(t, openHost(t), 0, testLimit)
	cmd, goOn := pod.prepare(roleEat, syscall.CLONE_NEWPID)
	var ns unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", cmd.Process.Pid), &ns); err != nil {
		t.Fatal(err)
	}
	tr, err := openTracer(ns.Ino)
	if err != nil {
		unable(t, "%v", err)
	}
	defer tr.close()
	goOn()
	_ = cmd.Wait() // killed
	var got []bpfPidNumbers
	if err := tr.each(false, func(k *bpfKill) error {
		if int(k.VictimGlobal) == cmd.Process.Pid {
			got = append(got, k.VictimPid, k.TriggerPid)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	first := bpfPidNumbers{Asked: 1, Own: 1}
	if len(got) != 2 || got[0] != first || got[1] != first {
		t.Errorf("victim and trigger are %v, expected process 1 of their namespace", got)
	}
}

// What does not fit into the ring buffer is counted, each kill once.
func TestLiveLossIsExact(t *testing.T) {
	h := openHost(t)
	pod := newPod(t, h, 0, 8*mib)
	obs := open(t, h)
	const kills = 90
	ours := map[int64]bool{}
	for range kills {
		ours[pod.oom()] = true
	}
	told := 0
	for _, ev := range observertest.Run(t, obs, memory.Spec, func(s *observertest.Session) {
		s.Find(t, memory.Usage, func(ev event.Event) bool { return ev.Subject() == pod.key() })
	}) {
		if ours[memory.VictimPID.Or(ev, 0)] && memory.Origin.Or(ev, "") == memory.FromTracepoint {
			told++
		}
	}
	lost := obs.Stats().Lost
	if told == kills || uint64(told)+lost < kills {
		t.Errorf("of %d kills %d are told and %d are lost", kills, told, lost)
	}
	if os.Getenv("CI") == "true" && uint64(told)+lost != kills { // elsewhere others may be killed too
		t.Errorf("of %d kills %d are told and %d are lost", kills, told, lost)
	}
}

func TestCostAfterClose(t *testing.T) {
	tr, err := openTracer(1)
	if err != nil {
		unable(t, "%v", err)
	}
	before := tr.cost()
	if before.bytes < uint64(memory.Spec.Budget.MapBytes)/2 {
		t.Errorf("maps of %d bytes, declared are %d", before.bytes, memory.Spec.Budget.MapBytes)
	}
	tr.close()
	tr.close()
	if after := tr.cost(); after != before {
		t.Errorf("cost was %+v and is %+v once closed", before, after)
	}
}
