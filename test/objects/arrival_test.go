package objects

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Many things broken at once give many hypotheses; their order and the story
// must not depend on the order in which facts arrive, and each fault must be
// among them or told as part of another's story.
func TestOrderOfArrival(t *testing.T) {
	for _, f := range append([]fault{{name: "several", brk: several}}, allFaults...) {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld()
			f.brk(w)
			got := frames(t, w.all(), w.logs)
			want := full(explain(got, ns))
			for seed := range int64(6) {
				rand.New(rand.NewSource(seed)).Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
				if other := full(explain(got, ns)); other != want {
					t.Fatalf("seed %d gives another story (-want +got):\n%s", seed, cmp.Diff(want, other))
				}
			}
		})
	}
}

// several breaks web, api and db in ways that have nothing to do with each other.
func several(w *world) {
	w.secrets = nil
	w.waits("api", "CreateContainerConfigError", `secret "db-creds" not found`)
	w.waits("web", "ImagePullBackOff", `Back-off pulling image "registry.example/web:1.4.2": registry.example/web:1.4.2: not found`)
	w.crashes("db", "OOMKilled", "", 137, 0)
}

func TestSeveralFaultsAreSeveral(t *testing.T) {
	w := newWorld()
	several(w)
	s := tell(t, w.all(), w.logs, ns)
	var got []string
	for _, h := range s.Hypotheses {
		got = append(got, h.Cause+" "+h.Workload.Name)
	}
	for _, want := range []string{"config/object-missing api", "image/not-found web"} {
		if !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%v lack %s", got, want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d stories for three faults: %v\n%s", len(got), got, full(s))
	}
}
