package window_test

import (
	"fmt"
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/memory"
)

var redis = facts.Pod{UID: "u1", Name: "redis-0", Namespace: "shop", Workload: "redis", ContainerID: "c1", Limit: 64}

func TestIndex(t *testing.T) {
	s := &facts.Set{}
	s.Usage(redis, 20, 2, 0, 2)
	s.Pod(redis, 0, facts.State{State: lifecycle.Running})
	s.Usage(redis, 10, 1, 0, 1)
	s.Kill(redis, 15, facts.Kill{PID: 1})
	w := s.Window(30, true, redis)
	if got := w.About(memory.Usage, redis.App()); len(got) != 2 || memory.Anon.Or(got[0].Event, 0) != 1 {
		t.Errorf("samples of the container, oldest first: %v", got)
	}
	if f, ok := w.Last(memory.Usage, redis.App()); !ok || memory.Anon.Or(f.Event, 0) != 2 {
		t.Errorf("last sample: %v, %v", f, ok)
	}
	if _, ok := w.Last(memory.Usage, event.NodeKey("n1")); ok {
		t.Error("a sample of nothing")
	}
	if len(w.Of(memory.OOMKill)) != 1 || len(w.Of("no.kind")) != 0 {
		t.Error("facts by kind")
	}
}

func TestPodsOfTheTargetGrow(t *testing.T) {
	s := &facts.Set{}
	young := redis
	young.UID, young.Name = "u2", "redis-1"
	s.Pod(redis, 0, facts.State{State: lifecycle.Running})
	s.Pod(young, 5, facts.State{State: lifecycle.Running})
	if w := s.Window(30, true, redis); len(w.Target.Pods) != 2 {
		t.Errorf("pods %v: a pod made later belongs to its workload", w.Target.Pods)
	}
}

func TestWatched(t *testing.T) {
	s := &facts.Set{}
	s.Pod(redis, 0, facts.State{State: lifecycle.Running})
	seen := window.Node{Name: "n1", Attached: facts.At(1), Observers: []window.ObserverState{{Name: "memory", State: window.Attached}}}
	lossy, refused, dropped, other, gone := seen, seen, seen, seen, seen
	lossy.Observers = []window.ObserverState{{Name: "memory", State: window.Attached}}
	lossy.Observers[0].Lost = 1
	refused.Observers = []window.ObserverState{{Name: "memory", State: window.Refused}}
	dropped.Dropped = 1
	other.Name = "n2"
	gone.Gone = true
	for name, tt := range map[string]struct {
		node window.Node
		want bool
	}{
		"gone":     {gone, false},
		"attached": {seen, true}, "lost events": {lossy, false}, "refused": {refused, false},
		"the probe dropped events": {dropped, false}, "another node": {other, false}, "never attached": {window.Node{Name: "n1"}, false},
	} {
		w := window.New(window.Input{Facts: s.List, Nodes: []window.Node{tt.node}, Now: facts.At(30)})
		since, ok := w.Watched("memory", redis.App())
		if ok != tt.want || ok && !since.Equal(facts.At(1)) {
			t.Errorf("%s: %v since %v", name, ok, since)
		}
	}
}

// A window over a large namespace; look at ns/op and at how it grows.
func BenchmarkWindow(b *testing.B) {
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprint(n, " pods"), func(b *testing.B) {
			s := &facts.Set{}
			for i := range n {
				p := redis
				p.UID, p.Name, p.ContainerID = fmt.Sprint("u", i), fmt.Sprint("redis-", i), fmt.Sprint("c", i)
				s.Pod(p, float64(i%60), facts.State{State: lifecycle.Running, Ready: true})
				s.Usage(p, float64(i%60), 1, 0, 1)
			}
			for b.Loop() {
				s.Window(60, true, redis)
			}
		})
	}
}
