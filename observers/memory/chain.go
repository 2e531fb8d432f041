package memory

import "strings"

// chargeBatch is how many pages the kernel charges at once and keeps for a CPU
// (MEMCG_CHARGE_BATCH): so far below its limit a cgroup can be and still fail
// to get one page more.
const chargeBatch = 64

// noLimit is below what "no limit" is in pages of any size: PAGE_COUNTER_MAX,
// which is 2^63 bytes in pages of up to 64 KiB.
const noLimit = 1 << 46

// Level is one memory cgroup of a chain that leads from a task's own to the
// root of the hierarchy.
type Level struct {
	ID      uint64 // inode of the cgroup's directory
	Name    string // last element of its path
	Usage   uint64 // pages charged
	Max     uint64 // pages allowed
	Failcnt uint64 // how often a charge met Max
	OOM     bool   // the kernel is killing for it or for one above it (mem_cgroup.oom_lock)
}

// Limited tells whether the cgroup has a limit at all.
func (l Level) Limited() bool { return l.Max < noLimit }

// Chain is a task's memory cgroup (first) and all above it.
type Chain []Level

// Path is the path of level i from the root of the hierarchy. cut says that the
// chain ends below the root.
func (c Chain) Path(i int, cut bool) string {
	var names []string
	for ; i < len(c); i++ {
		if n := strings.Trim(c[i].Name, "/"); n != "" {
			names = append(names, n)
		}
	}
	if cut {
		names = append(names, "...")
	}
	for a, b := 0, len(names)-1; a < b; a, b = a+1, b-1 {
		names[a], names[b] = names[b], names[a]
	}
	return "/" + strings.Join(names, "/")
}

// Limiting finds the level whose limit an OOM kill of a task in the chain is
// for; ok is false when it is none, so that the node itself ran out of memory.
//
// While the kernel kills for a cgroup, that cgroup and all below it hold
// oom_lock, so the highest one that holds it is the answer (mem_cgroup_oom).
// oomKnown says that this kernel has the lock. A kill because a limit was
// lowered below what is charged does not take it (memory_max_write): there the
// charge exceeds the limit, as it else does only for the instant in which a
// charge fails. Without the lock the lowest cgroup that has no room for another
// batch of pages is the answer.
func (c Chain) Limiting(oomKnown bool) (i int, ok bool) {
	if oomKnown {
		for i := len(c) - 1; i >= 0; i-- {
			if c[i].OOM && c[i].Limited() {
				return i, true
			}
		}
	}
	for i, l := range c {
		full := l.Usage+chargeBatch >= l.Max
		if oomKnown {
			full = l.Usage > l.Max
		}
		if l.Limited() && full {
			return i, true
		}
	}
	return 0, false
}
