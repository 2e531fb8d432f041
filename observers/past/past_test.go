package past

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/observertest"
)

const snmp = `Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 5
IcmpMsg: InType3
IcmpMsg: 2
Tcp: RtoAlgorithm ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts
Tcp: 1 10 20 3 4 1 100 90 7 0 6
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
Udp: 1 2 3 4 5
`

func blank(kind event.Kind) event.Event {
	return event.Event{Kind: kind, At: time.Unix(1, 0), Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey("u")}}}
}

func TestReadNetwork(t *testing.T) {
	tests := map[string]struct {
		text string
		want map[string]int64
	}{
		"snmp": {snmp, map[string]int64{"active_opens": 10, "passive_opens": 20, "failed_attempts": 3, "established_resets": 4, "segments_out": 90,
			"retransmitted": 7, "resets_sent": 6, "udp_no_ports": 2, "udp_buffer_errors": 5}},
		"netstat":               {"TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts TCPSynRetrans\nTcpExt: 0 1 2 3 4\n", map[string]int64{"listen_overflows": 1, "listen_drops": 2, "timeouts": 3, "syn_retransmits": 4}},
		"numbers without names": {"Tcp: 1 2 3\n", nil},
		"fewer numbers":         {"Udp: InDatagrams NoPorts\nUdp: 1\nUdp: NoPorts\nUdp: 9\n", map[string]int64{"udp_no_ports": 9}},
		"not numbers":           {"Udp: NoPorts RcvbufErrors\nUdp: -1 99999999999999999999\n", nil},
		"nothing":               {"", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := blank(Network)
			found := ReadNetwork(&ev, tt.text)
			got := map[string]int64(nil)
			for f, v := range ev.Attrs {
				if got == nil {
					got = map[string]int64{}
				}
				got[f], _ = event.As[int64](v)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || found != len(tt.want) {
				t.Errorf("%d found %s", found, diff)
			}
		})
	}
}

func TestReadCPU(t *testing.T) {
	tests := map[string]struct {
		quota, period, stat      string
		limited, told            bool
		limit                    float64
		periods, throttled, time int64
	}{
		"v1":                  {"20000\n", "100000\n", "nr_periods 30\nnr_throttled 29\nthrottled_time 2012000000\n", true, true, 0.2, 30, 29, 2012000000},
		"v2":                  {"150000", "100000\n", "usage_usec 5\nnr_periods 3\nnr_throttled 1\nthrottled_usec 7\n", true, true, 1.5, 3, 1, 7000},
		"v1 without limit":    {"-1\n", "100000\n", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n", false, true, 0, 0, 0, 0},
		"v2 without limit":    {"max", "100000", "usage_usec 5\n", false, false, 0, 0, 0, 0},
		"period of nothing":   {"1000", "0", "", false, false, 0, 0, 0, 0},
		"time that overflows": {"1000", "1000", "nr_periods 1\nthrottled_usec 9223372036854775807\n", true, true, 1, 1, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := blank(CPU)
			limited, told := ReadLimit(&ev, tt.quota, tt.period), ReadThrottling(&ev, tt.stat)
			if limited != tt.limited || told != tt.told || Limit.Or(ev, 0) != tt.limit || Periods.Or(ev, 0) != tt.periods ||
				Throttled.Or(ev, 0) != tt.throttled || ThrottledFor.Or(ev, 0) != tt.time {
				t.Errorf("limited %v, told %v: %v", limited, told, ev.Attrs)
			}
		})
	}
}

func TestReadTasks(t *testing.T) {
	ev := blank(Tasks)
	ReadPIDs(&ev, "1024\n", "max 3\n")
	if PIDsMax.Or(ev, 0) != 1024 || ForksFailed.Or(ev, 0) != 3 {
		t.Errorf("%v", ev.Attrs)
	}
	ev = blank(Tasks)
	ReadPIDs(&ev, "max\n", "")
	if len(ev.Attrs) != 0 {
		t.Errorf("no limit reads as %v", ev.Attrs)
	}
	var times Times
	for _, s := range []string{"100 50 3\n", "1 2 3", "x 5 1", "-5 1 1", "9223372036854775807 1 1", ""} {
		times.Add(s)
	}
	if times != (Times{101, 52}) {
		t.Errorf("times %+v", times)
	}
	stat := "12 (a) b) S 7 12 12 0 -1 4194560 100 0 42 0 1 2"
	if n := MajorFaultsOf(stat); n != 42 {
		t.Errorf("%d major faults", n)
	}
	if pid, ok := ParentOf(stat); !ok || pid != 7 {
		t.Errorf("parent %d, %v", pid, ok)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S", "1 (x) S 0 1"} {
		if pid, ok := ParentOf(bad); ok || MajorFaultsOf(bad) != 0 {
			t.Errorf("%q has the parent %d", bad, pid)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(snmp, "nr_periods 30\nnr_throttled 29\nthrottled_usec 5\n", "max 100000", "1 2 3")
	f.Fuzz(func(t *testing.T, net, stat, limit, sched string) {
		ev := blank(Network)
		ReadNetwork(&ev, net)
		if err := observertest.Check(Spec, ev); err != nil {
			t.Error(err)
		}
		ev = blank(CPU)
		ReadLimit(&ev, limit, sched)
		ReadThrottling(&ev, stat)
		if err := observertest.Check(Spec, ev); err != nil {
			t.Error(err)
		}
		var times Times
		times.Add(sched)
		ev = blank(Tasks)
		ReadPIDs(&ev, limit, stat)
		if err := observertest.Check(Spec, ev); err != nil || times.Ran < 0 || times.Waited < 0 || MajorFaultsOf(stat) < 0 {
			t.Error(err, times)
		}
		ParentOf(stat)
	})
}
