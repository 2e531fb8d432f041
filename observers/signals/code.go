package signals

import "strconv"

// faults name the codes that the kernel gives a fault, from 1 on, by signal
// (include/uapi/asm-generic/siginfo.h).
var faults = map[int32][]string{
	SIGILL:  {"ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG", "ILL_COPROC", "ILL_BADSTK"},
	SIGFPE:  {"FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB"},
	SIGSEGV: {"SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"},
	SIGBUS:  {"BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"},
	SIGTRAP: {"TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT"},
	SIGSYS:  {"SYS_SECCOMP", "SYS_USER_DISPATCH"},
}

// siKernel is SI_KERNEL: the kernel gives no further reason. A general
// protection fault reads so, for example an address outside of the canonical
// range.
const siKernel = 0x80

// FaultName is what the code says of a fault, "" when the signal is none or a
// process sent it.
func FaultName(signal, code int32) string {
	names, fault := faults[signal]
	switch {
	case !fault || code <= 0:
		return ""
	case code == siKernel:
		return "SI_KERNEL"
	case int(code) <= len(names):
		return names[code-1]
	}
	return "code " + strconv.Itoa(int(code))
}

// hasAddress tells whether the kernel gives the address with this code.
func hasAddress(signal, code int32) bool {
	return FaultName(signal, code) != "" && code != siKernel && signal != SIGSYS
}

func hex(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

// traceIgnored is TRACE_SIGNAL_IGNORED.
const traceIgnored = 1

func resultName(r int32) string {
	switch r {
	case 0:
		return Delivered
	case traceIgnored:
		return Ignored
	case 2:
		return Pending
	case 3, 4: // no memory for it, or its information lost
		return Lost
	}
	return ""
}

func dispositionName(d uint8) string {
	switch d {
	case 0:
		return ByDefault
	case 1:
		return IsIgnored
	case 2:
		return IsHandled
	}
	return ""
}
