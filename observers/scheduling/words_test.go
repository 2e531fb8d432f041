package scheduling

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadWords(t *testing.T) {
	for message, want := range map[string]map[string]int64{
		"0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.": {Cordon: 1, CPU: 3},
		"0/3 nodes are available: 1 Insufficient memory, 2 Insufficient cpu, 2 Insufficient memory.":                                                                                                                  {Memory: 3, CPU: 2},
		"0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 Too many pods.":                                                                                                                                    {Device: 1, PodCount: 1},
		"0/2 nodes are available: 2 Insufficient ephemeral-storage.":                                                                                                                                                  {Ephemeral: 2},
		"0/4 nodes are available: 1 node(s) had untolerated taint {a,b: c, d}, 3 node(s) didn't match Pod's node affinity/selector.":                                                                                  {Taint: 1, Placement: 3},
		"0/4 nodes are available: 1 node(s) had taint {k: v}, that the pod didn't tolerate, 3 node(s) didn't match node selector.":                                                                                    {Taint: 1, Placement: 3},
		"0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.":                                                                                                                  {Condition: 1},
		"0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }.":                                                                                                              {Cordon: 1},
		"0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy existing pods anti-affinity rules.":                                                                        {AntiAffinity: 2},
		"0/2 nodes are available: 2 node(s) didn't match pod affinity rules.":                                                                                                                                         {PodAffinity: 2},
		"0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label).":                                           {Spread: 2},
		"0/2 nodes are available: 2 node(s) had volume node affinity conflict.":                                                                                                                                       {VolumeNode: 2},
		"0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.":                                                                                                                      {HostPort: 2},
		"0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.":                                                 {Claim: 4},
		"0/4 nodes are available: persistentvolumeclaim \"data.x\" not found.":                                                                                                                                        {Claim: 4},
		"0/4 nodes are available: 4 node(s) didn't find available persistent volumes to bind.":                                                                                                                        {Claim: 4},
		"0/4 nodes are available: 4 something new.":                                                                                                                                                                   nil,
		"0/x nodes are available: 4 Insufficient cpu.":                                                                                                                                                                nil,
		"skip schedule deleting pod: shop/x":                 nil,
		"0/2 nodes are available: 99999999 Insufficient cpu": {CPU: 2},
		"": nil,
	} {
		if d := cmp.Diff(want, ReadWords(message)); d != "" {
			t.Errorf("%s:\n%s", message, d)
		}
	}
}

func TestWordsRoundTrip(t *testing.T) {
	words := map[string]int64{CPU: 3, Cordon: 1, Taint: 3}
	s := FormatWords(words)
	if s != "cpu=3,taint=3,cordon=1" {
		t.Error(s)
	}
	if d := cmp.Diff(words, ParseWords(s)); d != "" {
		t.Error(d)
	}
	if got := ParseWords("x,=,cpu=q,memory=1"); len(got) != 1 || got[Memory] != 1 {
		t.Errorf("%v", got)
	}
}

func FuzzReadWords(f *testing.F) {
	f.Add("0/4 nodes are available: 1 node(s) had untolerated taint {a: b}, 3 Insufficient cpu. preemption: x")
	f.Add("0/ nodes are available:,,..{{}}")
	f.Fuzz(func(t *testing.T, s string) {
		words := ReadWords(s)
		back := ParseWords(FormatWords(words))
		if len(back) != len(words) {
			t.Errorf("%v became %v", words, back)
		}
		for k, n := range words {
			if n < 0 || back[k] != n {
				t.Errorf("%s: %d became %d", k, n, back[k])
			}
		}
	})
}
