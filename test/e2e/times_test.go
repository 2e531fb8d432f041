//go:build live

package e2e

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
)

var stages = regexp.MustCompile(`(?m)^ *([0-9.]+)s  (first sentence|first kernel evidence)`)

// How long a user waits, as -v tells it: a figure to read, not one to assert.
func TestTimesToEvidence(t *testing.T) {
	if !full() {
		t.Skip("ten runs to read, not to assert: run make test-full")
	}
	c := client(t)
	ns := namespace(t, c, nil)
	apply(t, ns, pod("web", "64Mi", "pause"))
	status(t, c, ns, "web", "web runs", isRunning)
	times := map[string][]float64{}
	for range 10 {
		r := tapio(t, nil, "explain", "pod/web", "-n", ns, "--duration=4s", "-v")
		for _, m := range stages.FindAllStringSubmatch(r.stderr, -1) {
			s, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			times[m[2]] = append(times[m[2]], s)
		}
	}
	for what, all := range times {
		slices.Sort(all)
		if len(all) != 10 {
			t.Errorf("%s was reached in %d of ten runs", what, len(all))
		}
		t.Logf("%s: median %.2fs, from %.2fs to %.2fs", what, all[len(all)/2], all[0], all[len(all)-1])
	}
	if len(times) != 2 {
		t.Errorf("-v told of %d stages", len(times))
	}
}
