package node

import (
	"strings"
	"time"

	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/memory"
	"github.com/yairfalse/tapio/probe/host"
)

// logSlack is by how much the clock of the kernel log may be off the clock that
// the programs stamp with: it is neither disciplined nor told of suspends, so
// this only keeps a reused process id of long ago apart.
const logSlack = 10 * time.Minute

func line(rec host.Record) memory.Line {
	return memory.Line{At: rec.At, Continues: rec.Continues, Text: rec.Text}
}

// known tells whether one of the kills that the programs reported is the one
// that the log reports.
func known(rep memory.Report, traced []bpfKill) bool {
	for i := range traced {
		k := &traced[i]
		if int64(k.VictimGlobal) == rep.PID && (time.Duration(k.BootNs)-rep.At).Abs() < logSlack {
			return true
		}
	}
	return false
}

// logged emits what a record of the log completes.
func (o *observer) logged(reader *memory.Reader, rec host.Record, send func(event.Event)) {
	if rep, done := reader.Add(line(rec)); done {
		o.report(rep, send)
	}
}

// report emits a kill of the kernel log if it is of this node, or might be: the
// log does not always tell the cgroup.
func (o *observer) report(rep memory.Report, send func(event.Event)) {
	log := memory.Log{Node: o.host.Node(), Locate: o.locate, Wall: o.host.Wall, PIDs: o.host.InitPIDNamespace()}
	ev := log.Event(rep)
	if ev.Subject().Type == event.Node || o.ours(ev, func(_ uint64, path string) bool {
		if path != "" {
			return strings.HasPrefix(rep.TaskMemcg, path+"/")
		}
		uid, ok := ev.Subject().PodUID()
		return ok && o.host.HasPod(uid)
	}) {
		send(ev)
	}
}
