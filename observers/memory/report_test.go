package memory

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lines reads text in the form of /dev/kmsg.
func lines(text string) (out []Line) {
	for l := range strings.Lines(text) {
		head, rest, ok := strings.Cut(strings.TrimSuffix(l, "\n"), ";")
		if !ok {
			continue
		}
		fields := strings.Split(head, ",")
		usec, _ := strconv.ParseInt(fields[2], 10, 64)
		out = append(out, Line{At: time.Duration(usec) * time.Microsecond, Continues: fields[3] == "c", Text: rest})
	}
	return out
}

func readAll(in []Line) (out []Report) {
	var r Reader
	for _, l := range in {
		if rep, done := r.Add(l); done {
			out = append(out, rep)
		}
	}
	return out
}

// The recorded reports are of real kernels: cgroup v1 and v2, the limit of a
// container and of a pod, a whole group, and the whole node.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.kmsg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded reports: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(readAll(lines(string(text))), "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".kmsg") + ".json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const (
	invoked = "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
	memory1 = "memory: usage 100kB, limit 100kB, failcnt 3"
	named   = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/p1,task_memcg=/p1/c1,task=v,pid=7,uid=0"
	killed7 = "Memory cgroup out of memory: Killed process 7 (v) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:-5"
	grouped = "Tasks in /p1/c1 are going to be killed due to memory.oom.group set"
)

func killed(reason string, pid int) string {
	return fmt.Sprintf("%s: Killed process %d (v) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0", reason, pid)
}

// texts makes lines a millisecond apart; "+" begins a continuation, and "..."
// lets a second pass.
func texts(in ...string) (out []Line) {
	var at time.Duration
	for _, s := range in {
		at += time.Millisecond
		if s == "..." {
			at += time.Second
			continue
		}
		text, continues := strings.CutPrefix(s, "+")
		out = append(out, Line{At: at, Continues: continues, Text: text})
	}
	return out
}

