package signals

import (
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers/observertest"
)

func TestLineOf(t *testing.T) {
	tests := map[string]struct {
		line string
		want Logged
		ok   bool
	}{
		"a page that is not there": {"sf[9663]: segfault at 10 ip 000055b0f0c72132 sp 00007ffc35c6e460 error 6 in sf[1132,55b0f0c72000+1000] likely on CPU 1 (core 1, socket 0)",
			Logged{"sf", 9663, SIGSEGV, 1, "0x10"}, true},
		"a page that forbids it": {"a b[7]: segfault at 7f0010000000 ip 00000000004005d4 sp 00007ffd error 7 in x[400000+1000]", Logged{"a b", 7, SIGSEGV, 2, "0x7f0010000000"}, true},
		"no such address":        {"traps: app[8] general protection fault ip:400123 sp:7ffd error:0 in app[400000+1000]", Logged{"app", 8, SIGSEGV, siKernel, ""}, true},
		"no such instruction":    {"traps: app[8] trap invalid opcode ip:400123 sp:7ffd error:0 in app[400000+1000]", Logged{"app", 8, SIGILL, 2, ""}, true},
		"division by zero":       {"traps: app[8] trap divide error ip:400123 sp:7ffd error:0", Logged{"app", 8, SIGFPE, 1, ""}, true},
		"a name that tries":      {"x[1]: segfault at 0 ip 0 sp 0 error 4[9]: segfault at 10 ip 1 sp 2 error 6", Logged{"x", 1, SIGSEGV, 1, "0x0"}, true},
		"no process":             {"app[0]: segfault at 10 ip 1 sp 2 error 6", Logged{}, false},
		"cut off":                {"app[8]: segfault at 10 ip", Logged{}, false},
		"something else":         {"eth0: link up", Logged{}, false},
		"nothing":                {"", Logged{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := LineOf(tt.line); got != tt.want || ok != tt.ok {
				t.Errorf("reads as %+v, %v; expected %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
	ev := Logged{"a", 7, SIGSEGV, 1, "0x10"}.Event(time.Unix(1, 0), "n1", false)
	if _, there := TargetPID.Get(ev); there || Origin.Or(ev, "") != FromKernelLog {
		t.Errorf("a foreign process id is told: %v", ev)
	}
}

func FuzzLineOf(f *testing.F) {
	f.Add("sf[9663]: segfault at 10 ip 000055b0f0c72132 sp 00007ffc35c6e460 error 6 in sf[1132]")
	f.Add("traps: app[8] trap divide error ip:400123 sp:7ffd error:0")
	f.Fuzz(func(t *testing.T, line string) {
		if l, ok := LineOf(line); ok {
			if err := observertest.Check(Spec, l.Event(time.Unix(1, 0), "n", true)); err != nil {
				t.Error(err)
			}
		}
	})
}
