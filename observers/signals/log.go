package signals

import (
	"regexp"
	"strconv"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// Logged is what a line of the kernel log tells of a fault that ended a
// process. The log has no cgroup, so whose process it was is not known.
type Logged struct {
	Comm    string
	PID     int64 // as the kernel numbers it
	Signal  int32
	Code    int32
	Address string // hexadecimal, "" where the line has none
}

// Forms of x86 (arch/x86/mm/fault.c, arch/x86/kernel/traps.c). Other
// architectures log faults only when their administrator asks for it.
var (
	segfaultLine = regexp.MustCompile(`^(.{1,15})\[(\d{1,10})\]: segfault at ([0-9a-f]{1,16}) ip [0-9a-f]+ sp [0-9a-f]+ error ([0-9a-f]{1,8})`)
	trapLine     = regexp.MustCompile(`^traps: (.{1,15})\[(\d{1,10})\] (general protection fault|trap invalid opcode|trap divide error) ip:`)
)

// LineOf reads a line of the kernel log; ok is false for all others.
func LineOf(text string) (l Logged, ok bool) {
	if m := segfaultLine.FindStringSubmatch(text); m != nil {
		pid, err := strconv.ParseInt(m[2], 10, 64)
		bits, err2 := strconv.ParseUint(m[4], 16, 32)
		if err != nil || err2 != nil || pid <= 0 {
			return Logged{}, false
		}
		l = Logged{Comm: m[1], PID: pid, Signal: SIGSEGV, Code: 1, Address: "0x" + m[3]}
		if bits&1 != 0 { // X86_PF_PROT: the page was there
			l.Code = 2
		}
		return l, true
	}
	if m := trapLine.FindStringSubmatch(text); m != nil {
		pid, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || pid <= 0 {
			return Logged{}, false
		}
		l = Logged{Comm: m[1], PID: pid, Signal: SIGSEGV, Code: siKernel}
		switch m[3] {
		case "trap invalid opcode":
			l.Signal, l.Code = SIGILL, 2
		case "trap divide error":
			l.Signal, l.Code = SIGFPE, 1
		}
		return l, true
	}
	return Logged{}, false
}

// Event states the fault. pids says that the log's process ids are also those
// of the probe's namespace.
func (l Logged) Event(at time.Time, node string, pids bool) event.Event {
	ev := event.Event{Kind: Sent, At: at, Count: 1, Refs: []event.Ref{
		{Role: event.Subject, Key: event.NodeKey(node)}, {Role: event.Host, Key: event.NodeKey(node)},
	}}
	Signal.Set(&ev, int64(l.Signal))
	Code.Set(&ev, int64(l.Code))
	Fault.Set(&ev, FaultName(l.Signal, l.Code))
	if l.Address != "" {
		Address.Set(&ev, l.Address)
	}
	Result.Set(&ev, Delivered)
	Sender.Set(&ev, ByKernel)
	TargetComm.Set(&ev, clean(l.Comm))
	if pids {
		TargetPID.Set(&ev, l.PID)
	}
	Origin.Set(&ev, FromKernelLog)
	return ev
}