func TestReader(t *testing.T) {
	const memcg = "Memory cgroup out of memory"
	tests := map[string]struct {
		lines []Line
		want  []string // "pid task_memcg limit_path usage trigger_pid node"
	}{
		"whole":                         {texts(invoked, "CPU: 0 PID: 5 Comm: a Not tainted", memory1, named, killed7), []string{"7 /p1/c1 /p1 102400 5 false"}},
		"among other lines":             {texts("x", invoked, "eth0: up", "CPU: 1 PID: 6 Comm: other", "CPU: 0 UID: 0 PID: 5 Comm: a", memory1, "y", named, "z", killed7, "oom_reaper: reaped process 7"), []string{"7 /p1/c1 /p1 102400 5 false"}},
		"without its beginning":         {texts(named, killed7), []string{"7 /p1/c1 /p1 -1 -1 false"}},
		"kernel was too busy to report": {texts(killed7), []string{"7   -1 -1 false"}},
		"busy, whole node":              {texts(killed("Out of memory", 8)), []string{"8   -1 -1 true"}},
		"one after the other":           {texts(invoked, memory1, named, killed7, killed(memcg, 9)), []string{"7 /p1/c1 /p1 102400 -1 false", "9   -1 -1 false"}},
		"summary in two pieces":         {texts(invoked, memory1, named[:90], "eth0: up", "+"+named[90:], killed7), []string{"7 /p1/c1 /p1 102400 -1 false"}},
		"piece of something else":       {texts("+eth0", invoked, memory1, named, "+more", killed7), []string{"7 /p1/c1 /p1 102400 -1 false"}},
		"summary without its end":       {texts(invoked, named[:90], killed7), []string{"7   -1 -1 false"}},
		"group": {texts(invoked, memory1, named, killed7, grouped, killed(memcg, 8), killed7, killed(memcg, 8), killed(memcg, 9)),
			[]string{"7 /p1/c1 /p1 102400 -1 false", "8 /p1/c1 /p1 102400 -1 false", "9 /p1/c1 /p1 102400 -1 false"}},
		"group whose report is missing": {texts(killed7, grouped, killed(memcg, 8)), []string{"7   -1 -1 false", "8 /p1/c1  -1 -1 false"}},
		"long after a group":            {texts(killed7, grouped, killed(memcg, 8), "...", killed(memcg, 9)), []string{"7   -1 -1 false", "8 /p1/c1  -1 -1 false", "9   -1 -1 false"}},
		"two named before they die": {texts(invoked, memory1, named, strings.ReplaceAll(strings.ReplaceAll(named, "pid=7", "pid=8"), "c1", "c2"), killed(memcg, 8), killed7),
			[]string{"8 /p1/c2 /p1 -1 -1 false", "7 /p1/c1 /p1 102400 -1 false"}},
		"cpuset": {texts(invoked, "oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=0,cpuset=x,mems_allowed=0,global_oom,task_memcg=/p1/c1,task=v,pid=7,uid=0", killed("Out of memory", 7)),
			[]string{"7 /p1/c1  -1 -1 true"}},
		"name of the victim tries to lie": {texts(invoked, strings.Replace(named, "task=v", "task=,pid=1,uid=0", 1), strings.Replace(killed7, "(v)", "(x) total-vm:1kB)", 1)),
			[]string{"7 /p1/c1 /p1 -1 -1 false"}},
		"name of the trigger tries to lie": {texts("x invoked oom-killer:  invoked oom-killer: gfp_mask=0", "CPU: 0 PID: 5 Comm: x invoked oom-k", named, killed7), []string{"7 /p1/c1 /p1 -1 -1 false"}},
		"no number":                        {texts("Out of memory: Killed process x (v) total-vm:1kB"), nil},
		"negative number":                  {texts("Out of memory: Killed process -7 (v) total-vm:1kB"), nil},
		"cut off":                          {texts("Out of memory: Killed process 7 (v"), nil},
		"huge sizes":                       {texts(invoked, "memory: usage 99999999999999999999kB, limit -1kB, failcnt x", named, killed7), []string{"7 /p1/c1 /p1 -1 -1 false"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range readAll(tt.lines) {
				got = append(got, fmt.Sprintf("%d %s %s %d %d %v", r.PID, r.TaskMemcg, r.LimitPath, r.Usage, r.TriggerPID, r.NodeWide))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReaderForgets(t *testing.T) {
	var r Reader
	for pid := range 10 * pendingMax {
		r.Add(Line{Text: strings.Replace(named, "pid=7", "pid="+strconv.Itoa(pid), 1)})
	}
	if n := len(r.pending); n > pendingMax {
		t.Errorf("%d victims that never died are remembered, at most %d may be", n, pendingMax)
	}
	r.Add(Line{Text: named[:90]})
	for range 1000 {
		r.Add(Line{Continues: true, Text: strings.Repeat("x", 100)})
	}
	if n := len(r.summary); n > lineMax {
		t.Errorf("a line of %d bytes was put together, at most %d may be", n, lineMax)
	}
}

func FuzzReader(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.kmsg")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(string(text))
		}
	}
	f.Add("3,1,1,-;" + killed7 + "\n6,2,2,-;" + grouped + "\n3,3,3,c;" + killed7)
	f.Fuzz(func(t *testing.T, text string) {
		var r Reader
		for l := range strings.Lines(text) {
			head, rest, _ := strings.Cut(strings.TrimSuffix(l, "\n"), ";")
			rep, done := r.Add(Line{Continues: strings.HasSuffix(head, "c"), Text: rest})
			if !done {
				continue
			}
			if rep.PID < 0 || rep.Anon < -1 || rep.Usage < -1 || rep.Limit < -1 {
				t.Errorf("impossible report %+v", rep)
			}
			if _, err := json.Marshal(Log{Node: "n", Locate: byParts, Wall: wall, PIDs: true}.Event(rep)); err != nil {
				t.Error(err)
			}
		}
	})
}
