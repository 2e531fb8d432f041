package plain_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
	"github.com/yairfalse/tapio/tui/plain"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const mi = 1 << 20

func stories() map[string]*story.Story {
	redis := facts.Pod{UID: "u1", Name: "redis-5d9c7b6f4-x2x9q", Namespace: "shop", Workload: "redis", ContainerID: "c1", Limit: 64 * mi, Created: -600}
	api := facts.Pod{UID: "u2", Name: "api-7d54f-k2k2k", Namespace: "shop", Workload: "api", ContainerID: "c2", Limit: 128 * mi, Created: -600}
	run := func(started float64, restarts int64) facts.State {
		return facts.State{State: lifecycle.Running, Ready: true, Started: started, Restarts: restarts}
	}
	oom := &facts.Set{}
	oom.Pod(redis, 40, run(32, 2))
	oom.Pod(api, 0, run(-500, 0))
	oom.Service("shop", "redis", redis)
	oom.Names(api, "shop", "redis")
	oom.Kill(redis, -30.2, facts.Kill{PID: 900, Usage: 64 * mi, Limit: 64 * mi, Life: 58 * time.Second, Log: true})
	oom.Kill(redis, 29.8, facts.Kill{PID: 950, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
	oom.Ended(redis, -29, 30, "OOMKilled", 137, "")
	for i, at := range []float64{10, 15, 20, 25} {
		oom.Usage(redis, at, int64(40+6*i)*mi, mi, 60*mi)
	}
	oom.Complains(api, 30, 32.5, 14, logs.Refused, "shop", "redis")

	sigkill := &facts.Set{}
	sigkill.Pod(redis, 40, run(32, 1))
	sigkill.Ended(redis, -29, 30, "Error", 137, "")
	sigkill.Usage(redis, 34, 4*mi, mi, 5*mi)

	healthy := &facts.Set{}
	healthy.Pod(redis, 40, run(-500, 0))
	healthy.Usage(redis, 34, 4*mi, mi, 5*mi)

	hostile := &facts.Set{}
	evil := redis
	evil.Name = "evil\x1b[2Jpod"
	hostile.Pod(evil, 40, run(32, 1))
	hostile.Ended(evil, -29, 30, "Err\x1b]0;owned\aor", 1, "")

	return map[string]*story.Story{
		"oom":      correlate.Explain(oom.Window(40, true, redis)),
		"sigkill":  correlate.Explain(sigkill.Window(40, true, redis)),
		"healthy":  correlate.Explain(healthy.Window(40, true, redis)),
		"api-only": correlate.Explain(sigkill.Window(40, false, redis)),
		"hostile":  correlate.Explain(hostile.Window(40, true, evil)),
	}
}

func TestRender(t *testing.T) {
	for name, s := range stories() {
		for _, width := range []int{100, 60} {
			file := name
			if width != 100 {
				file += "-narrow"
			}
			t.Run(file, func(t *testing.T) {
				var b bytes.Buffer
				if err := plain.Render(&b, s, plain.Options{Width: width}); err != nil {
					t.Fatal(err)
				}
				golden(t, file, b.Bytes())
				lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
				if width == 100 && len(lines) > 24 {
					t.Errorf("%d lines do not fit the screen", len(lines))
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > width {
						t.Errorf("wider than %d: %q", width, l)
					}
					if strings.ContainsAny(l, "\x1b\a\r") {
						t.Errorf("control characters reach the terminal: %q", l)
					}
				}
			})
		}
	}
}

func TestColorSaysNothingNew(t *testing.T) {
	for name, s := range stories() {
		var with, without bytes.Buffer
		if err := plain.Render(&with, s, plain.Options{Color: true}); err != nil {
			t.Fatal(err)
		}
		if err := plain.Render(&without, s, plain.Options{}); err != nil {
			t.Fatal(err)
		}
		if ansi.Strip(with.String()) != without.String() {
			t.Errorf("%s: colour changes the words", name)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
