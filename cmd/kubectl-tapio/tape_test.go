package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/probe/tape"
)

var update = flag.Bool("update", false, "rewrite golden files")

// scenario is a redacted tape of a server that leaks into its limit while a
// caller calls it.
const scenario = "testdata/leak.tape"

func load(t *testing.T, path string) *tape.Tape {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := tape.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func document(t *testing.T, s *story.Story) string {
	t.Helper()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// kubectlTapio runs a command in this process, without any cluster.
func kubectlTapio(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	root := newRoot(streams)
	root.SetArgs(args)
	code = exitCode(streams, root.ExecuteContext(t.Context()))
	return out.String(), errOut.String(), code
}

// The scenario's story, as a document and as text.
func TestFromTape(t *testing.T) {
	for ext, args := range map[string][]string{"json": {"-o", "json"}, "txt": {"--plain"}} {
		got, stderr, code := kubectlTapio(t, append([]string{"explain", "--from", scenario}, args...)...)
		if code != 0 || stderr != "" {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		golden := "testdata/leak." + ext
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", golden, d)
		}
		if !strings.Contains(got, "OOM-killed") {
			t.Errorf("the story lacks the kill:\n%s", got)
		}
	}
}

// told tells the story of a whole tape.
func told(t *tape.Tape) *story.Story {
	in, now := fed(t, time.Time{})
	return in.story(now)
}

// shuffled interleaves the sources at random; each keeps its own order.
func shuffled(ls []tape.Line, r *rand.Rand) []tape.Line {
	bySource := map[string][]tape.Line{}
	var draw []string
	for _, l := range ls {
		bySource[l.Source.Name] = append(bySource[l.Source.Name], l)
		draw = append(draw, l.Source.Name)
	}
	r.Shuffle(len(draw), func(i, j int) { draw[i], draw[j] = draw[j], draw[i] })
	out := make([]tape.Line, 0, len(ls))
	for _, name := range draw {
		out = append(out, bySource[name][0])
		bySource[name] = bySource[name][1:]
	}
	return out
}

func TestArrivalOrderDoesNotMatter(t *testing.T) {
	tp := load(t, scenario)
	want := document(t, told(tp))
	for seed := range uint64(50) {
		mixed := &tape.Tape{Header: tp.Header, Lines: shuffled(tp.Lines, rand.New(rand.NewPCG(seed, 0)))}
		if d := cmp.Diff(want, document(t, told(mixed))); d != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, d)
		}
	}
}

// The tapes of all live scenarios: each tells its story, whatever the order in
// which its sources arrived.
func TestScenarios(t *testing.T) {
	tapes, err := filepath.Glob("../../test/e2e/testdata/tapes/*.tape")
	if err != nil || len(tapes) == 0 {
		t.Fatalf("no tapes: %v", err)
	}
	for _, path := range tapes {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tape"), func(t *testing.T) {
			got, stderr, code := kubectlTapio(t, "explain", "--from", path, "--plain")
			if code != 0 || stderr != "" {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			golden := strings.TrimSuffix(path, ".tape") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s (-want +got):\n%s", golden, d)
			}
			tp := load(t, path)
			inOrder := document(t, told(tp))
			for seed := range uint64(5) {
				mixed := &tape.Tape{Header: tp.Header, Lines: shuffled(tp.Lines, rand.New(rand.NewPCG(seed, 0)))}
				if d := cmp.Diff(inOrder, document(t, told(mixed))); d != "" {
					t.Fatalf("seed %d (-want +got):\n%s", seed, d)
				}
			}
		})
	}
}

// What a run tells at its end, its tape tells again, byte for byte.
func TestSavedRunTellsTheSame(t *testing.T) {
	tp := load(t, scenario)
	path := filepath.Join(t.TempDir(), "run.tape")
	in := inputOf(tp.Header)
	if err := in.save(path); err != nil {
		t.Fatal(err)
	}
	now := time.Now() // carries a monotonic reading, as in a live run
	for _, l := range tp.Lines {
		switch f, ok := l.Sourced(); {
		case ok:
			in.add(f, l.At.Local())
		case l.Align != nil:
			in.align(l.Source.Name, l.Align.Ahead, l.At)
		}
	}
	if err := in.finish(now); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(document(t, in.story(now)), document(t, told(load(t, path)))); d != "" {
		t.Errorf("the tape tells another story (-live +tape):\n%s", d)
	}
}

