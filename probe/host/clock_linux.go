package host

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// steady is the difference between two readings of the offset between the
// clocks below which it counts as unchanged: reading them takes time, and a
// stamp must not get two wall times for that.
const steady = time.Millisecond

// clock relates CLOCK_BOOTTIME, which kernel programs stamp with, to wall time.
type clock struct {
	mu     sync.Mutex
	offset time.Duration // wall minus boot, as Unix nanoseconds
	known  bool
}

// Clock reads both clocks of the node at one moment: the wall clock, and the
// time since boot with suspends included (CLOCK_BOOTTIME).
func (h *Host) Clock() (wall time.Time, boot time.Duration) {
	boot, offset, err := h.clock.read()
	if err != nil { // Open read them already, so the kernel has both clocks
		return time.Now(), 0
	}
	return time.Unix(0, int64(offset+boot)), boot
}

// Wall turns a stamp of CLOCK_BOOTTIME into wall time. It uses the offset of
// this moment, not that of the stamp: after a step of the wall clock all stamps
// are told by the corrected clock, and their order stays what it was.
func (h *Host) Wall(boot time.Duration) time.Time {
	_, offset, err := h.clock.read()
	if err != nil {
		return time.Now()
	}
	return time.Unix(0, int64(offset+boot))
}

// read takes the tightest of a few readings, so that a preemption between the
// two clocks does not count as an offset.
func (c *clock) read() (boot, offset time.Duration, err error) {
	best := time.Duration(-1)
	for range 3 {
		before, err := gettime(unix.CLOCK_BOOTTIME)
		if err != nil {
			return 0, 0, err
		}
		wall, err := gettime(unix.CLOCK_REALTIME)
		if err != nil {
			return 0, 0, err
		}
		after, err := gettime(unix.CLOCK_BOOTTIME)
		if err != nil {
			return 0, 0, err
		}
		if gap := after - before; best < 0 || gap < best {
			best, boot, offset = gap, after, wall-(before+gap/2)
		}
	}
	return boot, c.settle(offset), nil
}

// settle keeps the offset of before while the new one says the same.
func (c *clock) settle(offset time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || (offset-c.offset).Abs() > steady {
		c.offset, c.known = offset, true
	}
	return c.offset
}

func gettime(id int32) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
