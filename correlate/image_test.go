package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/image"
)

func TestImage(t *testing.T) {
	waits := func(x facts.Pull) func(*facts.Set) {
		return func(s *facts.Set) { s.WaitsForImage(api, 0, x) }
	}
	tests := []familyCase{
		{
			name: "the tag is not there", target: api, cause: "image/not-found", state: "failing",
			set:  waits(facts.Pull{Image: "reg.local/team/api:9", Class: image.NotFound, Earlier: "reg.local/team/api:8", EarlierRuns: true}),
			says: []string{"api-7d: image reg.local/team/api:9 does not exist: the revision before had reg.local/team/api:8"},
			not:  []string{"image/pull-denied"}, out: []string{"image/pull-denied", "image/registry-dns"},
		},
		{
			name: "denied, no secret", target: api, cause: "image/pull-denied",
			set:  waits(facts.Pull{Image: "reg.local/team/api:9", Class: image.Denied}),
			says: []string{"reg.local denies image reg.local/team/api:9: the pod names no pull secret"},
			not:  []string{"image/not-found"}, out: []string{"image/not-found"},
		},
		{
			name: "denied, the secret is absent", target: api, cause: "image/pull-denied",
			set:  waits(facts.Pull{Image: "reg.local/team/api:9", Class: image.Denied, PullSecrets: 1, SecretAbsent: "regcred"}),
			says: []string{"pull secret regcred does not exist in namespace shop"},
		},
		{
			name: "hidden: the secret is absent", target: api, cause: "image/pull-denied",
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Ambiguous, PullSecrets: 1, SecretAbsent: "regcred"}),
			not: []string{"image/not-found"},
		},
		{
			name: "hidden: the secret is for another registry", target: api, cause: "image/pull-denied",
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Ambiguous, PullSecrets: 1, SecretForeign: "regcred"}),
		},
		{
			name: "hidden: others name a pull secret", target: api, cause: "image/pull-denied",
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Ambiguous, WithSecrets: 2}), not: []string{"image/not-found"},
		},
		{
			name: "hidden: another tag of it runs", target: api, cause: "image/not-found",
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Ambiguous, OtherImage: "team/api:8", SameRepository: 2, PullSecrets: 1}),
			not: []string{"image/pull-denied"},
		},
		{
			name: "hidden: Docker's own images are public", target: api, cause: "image/not-found",
			set: waits(facts.Pull{Image: "reddis:7", Class: image.Ambiguous}), not: []string{"image/pull-denied"},
		},
		{
			name: "hidden, and nothing decides", target: api,
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Ambiguous, PullSecrets: 1}),
		},
		{
			name: "no word of the registry, nothing beside", target: api,
			set: waits(facts.Pull{Image: "team/api:9", Class: image.Unknown, PullSecrets: 1}),
		},
		{
			name: "the name has no address", target: api, cause: "image/registry-dns",
			set:  waits(facts.Pull{Image: "regg.local/team/api:9", Class: image.DNS, Earlier: "reg.local/team/api:9"}),
			says: []string{"n1 cannot resolve the registry regg.local", "the revision before had reg.local"},
			not:  []string{"image/registry-unreachable", "image/pull-denied"}, out: []string{"image/registry-unreachable"},
		},
		{
			name: "no answer", target: api, cause: "image/registry-unreachable",
			set: waits(facts.Pull{Image: "reg.local/team/api:9", Class: image.Unreachable}), not: []string{"image/registry-dns"}, says: []string{"reg.local does not answer"},
		},
		{name: "certificate", target: api, cause: "image/registry-unreachable", set: waits(facts.Pull{Image: "reg.local/a:9", Class: image.Certificate}), says: []string{"the TLS certificate"}},
		{name: "rate", target: api, cause: "image/rate-limited", set: waits(facts.Pull{Image: "team/api:9", Class: image.RateLimited}), not: []string{"image/pull-denied"}},
		{name: "never", target: api, cause: "image/unusable", set: waits(facts.Pull{Image: "team/api:9", Reason: "ErrImageNeverPull", Class: image.Never}), says: []string{"is not on n1"}, out: []string{"image/not-found"}},
		{name: "name", target: api, cause: "image/unusable", set: waits(facts.Pull{Image: "A:B:C", Reason: "InvalidImageName", Class: image.BadName}), says: []string{"no valid image name"}},
		{name: "platform", target: api, cause: "image/unusable", set: waits(facts.Pull{Image: "team/api:9", Class: image.Platform}), not: []string{"image/not-found"}},
		{name: "room", target: api, cause: "image/no-space", set: waits(facts.Pull{Image: "team/api:9", Class: image.NoSpace})},
		{
			name: "the image came: what failed before explains nothing", target: api,
			set: func(s *facts.Set) {
				s.WaitsForImage(api, -100, facts.Pull{Image: "team/api:9", Class: image.NotFound})
				s.Pod(api, 0, running(-10, 0))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
