//go:build live

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yairfalse/tapio/correlate/story"
)

// tapeDir keeps a redacted tape of each scenario with its story. TestScenarios
// in cmd/kubectl-tapio tells them again without a cluster; -update renews them.
const tapeDir = "testdata/tapes"

// recorded is a run of explain -o json that was also kept on a tape.
type recorded struct {
	result
	tape string
}

// record runs explain -o json and keeps its tape.
func record(t *testing.T, args ...string) recorded {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.tape")
	for _, a := range args {
		if own, ok := strings.CutPrefix(a, "--save="); ok {
			path = own
		}
	}
	return recorded{tapio(t, nil, append(append([]string{"explain", "-o", "json"}, args...), "--save="+path)...), path}
}

// kept checks that the tape of a run tells the run's own story, byte for byte,
// and its redaction the same verdict.
func (r recorded) kept(t *testing.T) {
	t.Helper()
	again := tapio(t, nil, "explain", "--from", r.tape, "-o", "json")
	if again.code != 0 {
		t.Fatalf("the tape cannot be read: exit %d: %s", again.code, again.stderr)
	}
	if d := cmp.Diff(r.stdout, again.stdout); d != "" {
		t.Errorf("the tape tells another story (-live +tape):\n%s", d)
	}
	redacted := r.tape + ".redacted"
	if got := tapio(t, nil, "tape", "redact", r.tape, "-o", redacted); got.code != 0 {
		t.Fatalf("the tape cannot be redacted: exit %d: %s", got.code, got.stderr)
	}
	blind := tapio(t, nil, "explain", "--from", redacted, "-o", "json")
	if d := cmp.Diff(gist(t, r.stdout), gist(t, blind.stdout)); d != "" {
		t.Errorf("the redacted tape tells another story (-live +redacted):\n%s", d)
	}
	if *update {
		keep(t, redacted)
	}
}

// gist is what redaction must not change.
func gist(t *testing.T, document string) string {
	t.Helper()
	var s story.Story
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	var b strings.Builder
	fmt.Fprintln(&b, s.Verdict, s.State)
	for _, h := range s.Hypotheses {
		fmt.Fprintf(&b, "%s %s %.3f %d links, %d pieces of evidence\n", h.Cause, h.Entity.Kind, h.Confidence, len(h.Chain), len(h.Evidence))
	}
	for _, r := range s.RuledOut {
		fmt.Fprintln(&b, "not", r.Cause)
	}
	return b.String()
}

// renewed are the scenarios whose tapes this run has written.
var renewed sync.Map

// keep stores the first tape of a test with its story.
func keep(t *testing.T, redacted string) {
	t.Helper()
	name := strings.NewReplacer("/", "-", " ", "_", "'", "").Replace(strings.TrimPrefix(t.Name(), "Test"))
	if _, again := renewed.LoadOrStore(name, true); again {
		return
	}
	b, err := os.ReadFile(redacted)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(tapeDir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := tapio(t, nil, "explain", "--from", redacted, "--plain")
	for ext, content := range map[string][]byte{".tape": b, ".txt": []byte(text.stdout)} {
		if err := os.WriteFile(filepath.Join(tapeDir, name+ext), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
