package objects

import "testing"

func TestAWellWorldIsHealthy(t *testing.T) {
	w := newWorld()
	if s := tell(t, w.all(), w.logs, ns); s.Verdict != "healthy" {
		t.Errorf("%s: %s\n%s", s.Verdict, s.Headline, full(s))
	}
}
