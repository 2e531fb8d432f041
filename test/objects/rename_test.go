package objects

import (
	"encoding/json"
	"math/rand"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

// names are what the world's objects are called. A name stands alone or is a
// part of a longer one, between dashes.
var (
	apps  = []string{"web", "api", "db"}
	nodes = []string{"n1", "n2", "n3"}
)

// permutation is another name for each name: others of the same sort in
// another order, or words that nobody uses.
func permutation(seed int64) map[string]string {
	r := rand.New(rand.NewSource(seed))
	to := map[string]string{}
	pools := [][]string{{"api", "db", "web"}, {"zeta", "alpha", "kappa"}, {"frontend", "redis", "mysql"}, {"w-9", "a-1", "m-5"}}
	for _, names := range [][]string{apps, nodes} {
		pool := append([]string{}, pools[int(seed)%len(pools)]...)
		if names[0] == "n1" {
			pool = append([]string{}, [][]string{{"n3", "n1", "n2"}, {"worker-9", "ip-10-0-0-1", "master"}}[int(seed)%2]...)
		}
		r.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		for i, n := range names {
			to[n] = pool[i]
		}
	}
	to[ns] = []string{"shop", "a-team", "zoo"}[int(seed)%3]
	return to
}

var word = regexp.MustCompile(`[A-Za-z0-9]+`)

// renamed is a text in which every name is replaced by its other name.
func renamed(text string, to map[string]string) string {
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if n, ok := to[w]; ok {
			return n
		}
		return w
	})
}

// rename gives the objects and logs other names.
func rename(t *testing.T, objs []runtime.Object, logs map[string]string, to map[string]string) ([]runtime.Object, map[string]string) {
	t.Helper()
	out := make([]runtime.Object, len(objs))
	for i, o := range objs {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		n := reflect.New(reflect.TypeOf(o).Elem()).Interface()
		if err := json.Unmarshal([]byte(renamed(string(b), to)), n); err != nil {
			t.Fatal(err)
		}
		out[i] = n.(runtime.Object)
	}
	other := map[string]string{}
	for k, v := range logs {
		other[renamed(k, to)] = renamed(v, to)
	}
	return out, other
}

// What things are called decides nothing: under other names the story is the
// same, up to the names.
func TestRename(t *testing.T) {
	for _, f := range append([]fault{{name: "nothing broken", brk: func(*world) {}}}, allFaults...) {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld()
			f.brk(w)
			plain := tell(t, w.all(), w.logs, ns)
			for seed := range int64(8) {
				to := permutation(seed)
				objs, logs := rename(t, w.all(), w.logs, to)
				s := tell(t, objs, logs, to[ns])
				if got, want := brief(s), renamed(brief(plain), to); got != want {
					t.Fatalf("with %v: %s, want %s\n%s", to, got, want, full(s))
				}
				if got, want := causes(s.Hypotheses), causes(plain.Hypotheses); got != want {
					t.Errorf("with %v: causes %s, want %s", to, got, want)
				}
			}
		})
	}
}

func TestRenamedTouchesWholeWordsOnly(t *testing.T) {
	to := map[string]string{"api": "web", "db": "kappa"}
	if got := renamed(`{"apiVersion":"v1","name":"api-7d-x","host":"db","x":"rapid"}`, to); got != `{"apiVersion":"v1","name":"web-7d-x","host":"kappa","x":"rapid"}` {
		t.Error(strings.TrimSpace(got))
	}
}
