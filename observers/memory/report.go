package memory

import (
	"strconv"
	"strings"
	"time"
)

// pendingMax bounds the victims that were named and whose kill was not yet
// seen. The kernel kills one after the other, so more are debris.
const pendingMax = 64

// pidsMax bounds the members of a group that are remembered.
const pidsMax = 100_000

// groupGap is how long the kernel at most needs from one kill of a group to the
// next; a later one without a report of its own is of somebody else.
const groupGap = 100 * time.Millisecond

// lineMax bounds a line that is put together from fragments.
const lineMax = 4096

// Line is one line of the kernel log.
type Line struct {
	At        time.Duration // stamp of the log, about the time since boot
	Continues bool          // a fragment that goes on where an earlier line stopped
	Text      string
}

// Report is what the kernel log says about one OOM kill. Paths are empty, and
// numbers -1, where the log does not say.
type Report struct {
	At time.Duration // when the kill was logged

	PID         int64 // of the victim, in the kernel's first pid namespace
	Comm        string
	Anon        int64 // bytes
	File        int64 // bytes
	Shmem       int64 // bytes
	OOMScoreAdj int64
	ScoreKnown  bool
	TaskMemcg   string // path of the victim's memory cgroup

	TriggerPID  int64
	TriggerComm string

	NodeWide  bool   // no cgroup's limit was the reason
	LimitPath string // path of the cgroup whose limit was
	Usage     int64  // bytes charged to it
	Limit     int64  // bytes
	Failcnt   int64
}

// Reader puts the OOM reports of a kernel log together from its lines
// (mm/oom_kill.c and mm/memcontrol.c: dump_header, mem_cgroup_print_oom_context,
// __oom_kill_process; the forms of 5.x to 6.x). Lines of other things may stand
// between them. The zero value is ready.
type Reader struct {
	current Report           // the report that is being printed
	open    bool             // current has begun
	pending map[int64]Report // victims that a report named, by pid
	last    Report           // the last kill
	group   group            // the cgroup that is being killed as a whole
	summary string           // a summary line that stopped in its middle
}

// group is a cgroup whose processes all die together.
type group struct {
	path   string
	report Report         // what the kills have in common
	at     time.Duration  // stamp of its newest line
	pids   map[int64]bool // killed so far; the kernel names the first one twice
}

// Add takes the next line. done is true when it ends a report: the kernel said
// that it killed.
func (r *Reader) Add(l Line) (rep Report, done bool) {
	if l.Continues {
		if r.summary == "" || len(r.summary)+len(l.Text) > lineMax {
			return Report{}, false
		}
		r.summary += l.Text
		if !complete(r.summary) {
			return Report{}, false
		}
		l.Text, r.summary = r.summary, ""
	}
	switch {
	case strings.HasPrefix(l.Text, "oom-kill:constraint="):
		if !complete(l.Text) {
			r.summary = l.Text
			return Report{}, false
		}
		r.victim(l.Text)
	case strings.Contains(l.Text, " invoked oom-killer: "):
		r.begin(l.Text)
	case strings.HasPrefix(l.Text, "CPU: "):
		r.cpu(l.Text)
	case strings.HasPrefix(l.Text, "memory: usage "):
		r.usage(l.Text)
	case strings.HasPrefix(l.Text, "Tasks in "):
		r.groupKill(l)
	case strings.Contains(l.Text, ": Killed process "):
		return r.killed(l)
	}
	return Report{}, false
}

func blank() Report {
	return Report{PID: -1, Anon: -1, File: -1, Shmem: -1, TriggerPID: -1, Usage: -1, Limit: -1, Failcnt: -1}
}

// begin reads "COMM invoked oom-killer: gfp_mask=..., order=0, oom_score_adj=0".
func (r *Reader) begin(text string) {
	comm := text[:strings.LastIndex(text, " invoked oom-killer: ")]
	r.current, r.open, r.group = blank(), true, group{}
	r.current.TriggerComm = comm
}

// cpu reads "CPU: 1 [UID: 0] PID: 1234 Comm: NAME ...": the trigger, of whom
// the first line of the report says the name only.
func (r *Reader) cpu(text string) {
	if !r.open || r.current.TriggerPID >= 0 {
		return
	}
	head, comm, ok := strings.Cut(text, " Comm: ")
	_, pid, found := strings.Cut(head, " PID: ")
	if n, err := strconv.ParseInt(pid, 10, 32); ok && found && err == nil && strings.HasPrefix(comm, r.current.TriggerComm) {
		r.current.TriggerPID = n
	}
}

