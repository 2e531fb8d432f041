package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/correlate/story"
)

// lines decodes JSON lines of facts.
func factLines(t *testing.T, text string) []factLine {
	t.Helper()
	var out []factLine
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if l == "" {
			continue
		}
		var f factLine
		if err := json.Unmarshal([]byte(l), &f); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		out = append(out, f)
	}
	return out
}

// Every fact of a tape is one line, in the order of time; filters leave theirs.
func TestEvents(t *testing.T) {
	out, stderr, code := kubectlTapio(t, "events", "--from", scenario, "-o", "json")
	if code != 0 {
		t.Fatal(stderr)
	}
	all := factLines(t, out)
	facts := 0
	for _, l := range load(t, scenario).Lines {
		if l.Frame != nil && l.Frame.Event != nil {
			facts++
		}
	}
	if len(all) != facts || facts == 0 {
		t.Errorf("%d lines for %d facts", len(all), facts)
	}
	for i, f := range all {
		if f.Source == "" || f.Kind == "" || i > 0 && f.At.Before(all[i-1].At) {
			t.Fatalf("line %d: %+v", i, f)
		}
	}
	out, _, _ = kubectlTapio(t, "events", "--from", scenario, "-o", "json", "--kind", "memory.oom_kill,lifecycle.pod")
	some := factLines(t, out)
	kinds := map[string]int{}
	for _, f := range some {
		kinds[string(f.Kind)]++
	}
	if len(some) == 0 || len(some) >= len(all) || kinds["memory.oom_kill"] == 0 || kinds["lifecycle.pod"] == 0 || len(kinds) != 2 {
		t.Errorf("filtered: %v", kinds)
	}
	text, _, code := kubectlTapio(t, "events", "--from", scenario)
	if code != 0 || strings.Count(text, "\n") != len(all) || !strings.Contains(text, "memory.oom_kill") {
		t.Errorf("as text: exit %d, %d lines", code, strings.Count(text, "\n"))
	}
}

func TestEventsOfFiles(t *testing.T) {
	dir := writeFiles(t, incident())
	out, stderr, code := kubectlTapio(t, "events", "cart", "--from", dir, "-o", "json", "--observers", "lifecycle")
	got := factLines(t, out)
	if code != 0 || len(got) == 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, f := range got {
		if f.Kind.Observer() != "lifecycle" || f.Source != "api" {
			t.Errorf("%s from %s", f.Kind, f.Source)
		}
	}
}

// Each piece of evidence of a story can be looked up, and most have facts.
func TestEvidence(t *testing.T) {
	s, _ := told1(t, "--from", scenario)
	withFacts := 0
	for _, e := range s.Evidence {
		out, stderr, code := kubectlTapio(t, "evidence", strings.ToLower(e.ID), "--from", scenario, "-o", "json")
		if code != 0 {
			t.Fatal(stderr)
		}
		first, rest, _ := strings.Cut(out, "\n")
		var got story.Evidence
		if err := json.Unmarshal([]byte(first), &got); err != nil || got != e {
			t.Errorf("%s: %v, %s", e.ID, err, first)
		}
		for _, f := range factLines(t, rest) {
			if string(f.Kind) != e.Kind {
				t.Errorf("%s of kind %s has a fact of kind %s", e.ID, e.Kind, f.Kind)
			}
		}
		if len(factLines(t, rest)) > 0 {
			withFacts++
		}
	}
	if withFacts < len(s.Evidence)/2 || withFacts == 0 {
		t.Errorf("only %d of %d pieces of evidence have facts", withFacts, len(s.Evidence))
	}
	text, _, code := kubectlTapio(t, "evidence", "E1", "--from", scenario)
	if code != 0 || !strings.HasPrefix(text, "E1  ") || strings.Count(text, "\n") < 2 {
		t.Errorf("as text: %s", text)
	}
}

func TestEventsErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		part string
	}{
		{[]string{"evidence"}, "needs an id"},
		{[]string{"evidence", "E1"}, "--from PATH"},
		{[]string{"evidence", "E99", "--from", scenario}, `no evidence "E99": there are E1 to`},
		{[]string{"events", "--from", scenario, "pod/x"}, "leave out pod/x"},
		{[]string{"events", "--from", scenario, "-o", "yaml"}, "-o json"},
		{[]string{"events", "--from", scenario, "--kind", "nothing.such"}, "there is no kind"},
	} {
		stdout, stderr, code := kubectlTapio(t, tt.args...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, tt.part) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, want %q: %s", tt.args, code, tt.part, stderr)
		}
	}
}