// The story of a redacted tape is the story of the tape up to names, and no
// name is left.
func TestRedactKeepsTheStory(t *testing.T) {
	tp := load(t, scenario)
	want := document(t, told(tp))
	redacted, names := tape.Redact(tp, []byte("a key"))
	got := document(t, told(redacted))
	for pseudonym, name := range names {
		if len(name) > 8 && strings.Contains(got, name) {
			t.Errorf("%s is still in the story", name)
		}
		if len(pseudonym) == 64 { // a runtime's id, which stories cut to twelve
			names[pseudonym[:12]] = name[:min(12, len(name))]
		}
	}
	pseudonyms := slices.SortedFunc(mapKeys(names), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, p := range pseudonyms {
		pairs = append(pairs, p, names[p])
	}
	if d := cmp.Diff(want, strings.NewReplacer(pairs...).Replace(got)); d != "" {
		t.Errorf("the redacted tape tells another story (-want +got):\n%s", d)
	}
	again, _ := tape.Redact(tp, []byte("a key"))
	if d := cmp.Diff(got, document(t, told(again))); d != "" {
		t.Errorf("the same key gives other pseudonyms:\n%s", d)
	}
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestRedactCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.tape")
	if _, stderr, code := kubectlTapio(t, "tape", "redact", scenario, "-o", out); code != 0 {
		t.Fatal(stderr)
	}
	a, b := load(t, scenario), load(t, out)
	if a.Header.Target.Name == b.Header.Target.Name || len(a.Lines) != len(b.Lines) {
		t.Errorf("%+v has %d lines, %+v has %d", a.Header, len(a.Lines), b.Header, len(b.Lines))
	}
}

func TestReplay(t *testing.T) {
	got, stderr, code := kubectlTapio(t, "replay", scenario, "--speed", "max")
	if code != 0 {
		t.Fatal(stderr)
	}
	want, err := os.ReadFile("testdata/leak.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(got, string(want)) || strings.Count(got, "--- ") < 2 {
		t.Errorf("replay does not end in the story, or shows it once only:\n%s", got)
	}
}

func TestTapeErrors(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("no tape"), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut")
	if err := os.WriteFile(cut, raw[:len(raw)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		part string
	}{
		{[]string{"explain", "--from", junk}, 1, "holds no Kubernetes objects"},
		{[]string{"replay", dir}, 1, "is a directory"},
		{[]string{"explain", "--from", filepath.Join(dir, "none")}, 1, "no such file"},
		{[]string{"explain", "--from", cut}, 0, "breaks off after"},
		{[]string{"explain", "--from", scenario, "pod/x"}, 1, "leave out pod/x"},
		{[]string{"explain", "--from", scenario, "--no-probe"}, 1, "--no-probe has no meaning"},
		{[]string{"explain", "--from", scenario, "--now", "noon"}, 1, "--now wants a time"},
		{[]string{"explain", "--from", scenario, "-o", "xml"}, 1, "unknown output format"},
		{[]string{"replay", scenario, "--speed", "NaN"}, 1, "--speed wants"},
		{[]string{"replay", scenario, "--speed", "0"}, 1, "--speed wants"},
		{[]string{"replay", junk}, 1, "not a tape"},
		{[]string{"tape", "redact", scenario}, 1, "needs a file"},
		{[]string{"tape", "redact", junk, "-o", filepath.Join(dir, "x")}, 1, "not a tape"},
		{[]string{"tape", "redact", scenario, "-o", filepath.Join(dir, "no", "x")}, 1, "no such file"},
	} {
		_, stderr, code := kubectlTapio(t, tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.part) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, want %d with %q in one line: %s", tt.args, code, tt.code, tt.part, stderr)
		}
	}
}

// --now tells the story as of then: what arrived later is not in it.
func TestNow(t *testing.T) {
	tp := load(t, scenario)
	early := tp.Lines[0].At
	var s story.Story
	out, stderr, code := kubectlTapio(t, "explain", "--from", scenario, "-o", "json", "--now", early.Format(time.RFC3339Nano))
	if code != 0 {
		t.Fatal(stderr)
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if !s.Window.To.Equal(early) || s.Coverage.Events >= uint64(len(tp.Lines)) || len(s.Coverage.Nodes) != 0 {
		t.Error(fmt.Sprint(s.Window, s.Coverage))
	}
}
