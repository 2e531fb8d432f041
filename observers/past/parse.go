package past

import (
	"strconv"
	"strings"

	"github.com/yairfalse/tapio/observers/event"
)

// counters are the fields by their names in /proc/PID/net/snmp and netstat
// (proc(5)), "GROUP.NAME".
var counters = map[string]event.Field[int64]{
	"Tcp.OutSegs":            SegmentsOut,
	"Tcp.RetransSegs":        Retransmitted,
	"TcpExt.TCPSynRetrans":   SynRetransmits,
	"Tcp.ActiveOpens":        ActiveOpens,
	"Tcp.PassiveOpens":       PassiveOpens,
	"Tcp.AttemptFails":       FailedAttempts,
	"Tcp.EstabResets":        EstabResets,
	"Tcp.OutRsts":            ResetsSent,
	"TcpExt.ListenOverflows": ListenOverflows,
	"TcpExt.ListenDrops":     ListenDrops,
	"TcpExt.TCPTimeouts":     Timeouts,
	"Udp.NoPorts":            UDPNoPorts,
	"Udp.RcvbufErrors":       UDPBufferErrors,
}

// ReadNetwork sets what the text of an snmp or netstat file tells: for each
// group a line of names and a line of numbers, "Tcp: A B" and "Tcp: 1 2". It
// returns how many counters it found.
func ReadNetwork(ev *event.Event, text string) int {
	found := 0
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if _, err := strconv.ParseInt(fields[1], 10, 64); err != nil {
			names = fields
			continue
		}
		if len(names) != len(fields) || names[0] != fields[0] {
			names = nil
			continue
		}
		group := strings.TrimSuffix(fields[0], ":")
		for i := 1; i < len(fields); i++ {
			f, wanted := counters[group+"."+names[i]]
			if n, err := strconv.ParseInt(fields[i], 10, 64); wanted && err == nil && n >= 0 {
				f.Set(ev, n)
				found++
			}
		}
		names = nil
	}
	return found
}

// pairs reads a file of lines "key number".
func pairs(text string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			out[key] = n
		}
	}
	return out
}

// ReadThrottling sets what the cpu.stat file of a cgroup tells; v1 has the time
// in nanoseconds, v2 in microseconds. It returns false when the file has no
// periods.
func ReadThrottling(ev *event.Event, stat string) bool {
	p := pairs(stat)
	n, ok := p["nr_periods"]
	if !ok {
		return false
	}
	Periods.Set(ev, n)
	Throttled.Set(ev, p["nr_throttled"])
	if us, ok := p["throttled_usec"]; ok && us < 1<<53 {
		ThrottledFor.Set(ev, us*1000)
	} else if ns, ok := p["throttled_time"]; ok {
		ThrottledFor.Set(ev, ns)
	}
	return true
}

// ReadLimit sets the CPU limit from quota and period in microseconds: the two
// words of v2's cpu.max, or v1's two files. It returns false for no limit.
func ReadLimit(ev *event.Event, quota, period string) bool {
	q, err := strconv.ParseInt(strings.TrimSpace(quota), 10, 64)
	p, err2 := strconv.ParseInt(strings.TrimSpace(period), 10, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return false
	}
	Limit.Set(ev, float64(q)/float64(p))
	return true
}

// ReadPIDs sets limit and refusals from the files pids.max and pids.events.
func ReadPIDs(ev *event.Event, limit, events string) {
	if n, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err == nil && n > 0 {
		PIDsMax.Set(ev, n)
	}
	if n, ok := pairs(events)["max"]; ok {
		ForksFailed.Set(ev, n)
	}
}

// Times sums up what the schedstat files of threads tell: "RAN WAITED SLICES",
// in nanoseconds.
type Times struct{ Ran, Waited int64 }

// Add takes one schedstat file; one that is not of that form counts nothing.
func (t *Times) Add(schedstat string) {
	fields := strings.Fields(schedstat)
	if len(fields) < 2 {
		return
	}
	ran, err := strconv.ParseInt(fields[0], 10, 64)
	waited, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err == nil && err2 == nil && ran >= 0 && waited >= 0 && t.Ran+ran >= 0 && t.Waited+waited >= 0 {
		t.Ran, t.Waited = t.Ran+ran, t.Waited+waited
	}
}

// statField reads a field of /proc/PID/stat by its number in proc(5), 3 or
// more: they are counted from behind the command's closing bracket.
func statField(stat string, number int) (int64, bool) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= number-3 {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[number-3], 10, 64)
	return n, err == nil && n >= 0
}

// MajorFaultsOf reads the major faults of a process from /proc/PID/stat.
func MajorFaultsOf(stat string) int64 {
	n, _ := statField(stat, 12)
	return n
}

// ParentOf reads the parent of a process from /proc/PID/stat; ok is false when
// it is none that is visible.
func ParentOf(stat string) (pid int64, ok bool) {
	pid, ok = statField(stat, 4)
	return pid, ok && pid > 0
}
