package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/lifecycle"
	"github.com/yairfalse/tapio/observers/logs"
)

func TestConfigMissing(t *testing.T) {
	lacks := func(reason string, x facts.Lack) func(*facts.Set) {
		return func(s *facts.Set) {
			s.Pod(api, 0, facts.State{State: lifecycle.Waiting, Reason: reason})
			s.Lacks(api, 0, x)
		}
	}
	db := facts.Lack{Object: "Secret", Name: "db-creds", Where: "env PASSWORD", Compared: true, Reported: true, Similar: "db-cred"}
	tests := []familyCase{
		{
			name: "a Secret is absent", target: api, cause: "config/object-missing", state: "failing",
			set:  lacks("CreateContainerConfigError", db),
			says: []string{"api-7d cannot start: Secret db-creds does not exist in namespace shop (env PASSWORD); there is db-cred"},
			not:  []string{"config/key-missing"}, out: []string{"config/key-missing", "image/not-found"},
		},
		{
			name: "only the kubelet tells, the list may not be read", target: api, cause: "config/object-missing",
			set: lacks("CreateContainerConfigError", facts.Lack{Object: "Secret", Name: "db-creds", Where: "envFrom", Reported: true}),
		},
		{
			name: "a key is absent", target: api, cause: "config/key-missing",
			set:  lacks("CreateContainerConfigError", facts.Lack{Object: "ConfigMap", Name: "app", Key: "port", Where: "env PORT", Compared: true}),
			says: []string{"ConfigMap app has no key port"}, not: []string{"config/object-missing"}, out: []string{"config/object-missing"},
		},
		{
			name: "a volume's ConfigMap is absent", target: api, cause: "config/object-missing",
			set:  lacks("ContainerCreating", facts.Lack{Object: "ConfigMap", Name: "app", Where: "volume conf", Compared: true, OfPod: true}),
			says: []string{"ConfigMap app does not exist in namespace shop (volume conf)"},
		},
		{
			name: "it was missing, the container runs since", target: api,
			set: func(s *facts.Set) {
				lacks("CreateContainerConfigError", db)(s)
				s.Pod(api, 30, running(30, 0))
			},
		},
		{
			name: "the pod is asked to end", target: api,
			set: func(s *facts.Set) { lacks("CreateContainerConfigError", db)(s); s.Leaving(api, 20) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestConfigAddress(t *testing.T) {
	tests := []familyCase{
		{
			name: "a slip of the pen, and the log complains of it", target: api, cause: "config/address-wrong",
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Started: -500})
				s.Misnames(api, "rediss", 6379, config.NoService, "redis", 0, false)
				s.ComplainsOf(api, 20, 38, logs.Unresolved, "rediss:6379")
			},
			says: []string{"api-7d: container app calls an address that is not there: env ADDR names rediss:6379, and no Service has this name; there is redis"},
			out:  []string{"network/no-endpoints"},
		},
		{
			name: "the wrong port, others name it right, and the program ends for it", target: api, cause: "config/address-wrong",
			set: func(s *facts.Set) {
				s.Loops(api, 30, 5, facts.End{Code: 1})
				s.Misnames(api, "redis", 6380, config.NoPort, "6379", 2, false)
				s.ComplainsOf(api, 28, 30, logs.Timeout, "redis:6380")
			},
			says: []string{"redis:6380, and that Service has no such port; it has 6379"}, out: []string{"dns/name-not-found"},
		},
		{
			name: "silent: the revision before named it right", target: api, cause: "config/address-wrong",
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.Misnames(api, "rediss", 6379, config.NoService, "redis", 1, true)
			},
		},
		{
			name: "a name that is near nothing, and nobody is unwell", target: api,
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.Misnames(api, "payments", 80, config.NoService, "", 0, false)
			},
		},
		{
			name: "a name near another, and nobody is unwell", target: api,
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.Misnames(api, "rediss", 6379, config.NoService, "redis", 0, false)
			},
		},
		{
			name: "the complaint is of another peer", target: api,
			set: func(s *facts.Set) {
				s.Pod(api, 0, facts.State{State: lifecycle.Running, Ready: true, Started: -500})
				s.Misnames(api, "payments", 80, config.NoService, "", 0, false)
				s.ComplainsOf(api, 20, 38, logs.Refused, "orders:80")
			},
			not: []string{"config/address-wrong"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}

func TestConfigCredentials(t *testing.T) {
	tests := []familyCase{
		{
			name: "compared, and the log says so", target: api, cause: "config/credentials-wrong",
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.LogsInWrong(api, "pg", "env POSTGRES_PASSWORD", 0)
				s.Complains(api, 20, 38, 5, logs.LoginRefused, "shop", "pg")
			},
			says: []string{"api-7d: container app logs in at pg with the wrong password: env DB_PASSWORD gives another password than env POSTGRES_PASSWORD of the server"},
		},
		{
			name: "the odd one out, unwell", target: api, cause: "config/credentials-wrong",
			set: func(s *facts.Set) {
				s.Loops(api, 30, 5, facts.End{Code: 1})
				s.LogsInWrong(api, "pg", "", 3)
			},
		},
		{
			name: "the log alone is another cause", target: api, not: []string{"config/credentials-wrong"}, cause: "saturation/db-auth",
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.Complains(api, 20, 38, 5, logs.LoginRefused, "shop", "pg")
			},
		},
		{
			name: "the Secret changed and logins are refused since", target: api, cause: "config/secret-stale",
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.ChangedSince(api, -30, "Secret", "db")
				s.Complains(api, -20, 38, 5, logs.LoginRefused, "shop", "pg")
			},
			not: []string{"config/not-reloaded"},
		},
		{
			name: "the ConfigMap changed and nobody complains", target: api,
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.ChangedSince(api, -30, "ConfigMap", "settings")
			},
		},
		{
			name: "the ConfigMap changed and calls fail since", target: api, cause: "config/not-reloaded",
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.ChangedSince(api, -30, "ConfigMap", "settings")
				s.ComplainsOf(api, -20, 38, logs.Refused, "old-db:5432")
			},
			not: []string{"config/secret-stale"},
		},
		{
			name: "calls failed before the change, too", target: api, not: []string{"config/not-reloaded"},
			set: func(s *facts.Set) {
				s.Pod(api, 0, running(-500, 0))
				s.ChangedSince(api, -30, "ConfigMap", "settings")
				s.ComplainsOf(api, -200, 38, logs.Refused, "old-db:5432")
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run)
	}
}
