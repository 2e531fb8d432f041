package node

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
	"github.com/yairfalse/tapio/observers/signals"
	"github.com/yairfalse/tapio/probe/host"
)

const uid = "00000000-0000-4000-8000-000000000001"

// sent is a record of a kill in a container.
func sent(global uint32, kernel bool, boot time.Duration) bpfSent {
	s := bpfSent{BootNs: uint64(boot), Sig: signals.SIGKILL, Syscall: -1, TargetGlobal: global}
	if kernel {
		s.FromKernel = 1
	}
	s.TargetPid.Asked, s.TargetPid.Own = global, 1
	for i, name := range []string{observertest.ContainerID, "pod" + uid, "kubepods", ""} {
		copy(s.Target.Name[i][:], name)
	}
	s.Target.Depth = 4
	return s
}

func encode(t testing.TB, s bpfSent) []byte {
	t.Helper()
	raw, err := binary.Append(nil, binary.NativeEndian, &s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func observerFor(t testing.TB) *observer {
	t.Helper()
	h, err := host.Open(host.Config{Node: "n1", PodUIDs: []string{uid}})
	if err != nil {
		t.Fatal(err)
	}
	return &observer{host: h, marks: true}
}

func TestDecodeRefuses(t *testing.T) {
	deep := sent(1, false, 1)
	deep.Sender.Depth = 99
	for name, raw := range map[string][]byte{"empty": nil, "short": make([]byte, 16), "too deep": encode(t, deep)} {
		if s, err := decode(raw); err == nil {
			t.Errorf("%s: decoded as %v", name, s)
		} else if !strings.Contains(err.Error(), "the kernel program sent") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A kill by the kernel waits for the mark of the OOM killer, others do not.
func TestHeldForTheMark(t *testing.T) {
	mark := bpfSent{What: isOOMMark, TargetGlobal: 7, Syscall: -1}
	tests := map[string]struct {
		records []bpfSent
		want    string // senders in order
	}{
		"marked":                  {[]bpfSent{sent(7, true, 1), mark}, "oom_killer"},
		"not marked":              {[]bpfSent{sent(8, true, 1), mark}, "kernel"},
		"another before the mark": {[]bpfSent{sent(7, true, 1), sent(9, false, 2), mark}, "host oom_killer"},
		"held long enough":        {[]bpfSent{sent(7, true, 1), sent(9, false, 2+holdFor)}, "kernel host"},
		"a mark alone":            {[]bpfSent{mark}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := observerFor(t)
			var got []string
			send := func(ev event.Event) {
				if err := observertest.Check(signals.Spec, ev); err != nil {
					t.Error(err)
				}
				got = append(got, signals.Sender.Or(ev, ""))
			}
			for _, r := range tt.records {
				if err := o.record(encode(t, r), send); err != nil {
					t.Fatal(err)
				}
			}
			o.release(0, send)
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("senders are %q, expected %q", s, tt.want)
			}
		})
	}
}

func TestOnlyTheRunsPods(t *testing.T) {
	o := observerFor(t)
	other := sent(7, false, 1)
	copy(other.Target.Name[1][:], "pod00000000-0000-4000-8000-000000000002")
	back := sent(7, false, 1)
	back.Sender, back.Target = back.Target, other.Target
	n := 0
	for _, r := range []bpfSent{other, back} {
		if err := o.record(encode(t, r), func(event.Event) { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Errorf("%d of two signals are told, expected the one that a pod of the run sent", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, sent(7, true, 1)))
	f.Add(encode(f, bpfSent{What: isOOMMark}))
	o := observerFor(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		send := func(ev event.Event) {
			if err := observertest.Check(signals.Spec, ev); err != nil {
				t.Error(err)
			}
		}
		if o.record(raw, send) == nil {
			o.release(0, send)
		}
	})
}