// usage reads "memory: usage 51200kB, limit 51200kB, failcnt 30".
func (r *Reader) usage(text string) {
	if !r.open {
		return
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "memory: "), ", ") {
		name, value, _ := strings.Cut(part, " ")
		switch name {
		case "usage":
			r.current.Usage = kilobytes(value)
		case "limit":
			r.current.Limit = kilobytes(value)
		case "failcnt":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
				r.current.Failcnt = n
			}
		}
	}
}

// complete tells whether a summary line has its end, ",pid=N,uid=N".
func complete(text string) bool {
	rest, uid, ok := cutLast(text, ",uid=")
	if !ok || !digits(uid) {
		return false
	}
	_, pid, ok := cutLast(rest, ",pid=")
	return ok && digits(pid)
}

// victim reads "oom-kill:constraint=...,nodemask=...,cpuset=...,mems_allowed=...,
// [oom_memcg=PATH|global_oom],task_memcg=PATH,task=COMM,pid=N,uid=N". A comm can
// hold anything, so it is cut off from the right and the rest from the left.
func (r *Reader) victim(text string) {
	rep := blank()
	if r.open {
		rep = r.current
	}
	head, _, _ := cutLast(text, ",uid=")
	head, pid, _ := cutLast(head, ",pid=")
	rep.PID, _ = strconv.ParseInt(pid, 10, 32)
	head, task, _ := strings.Cut(head, ",task_memcg=")
	rep.TaskMemcg, rep.Comm, _ = strings.Cut(task, ",task=")
	constraint, _, _ := strings.Cut(strings.TrimPrefix(head, "oom-kill:constraint="), ",")
	if constraint == "CONSTRAINT_MEMCG" {
		_, rep.LimitPath, _ = strings.Cut(head, ",oom_memcg=")
	} else {
		rep.NodeWide = true
		rep.Usage, rep.Limit, rep.Failcnt = -1, -1, -1
	}
	if r.pending == nil || len(r.pending) >= pendingMax {
		r.pending = map[int64]Report{}
	}
	r.pending[rep.PID] = rep
	r.open = false
}

// groupKill reads "Tasks in PATH are going to be killed due to
// memory.oom.group set": it follows the first kill, and the kills that follow
// it at once are all in that cgroup.
func (r *Reader) groupKill(l Line) {
	path, ok := strings.CutSuffix(strings.TrimPrefix(l.Text, "Tasks in "), " are going to be killed due to memory.oom.group set")
	if ok {
		r.group = group{path: path, report: r.last, at: l.At, pids: map[int64]bool{r.last.PID: true}}
	}
}

// member tells whether a kill without a report of its own is one of the group.
func (g *group) member(at time.Duration) bool {
	return g.path != "" && at >= g.at && at-g.at < groupGap
}

// killed reads "REASON: Killed process 1234 (COMM) total-vm:...kB,
// anon-rss:...kB, file-rss:...kB, shmem-rss:...kB, UID:0 pgtables:...kB
// oom_score_adj:0". The kernel says it for every kill; the rest of a report only
// when it has not said so much lately.
func (r *Reader) killed(l Line) (Report, bool) {
	reason, rest, _ := strings.Cut(l.Text, ": Killed process ")
	pidText, rest, ok := strings.Cut(rest, " (")
	pid, err := strconv.ParseInt(pidText, 10, 32)
	comm, sizes, found := cutLast(rest, ") total-vm:")
	if !ok || !found || err != nil || pid < 0 {
		return Report{}, false
	}
	rep, named := r.pending[pid]
	delete(r.pending, pid)
	switch {
	case named:
	case r.group.member(l.At):
		if r.group.at = l.At; r.group.pids[pid] || len(r.group.pids) > pidsMax {
			return Report{}, false
		}
		r.group.pids[pid] = true
		rep = r.group.report
		rep.TaskMemcg = r.group.path
	default:
		rep = blank()
		rep.NodeWide = reason == "Out of memory"
	}
	rep.At, rep.PID, rep.Comm = l.At, pid, comm
	rep.sizes(sizes)
	r.last = rep
	return rep, true
}

// sizes reads what the victim held.
func (rep *Report) sizes(text string) {
	rep.Anon, rep.File, rep.Shmem, rep.ScoreKnown = -1, -1, -1, false
	for part := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(part, ","), ":")
		switch name {
		case "anon-rss":
			rep.Anon = kilobytes(value)
		case "file-rss":
			rep.File = kilobytes(value)
		case "shmem-rss":
			rep.Shmem = kilobytes(value)
		case "oom_score_adj":
			n, err := strconv.ParseInt(value, 10, 32)
			rep.OOMScoreAdj, rep.ScoreKnown = n, err == nil
		}
	}
}

// kilobytes reads "51200kB" as bytes, or -1.
func kilobytes(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "kB"), 10, 64)
	if err != nil || n < 0 || n > 1<<62/1024 {
		return -1
	}
	return n * 1024
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
