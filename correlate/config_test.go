package correlate_test

import (
	"testing"

	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/observers/lifecycle"
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
