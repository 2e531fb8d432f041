package host

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/yairfalse/tapio/observers"
)

func TestBudget(t *testing.T) {
	b := Budget{PerSecond: 2}
	at := time.Unix(100, 0)
	for i, want := range []bool{true, true, false, false} {
		if got := b.Pass(at.Add(time.Duration(i) * time.Millisecond)); got != want {
			t.Errorf("event %d passes: %v", i, got)
		}
	}
	if !b.Pass(at.Add(time.Second)) {
		t.Error("the next second has no room")
	}
}

// tracer is a program that does nothing on a tracepoint.
func tracer(tracepoint string) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{
		Name: "tapio_test", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
}

func object(programs map[string]*ebpf.ProgramSpec) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{ringMap: {Name: ringMap, Type: ebpf.RingBuf, MaxEntries: 4096}},
		Programs: programs,
	}
}

// A program that the kernel refuses does not stop the others.
func TestAttachEachForItself(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h, err := Open(Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]observers.Need{
		"good": {Type: observers.Hook, Name: "tp_btf/signal_generate"}, "bad": {Type: observers.Hook, Name: "tp_btf/no_such_tracepoint"},
	}
	if err := h.TryTracepoint("signal_generate"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	tests := map[string]struct {
		programs map[string]*ebpf.ProgramSpec
		attached []string
		refused  string // names of needs
		fails    bool
	}{
		"all":                 {map[string]*ebpf.ProgramSpec{"good": tracer("signal_generate")}, []string{"good"}, "", false},
		"one is refused":      {map[string]*ebpf.ProgramSpec{"good": tracer("signal_generate"), "bad": tracer("no_such_tracepoint")}, []string{"good"}, "tp_btf/no_such_tracepoint", false},
		"all are refused":     {map[string]*ebpf.ProgramSpec{"bad": tracer("no_such_tracepoint")}, nil, "tp_btf/no_such_tracepoint", true},
		"nobody knows a need": {map[string]*ebpf.ProgramSpec{"other": tracer("signal_generate")}, nil, "", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, refused, err := h.Attach(object(tt.programs), needs)
			if (err != nil) != tt.fails {
				t.Fatalf("error is %v", err)
			}
			var names []string
			for _, u := range refused {
				names = append(names, u.Need.Name)
			}
			if got := strings.Join(names, " "); got != tt.refused {
				t.Errorf("refused %q, expected %q", got, tt.refused)
			}
			if err != nil {
				return
			}
			for name := range tt.programs {
				want := len(tt.attached) > 0 && tt.attached[0] == name
				if p.Attached(name) != want {
					t.Errorf("%s is attached: %v", name, !want)
				}
			}
			if c := p.Cost(); c.Bytes < 4096 || c.Lost != 0 {
				t.Errorf("cost %+v", c)
			}
			p.Detach()
			p.Close()
			p.Close() // twice is harmless, and the cost stays known
			if c := p.Cost(); c.Bytes < 4096 {
				t.Errorf("cost after the end %+v", c)
			}
		})
	}
}

func TestStarted(t *testing.T) {
	h, err := Open(Config{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	at, ok := h.Started(os.Getpid())
	if age := time.Since(at); !ok || age < -time.Second || age > time.Hour {
		t.Errorf("this process was started at %v, %v", at, ok)
	}
	if at, ok := h.Started(1 << 30); ok {
		t.Errorf("a process that is not there was started at %v", at)
	}
}
