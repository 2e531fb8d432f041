package correlate_test

import (
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/facts"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/event"
)

func TestWhyNot(t *testing.T) {
	killed := &facts.Set{}
	killed.Pod(redis, 40, running(32, 1))
	killed.Ended(redis, -29, 30, "Error", 137, "")
	other := &facts.Set{}
	other.Pod(api, 40, running(-500, 0))
	other.Pod(redis, 40, running(32, 1))
	other.Ended(redis, -29, 30, "OOMKilled", 137, "")
	well := &facts.Set{}
	well.Pod(redis, 40, running(-500, 0))
	tests := []struct {
		name    string
		w       *window.Window
		cause   finding.Cause
		answer  string
		missing string
	}{
		{"the verdict", leaking().Window(40, true, redis), "memory/limit-oom", "it is the verdict, at redis-0 (certain)", ""},
		{"ruled out by the leader", leaking().Window(40, true, redis), "memory/limit-too-small", "ruled out: an instance ran for", ""},
		{"ruled out by its own rule", killed.Window(40, true, redis), "memory/limit-oom", "ruled out: the runtime reports Error", ""},
		{"at somebody else's", other.Window(40, false, api), "memory/limit-oom", "it is found at redis-0, which has nothing to do with deployment api", ""},
		{"without evidence", well.Window(40, false, redis), "memory/limit-oom", "no evidence for it. A container reached", "no memory.oom_kill (of a test)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := correlate.WhyNot(tt.w, tt.cause, func(event.Kind) string { return "of a test" })
			if got == nil || !strings.HasPrefix(got.Answer, tt.answer) {
				t.Fatalf("answer %+v, want %q", got, tt.answer)
			}
			if tt.missing != "" && !strings.Contains(strings.Join(got.Missing, "\n"), tt.missing) {
				t.Errorf("missing %q lacks %q", got.Missing, tt.missing)
			}
		})
	}
	if got := correlate.WhyNot(well.Window(40, false, redis), "no/such", nil); got != nil {
		t.Errorf("an unknown cause is answered with %+v", got)
	}
}

// An effect is told where it went.
func TestWhyNotOfAnEffect(t *testing.T) {
	w := namespaceOf(leaking())
	if got := correlate.WhyNot(w, "memory/limit-oom", func(event.Kind) string { return "" }); got == nil || !strings.HasPrefix(got.Answer, "it is the verdict") {
		t.Errorf("%+v", got)
	}
}

func namespaceOf(s *facts.Set) *window.Window {
	return window.New(window.Input{
		Target: window.Target{Key: event.Key{Type: event.Namespace, ID: "shop"}, Kind: "Namespace", Namespace: "shop", Name: "shop"},
		From:   facts.At(-3600), Now: facts.At(40), Facts: s.List,
	})
}
