package tui

import (
	"time"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

const mi = 1 << 20

// stories are made by the engine from facts, as in a real run.
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
	oom.Kill(redis, 29.8, facts.Kill{PID: 950, Usage: 64 * mi, Limit: 64 * mi, Life: 59 * time.Second})
	oom.Ended(redis, -29, 30, "OOMKilled", 137, "")
	for i, at := range []float64{10, 15, 20, 25} {
		oom.Usage(redis, at, int64(40+6*i)*mi, mi, 60*mi)
	}
	oom.Complains(api, 30, 32.5, 14, logs.Refused, "shop", "redis")

	sigkill := &facts.Set{}
	sigkill.Pod(redis, 40, run(32, 1))
	sigkill.Ended(redis, -29, 30, "Error", 137, "")

	healthy := &facts.Set{}
	healthy.Pod(redis, 40, run(-500, 0))
	healthy.Usage(redis, 34, 4*mi, mi, 5*mi)

	hostile := &facts.Set{}
	evil := redis
	evil.Name = "evil\x1b[2Jpod\u202e"
	hostile.Pod(evil, 40, run(32, 1))
	hostile.Ended(evil, -29, 30, "Err\x1b]0;owned\aor", 1, "")

	return map[string]*story.Story{
		"oom":          correlate.Explain(oom.Window(40, true, redis)),
		"inconclusive": correlate.Explain(sigkill.Window(40, true, redis)),
		"healthy":      correlate.Explain(healthy.Window(40, true, redis)),
		"hostile":      correlate.Explain(hostile.Window(40, true, evil)),
	}
}
