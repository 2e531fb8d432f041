package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/past"
)

func TestPastIsShown(t *testing.T) {
	tests := map[string]struct {
		network, cpu, tasks map[event.Field[int64]]int64
		want                []string
		not                 []string
	}{
		"quiet": {
			map[event.Field[int64]]int64{past.SegmentsOut: 120}, map[event.Field[int64]]int64{past.Periods: 300}, map[event.Field[int64]]int64{past.Ran: 5e9, past.Waited: 1e6},
			[]string{"in the 1m since its sandbox started 0 of 120 TCP segments sent again", "app was throttled in 0 of 300 periods since it started"},
			[]string{"failed", "waited", "refused"},
		},
		"troubled": {
			map[event.Field[int64]]int64{past.SegmentsOut: 120, past.Retransmitted: 7, past.FailedAttempts: 1, past.ListenOverflows: 3, past.EstabResets: 1},
			map[event.Field[int64]]int64{past.Periods: 300, past.Throttled: 290},
			map[event.Field[int64]]int64{past.Ran: 5e9, past.Waited: 15e9, past.ForksFailed: 2, past.PIDsMax: 64},
			[]string{"7 of 120 TCP segments sent again, 1 connection attempt failed, 3 accept-queue overflows, 1 connection reset",
				"app was throttled in 290 of 300 periods since it started, waited for a processor 75% of the time it could have run, was refused 2 new threads at its limit of 64"},
			nil,
		},
		"too little to tell": {nil, map[event.Field[int64]]int64{past.Periods: 0}, map[event.Field[int64]]int64{past.Ran: 1e6, past.Waited: 9e6}, nil, []string{"throttled", "waited", "sandbox"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &facts.Set{}
			s.Pod(redis, 30, running(-500, 0))
			s.Past(redis, past.Network, redis.Key(), 60, tt.network)
			s.Past(redis, past.CPU, redis.App(), 60, tt.cpu)
			s.Past(redis, past.Tasks, redis.App(), 60, tt.tasks)
			checked := strings.Join(correlate.Explain(s.Window(40, true, redis)).Checked, " | ")
			for _, part := range tt.want {
				if !strings.Contains(checked, part) {
					t.Errorf("checked lacks %q: %s", part, checked)
				}
			}
			for _, part := range tt.not {
				if strings.Contains(checked, part) {
					t.Errorf("checked has %q: %s", part, checked)
				}
			}
		})
	}
}
