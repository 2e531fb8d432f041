package signals

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

func proc(pod, container string, pid int64, comm string) Process {
	path := "/system.slice/" + comm
	if pod != "" {
		path = "/kubepods/" + pod + "/" + container
	}
	return Process{PodUID: pod, ContainerID: container, Path: path, PID: pid, NSPID: pid - 100, Comm: comm}
}

func TestWho(t *testing.T) {
	target := proc("p1", "c1", 500, "server")
	tests := map[string]struct {
		sender Process
		want   string
	}{
		"itself":                            {target, BySelf},
		"the same container":                {proc("p1", "c1", 501, "sh"), ByContainer},
		"another container of the pod":      {proc("p1", "c2", 501, "sh"), ByPod},
		"another pod":                       {proc("p2", "c3", 501, "sh"), ByOtherPod},
		"the shim":                          {proc("", "", 501, "containerd-shim"), ByRuntime},
		"runc":                              {proc("", "", 501, "runc"), ByRuntime},
		"runc on its way in":                {proc("", "", 501, "runc:[2:INIT]"), ByRuntime},
		"CRI-O's monitor in the pod":        {Process{PodUID: "p1", Path: "/kubepods/p1/crio-conmon-x", PID: 501, Comm: "conmon"}, ByRuntime},
		"a container that calls itself so":  {proc("p2", "c3", 501, "runc"), ByOtherPod},
		"the kubelet":                       {proc("", "", 501, "kubelet"), ByKubelet},
		"a container that says kubelet":     {proc("p2", "c3", 501, "kubelet"), ByOtherPod},
		"somebody on the node":              {proc("", "", 501, "bash"), ByHost},
		"a name that only begins so":        {proc("", "", 501, "runcible"), ByHost},
		"no numbers known, another process": {Process{Path: "/", Comm: "x"}, ByHost},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Who(tt.sender, target); got != tt.want {
				t.Errorf("the sender is %q, expected %q", got, tt.want)
			}
		})
	}
	if got := Who(Process{Path: "/"}, Process{Path: "/"}); got == BySelf {
		t.Error("two processes without numbers are taken for one")
	}
}

func TestFaultName(t *testing.T) {
	tests := []struct {
		signal, code int32
		want         string
		address      bool
	}{
		{SIGSEGV, 1, "SEGV_MAPERR", true},
		{SIGSEGV, 2, "SEGV_ACCERR", true},
		{SIGSEGV, 0x80, "SI_KERNEL", false},
		{SIGSEGV, 0, "", false},  // kill(2)
		{SIGSEGV, -6, "", false}, // tgkill(2)
		{SIGSEGV, 99, "code 99", true},
		{SIGBUS, 2, "BUS_ADRERR", true},
		{SIGILL, 2, "ILL_ILLOPN", true},
		{SIGFPE, 1, "FPE_INTDIV", true},
		{SIGSYS, 1, "SYS_SECCOMP", false},
		{SIGKILL, 1, "", false},
		{-5, 1, "", false},
	}
	for _, tt := range tests {
		if got := FaultName(tt.signal, tt.code); got != tt.want || hasAddress(tt.signal, tt.code) != tt.address {
			t.Errorf("signal %d code %d is %q, address %v; expected %q, %v", tt.signal, tt.code, got, !tt.address, tt.want, tt.address)
		}
	}
}

