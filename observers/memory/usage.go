package memory

import (
	"bytes"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/yairfalse/tapio/observers/event"
)

// ReadFile reads a file of one memory cgroup by its name. The error of a file
// that this kernel does not have matches fs.ErrNotExist.
type ReadFile func(name string) ([]byte, error)

// v1Unlimited is above every limit somebody sets and below the number that
// cgroup v1 shows for none (PAGE_COUNTER_MAX in bytes, for any page size).
const v1Unlimited = 1 << 62

// errGone is the reason for no sample when a cgroup went away.
var errGone = errors.New("the cgroup has no memory in use to read: its container ended")

// Gone tells whether Sample's error only means that the container ended.
func Gone(err error) bool { return errors.Is(err, errGone) || errors.Is(err, errNoDevice) }

// errNoDevice is what a cgroup's open file says once the cgroup was removed.
const errNoDevice = syscall.ENODEV

// Sample reads the memory files of a container's cgroup and states its use. v2
// tells the files of cgroup v2 (cgroup-v2.rst, "Memory Interface Files") from
// those of v1 (cgroup-v1/memory.rst). What a kernel does not show is left out;
// without the use itself there is no sample.
func Sample(at time.Time, c Cgroup, node string, v2 bool, read ReadFile) (event.Event, error) {
	ev := event.Event{Kind: Usage, At: at, Count: 1, Refs: []event.Ref{{Role: event.Subject, Key: c.Key()}}}
	if c.PodUID != "" {
		ev.Refs = append(ev.Refs, event.Ref{Role: event.Owner, Key: event.PodKey(c.PodUID)})
	}
	ev.Refs = append(ev.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(node)})
	s := sampler{ev: &ev, read: read}
	if v2 {
		s.number(Used, "memory.current")
		s.number(Limit, "memory.max")
		s.number(Peak, "memory.peak")
		s.keys("memory.stat", map[string]event.Field[int64]{"anon": Anon, "file": Cache})
		s.keys("memory.events", map[string]event.Field[int64]{"max": Failcnt, "oom_kill": OOMKills})
	} else {
		s.number(Used, "memory.usage_in_bytes")
		s.number(Limit, "memory.limit_in_bytes")
		s.number(Peak, "memory.max_usage_in_bytes")
		s.number(Failcnt, "memory.failcnt")
		s.keys("memory.stat", map[string]event.Field[int64]{"total_rss": Anon, "total_cache": Cache})
		s.keys("memory.oom_control", map[string]event.Field[int64]{"oom_kill": OOMKills})
	}
	if s.err != nil {
		return event.Event{}, s.err
	}
	if n, ok := Limit.Get(ev); ok && n >= v1Unlimited {
		delete(ev.Attrs, Limit.Name)
	}
	if _, ok := Used.Get(ev); !ok {
		return event.Event{}, errGone
	}
	return ev, nil
}

type sampler struct {
	ev   *event.Event
	read ReadFile
	err  error
}

// file reads a file; one that is not there is empty.
func (s *sampler) file(name string) []byte {
	if s.err != nil {
		return nil
	}
	b, err := s.read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.err = err
	}
	return b
}

// number reads a file that holds one number; "max" is none.
func (s *sampler) number(f event.Field[int64], name string) {
	if n, err := strconv.ParseInt(string(bytes.TrimSpace(s.file(name))), 10, 64); err == nil && n >= 0 {
		f.Set(s.ev, n)
	}
}

// keys reads a file of lines "key number".
func (s *sampler) keys(name string, fields map[string]event.Field[int64]) {
	for line := range strings.Lines(string(s.file(name))) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		f, wanted := fields[key]
		if !wanted {
			continue
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			f.Set(s.ev, n)
		}
	}
}
