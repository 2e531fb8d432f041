package agent

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCost reads the CPU time (getrusage) and the resident bytes
// (/proc/self/statm, second field, in pages) of this process; what the kernel
// does not tell is 0.
func ProcessCost() (cpu time.Duration, rss uint64) {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) == nil {
		cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		rss = residentPages(b) * uint64(os.Getpagesize())
	}
	return cpu, rss
}

// residentPages reads the second field of a statm file.
func residentPages(statm []byte) uint64 {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
