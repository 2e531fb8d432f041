package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/logs"
)

func TestDatabaseAnswers(t *testing.T) {
	web := facts.Pod{UID: "u4", Name: "web-5f", Namespace: "shop", Workload: "web", ContainerID: "c4", Created: -600}
	hears := func(what string, from, to float64) func(*facts.Set) {
		return func(s *facts.Set) {
			s.Pod(api, 0, running(-500, 0))
			s.Pod(redis, 0, running(-500, 0))
			s.Service("shop", "pg", redis)
			s.Names(api, "shop", "pg")
			s.Complains(api, from, to, 4, what, "shop", "pg")
		}
	}
	tests := []familyCase{
		{name: "no connection left", target: api, cause: "saturation/db-connections", set: hears(logs.TooMany, 10, 38), says: []string{"pg has no connection left for api-7d"}, not: []string{"saturation/db-auth"}},
		{name: "read-only", target: api, cause: "saturation/db-read-only", set: hears(logs.ReadOnlyPeer, 10, 38), says: []string{"pg takes no writes from api-7d"}, out: []string{"network/refused"}},
		{name: "login", target: api, cause: "saturation/db-auth", set: hears(logs.LoginRefused, 10, 38), says: []string{"pg refuses the login of api-7d"}, not: []string{"config/credentials-wrong"}},
		{name: "two clients hear it, and the server says so", target: api, cause: "saturation/db-connections", set: func(s *facts.Set) {
			hears(logs.TooMany, 10, 38)(s)
			s.Pod(web, 0, running(-500, 0))
			s.Names(web, "shop", "pg")
			s.Complains(web, 12, 39, 4, logs.TooMany, "shop", "pg")
			s.Says(redis, 39, logs.TooMany, "")
		}, says: []string{"api-7d and 1 other workload"}},
		{name: "its log names no peer", target: api, cause: "saturation/db-read-only", set: func(s *facts.Set) {
			s.Pod(api, 0, running(-500, 0))
			s.Says(api, 38, logs.ReadOnlyPeer, "")
		}, says: []string{"its database takes no writes"}},
		{name: "refused connections are another matter", target: api, cause: "network/refused", set: hears(logs.Refused, 10, 38), not: []string{"saturation/db-auth", "saturation/db-connections", "saturation/db-read-only"}},
		{name: "long over", target: api, set: hears(logs.TooMany, -900, -800)},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
