package memory

import (
	"errors"
	"io/fs"
	"math"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yairfalse/tapio/observers/event"
)

// files is a cgroup's directory.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func TestSample(t *testing.T) {
	tests := map[string]struct {
		files files
		v2    bool
		want  map[string]int64
	}{
		"v1": {files{
			"memory.usage_in_bytes": "4096\n", "memory.limit_in_bytes": "8192\n", "memory.max_usage_in_bytes": "8000\n", "memory.failcnt": "3\n",
			"memory.stat":        "cache 1\nrss 2\ntotal_cache 1024\ntotal_rss 2048\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		}, false, map[string]int64{"used": 4096, "limit": 8192, "peak": 8000, "failcnt": 3, "cache": 1024, "anon": 2048, "oom_kills": 2}},
		"v1 without limit, 4 KiB pages":  {files{"memory.usage_in_bytes": "1", "memory.limit_in_bytes": "9223372036854771712"}, false, map[string]int64{"used": 1}},
		"v1 without limit, 64 KiB pages": {files{"memory.usage_in_bytes": "1", "memory.limit_in_bytes": "9223372036854710272"}, false, map[string]int64{"used": 1}},
		"v2": {files{
			"memory.current": "4096\n", "memory.max": "8192\n", "memory.peak": "8000\n",
			"memory.stat":   "anon 2048\nfile 1024\nfile_mapped 7\n",
			"memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n",
		}, true, map[string]int64{"used": 4096, "limit": 8192, "peak": 8000, "failcnt": 3, "cache": 1024, "anon": 2048, "oom_kills": 2}},
		"v2 without limit or peak": {files{"memory.current": "4096\n", "memory.max": "max\n"}, true, map[string]int64{"used": 4096}},
		"broken files":             {files{"memory.current": "5", "memory.max": "-7", "memory.peak": "x", "memory.stat": "anon\nfile -1\nanon 99999999999999999999\n\x00", "memory.events": "max"}, true, map[string]int64{"used": 5}},
	}
	cgroup := Locate(byParts).At("/p1/c1")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev, err := Sample(wall(0), cgroup, "n1", tt.v2, tt.files.read)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for name, v := range ev.Attrs {
				got[name], _ = event.As[int64](v)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			want := []event.Ref{{Role: event.Subject, Key: event.CgroupKey("p1", "c1")}, {Role: event.Owner, Key: event.PodKey("p1")}, {Role: event.Host, Key: event.NodeKey("n1")}}
			if diff := cmp.Diff(want, ev.Refs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoSample(t *testing.T) {
	denied := func(string) ([]byte, error) { return nil, fs.ErrPermission }
	removed := func(string) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: "x", Err: syscall.ENODEV} }
	tests := map[string]struct {
		read ReadFile
		gone bool
	}{
		"directory is gone":    {files{}.read, true},
		"removed while read":   {removed, true},
		"not allowed":          {denied, false},
		"use is not a number":  {files{"memory.current": "x"}.read, true},
		"other failure at all": {func(string) ([]byte, error) { return nil, errors.New("broken") }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev, err := Sample(wall(0), Cgroup{Path: "/x"}, "n1", true, tt.read)
			if err == nil {
				t.Fatalf("a sample without use: %v", ev)
			}
			if Gone(err) != tt.gone {
				t.Errorf("%q counts as gone: %v, expected %v", err, Gone(err), tt.gone)
			}
		})
	}
}

func FuzzSample(f *testing.F) {
	f.Add("4096\n", "max\n", "anon 1\nfile 2\n", true)
	f.Add("9223372036854775807", "9223372036854771712", "total_rss 1", false)
	f.Fuzz(func(t *testing.T, used, limit, stat string, v2 bool) {
		fs := files{
			"memory.current": used, "memory.max": limit, "memory.stat": stat, "memory.events": stat,
			"memory.usage_in_bytes": used, "memory.limit_in_bytes": limit, "memory.oom_control": stat, "memory.failcnt": used,
		}
		ev, err := Sample(wall(0), Cgroup{Path: "/x"}, "n", v2, fs.read)
		if err != nil {
			return
		}
		for name, v := range ev.Attrs {
			if n, ok := event.As[int64](v); !ok || n < 0 || n == math.MinInt64 {
				t.Errorf("%s is %v", name, v)
			}
		}
	})
}