func TestEvent(t *testing.T) {
	base := Signalled{
		At: time.Unix(100, 0), Node: "n1", Signal: SIGKILL, Syscall: -1, Life: time.Second,
		Target: proc("p1", "c1", 500, "server"), From: proc("p1", "c2", 501, "s\xffh"),
	}
	tests := map[string]struct {
		change func(*Signalled)
		refs   []event.Role
		want   map[string]any
		hasNot []string
	}{
		"killed by a sibling": {func(*Signalled) {}, []event.Role{event.Subject, event.Owner, event.Culprit, event.Host},
			map[string]any{"sender": ByPod, "sender_comm": "s\uFFFDh", "result": Delivered, "disposition": ByDefault, "target_ns_pid": int64(400)}, []string{"fault", "address", "syscall", "dying"}},
		"by the kernel": {func(s *Signalled) { s.Kernel = true }, []event.Role{event.Subject, event.Owner, event.Host},
			map[string]any{"sender": ByKernel}, []string{"sender_comm", "sender_pid"}},
		"by the OOM killer": {func(s *Signalled) { s.Kernel, s.OOM = true, true }, []event.Role{event.Subject, event.Owner, event.Host},
			map[string]any{"sender": ByOOMKiller}, []string{"sender_comm"}},
		"a fault": {func(s *Signalled) { s.Kernel, s.Signal, s.Code, s.Address = true, SIGSEGV, 1, 0x10 }, []event.Role{event.Subject, event.Owner, event.Host},
			map[string]any{"fault": "SEGV_MAPERR", "address": "0x10"}, nil},
		"of a filter": {func(s *Signalled) { s.Kernel, s.Signal, s.Code, s.Syscall = true, SIGSYS, 1, 435 }, []event.Role{event.Subject, event.Owner, event.Host},
			map[string]any{"fault": "SYS_SECCOMP", "syscall": int64(435)}, []string{"address"}},
		"too late": {func(s *Signalled) { s.Result, s.Dying = 1, true }, []event.Role{event.Subject, event.Owner, event.Culprit, event.Host},
			map[string]any{"result": Ignored, "dying": true}, nil},
		"the one that ends it": {func(s *Signalled) { s.Dying = true }, []event.Role{event.Subject, event.Owner, event.Culprit, event.Host},
			map[string]any{"result": Delivered}, []string{"dying"}},
		"out of a pod": {func(s *Signalled) { s.Target = proc("", "", 600, "sshd") }, []event.Role{event.Subject, event.Culprit, event.Host},
			map[string]any{"sender": ByOtherPod}, nil},
		"numbers not known": {func(s *Signalled) { s.Target.PID, s.Target.NSPID, s.From.PID = 0, 0, 0 }, []event.Role{event.Subject, event.Owner, event.Culprit, event.Host},
			nil, []string{"target_pid", "target_ns_pid", "sender_pid"}},
		"a result of a later kernel": {func(s *Signalled) { s.Result, s.Disposition = 77, 9 }, []event.Role{event.Subject, event.Owner, event.Culprit, event.Host},
			nil, []string{"result", "disposition"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := base
			tt.change(&s)
			ev := s.Event()
			if err := observertest.Check(Spec, ev); err != nil {
				t.Error(err)
			}
			var roles []event.Role
			for _, r := range ev.Refs {
				roles = append(roles, r.Role)
			}
			if diff := cmp.Diff(tt.refs, roles); diff != "" {
				t.Error(diff)
			}
			for f, want := range tt.want {
				got := ev.Attrs[f]
				if got.Type() == "" || got.String() != value(want) {
					t.Errorf("%s is %q, expected %v", f, got, want)
				}
			}
			for _, f := range tt.hasNot {
				if v, there := ev.Attrs[f]; there {
					t.Errorf("%s is told: %v", f, v)
				}
			}
		})
	}
}

func value(v any) string {
	switch v := v.(type) {
	case string:
		return event.ValueOf(v).String()
	case int64:
		return event.ValueOf(v).String()
	case bool:
		return event.ValueOf(v).String()
	}
	return ""
}

func FuzzEvent(f *testing.F) {
	f.Add(int32(11), int32(1), int32(0), uint8(0), uint64(16), int32(-1), "sh", "/kubepods/x", "p", "c")
	f.Fuzz(func(t *testing.T, sig, code, result int32, disposition uint8, address uint64, syscall int32, comm, path, pod, container string) {
		p := Process{PodUID: event.PodKey(pod).ID, ContainerID: container, Path: "/" + clean(path), Comm: comm}
		p.PodUID, p.ContainerID = clean(p.PodUID), clean(p.ContainerID)
		for _, kernel := range []bool{false, true} {
			ev := Signalled{At: time.Unix(1, 0), Node: "n", Signal: sig, Code: code, Result: result, Disposition: disposition,
				Address: address, Syscall: syscall, Target: p, From: p, Kernel: kernel}.Event()
			if err := observertest.Check(Spec, ev); err != nil {
				t.Error(err)
			}
		}
	})
}
