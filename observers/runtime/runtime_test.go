package runtime

import (
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

func TestEnded(t *testing.T) {
	base := Process{At: time.Unix(100, 0), Node: "n1", PodUID: "p1", ContainerID: "c1", Path: "/x", PID: 500, NSPID: 1, Comm: "server", Main: true}
	tests := map[string]struct {
		status       uint32
		oom          bool
		signal, code int64 // -1: absent
		core         bool
	}{
		"exit 0":                   {0, false, -1, 0, false},
		"exit 3":                   {3 << 8, false, -1, 3, false},
		"exit 137 by itself":       {137 << 8, false, -1, 137, false},
		"SIGKILL":                  {9, false, 9, -1, false},
		"SIGKILL of the OOM":       {9, true, 9, -1, false},
		"SIGSEGV with a core":      {11 | 0x80, false, 11, -1, true},
		"bits that no kernel sets": {0xffffffff, false, 0x7f, -1, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := base.Ended(tt.status, tt.oom, time.Second)
			if err := observertest.Check(Spec, ev); err != nil {
				t.Error(err)
			}
			if Signal.Or(ev, -1) != tt.signal || Code.Or(ev, -1) != tt.code || Core.Or(ev, false) != tt.core || OOM.Or(ev, false) != tt.oom {
				t.Errorf("status %#x reads as %v", tt.status, ev.Attrs)
			}
			if ev.Subject() != event.CgroupKey("p1", "c1") || !Main.Or(ev, false) || Life.Or(ev, 0) != int64(time.Second) {
				t.Errorf("about %v: %v", ev.Subject(), ev.Attrs)
			}
		})
	}
}

func TestStarted(t *testing.T) {
	p := Process{At: time.Unix(100, 0), Node: "n1", Path: "/system.slice/x", Comm: "a\xff"}
	ev := p.Started("/bin/\xfe")
	if err := observertest.Check(Spec, ev); err != nil {
		t.Error(err)
	}
	if Program.Or(ev, "") != "/bin/\uFFFD" || ev.Subject() != (event.Key{Type: event.Cgroup, ID: "/system.slice/x"}) {
		t.Errorf("%v of %v", ev.Attrs, ev.Subject())
	}
	if _, there := PID.Get(ev); there {
		t.Error("a process without number has one")
	}
}

func TestMains(t *testing.T) {
	var m Mains
	if m.Is(1, 0) || m.Is(1, 5) {
		t.Error("a container nobody told of has a first process")
	}
	m.Seed(1, 10)
	m.Seed(1, 11) // a later look must not replace it
	m.Seed(2, 0)
	tests := map[string]struct {
		cgroup uint64
		pid    int64
		want   bool
	}{
		"known before":         {1, 10, true},
		"exec in a container":  {1, 12, false},
		"first of a new one":   {3, 20, true},
		"it starts a program":  {3, 20, true},
		"a probe in a new one": {3, 21, false},
		"without a number":     {4, 0, false},
	}
	for _, name := range []string{"known before", "exec in a container", "first of a new one", "it starts a program", "a probe in a new one", "without a number"} {
		tt := tests[name]
		if got := m.Started(tt.cgroup, tt.pid); got != tt.want {
			t.Errorf("%s: process %d of cgroup %d is the first: %v", name, tt.pid, tt.cgroup, got)
		}
	}
	m.Keep(map[uint64]bool{3: true})
	if m.Is(1, 10) || !m.Is(3, 20) {
		t.Error("what ended is kept, or what runs is not")
	}
}

func TestIsRuntime(t *testing.T) {
	for _, tt := range []struct {
		comm, program string
		want          bool
	}{
		{"runc:[2:INIT]", "", true},
		{"exe", "/proc/self/exe", true},
		{"6", "/proc/self/fd/6", true},
		{"sh", "/bin/sh", false},
		{"server", "", false},
	} {
		if got := IsRuntime(tt.comm, tt.program); got != tt.want {
			t.Errorf("%q %q is the runtime: %v", tt.comm, tt.program, got)
		}
	}
}

func FuzzEnded(f *testing.F) {
	f.Add(uint32(9), "sh", "/x", int64(5))
	f.Fuzz(func(t *testing.T, status uint32, comm, program string, life int64) {
		p := Process{At: time.Unix(1, 0), Node: "n", Path: "/x", PID: 1, Comm: comm}
		for _, ev := range []event.Event{p.Ended(status, true, time.Duration(life)), p.Started(program)} {
			if err := observertest.Check(Spec, ev); err != nil {
				t.Error(err)
			}
		}
	})
}
