package plain_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/tui/plain"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func link(who, sentence, id string) story.Link {
	e := story.Entity{Kind: "Pod", Namespace: "bi", Name: who}
	return story.Link{From: e, To: e, Time: noon, Mechanism: "blocks", Trust: "api", Sentence: sentence, Evidence: []string{id}}
}

// unplaced is a pod that no node can take.
func unplaced() *story.Story {
	e := story.Entity{Kind: "Pod", Namespace: "bi", Name: "report-0"}
	return &story.Story{
		APIVersion: story.APIVersion, Kind: story.Kind, Target: &story.Target{Entity: e},
		Window: story.Window{From: noon.Add(-time.Hour), To: noon}, Verdict: story.Explained, State: "failing", Now: "pending for 18m",
		Headline: "report-0 cannot be placed: its disk is in zone a, and no node there has 4 CPU free",
		Changes:  []story.Change{{Time: noon.Add(-20 * time.Minute), Entity: story.Entity{Kind: "StatefulSet", Name: "report"}, What: "request 2 > 4 CPU (rev 12)", By: "helm"}},
		Hypotheses: []story.Hypothesis{{
			Cause: "scheduling/insufficient-cpu", Entity: e, Confidence: 0.99, Status: "supported", State: "failing",
			Chain: []story.Link{link("report-0", "asks for 4 CPU; 9 nodes tried", "E1")}, Evidence: []string{"E1"},
			Alternatives: []story.Alternative{
				{Change: "request <= 3500m", Helps: true, Effect: "node-a2"},
				{Change: "batch-7 (1 CPU) leaves node-a2", Helps: true},
				{Change: "less memory"}, {Change: "other zones", Effect: "the disk cannot move"},
			},
			Survey: &story.Survey{Of: "nodes", Total: 9, Parts: []string{"5 other zone", "2 cordoned", "2 short of CPU"}},
		}},
		Evidence: []story.Evidence{{ID: "E1", Observer: "scheduling", Kind: "scheduling.unplaced", Entity: e, Time: noon, Claim: "asks for 4 CPU", Trust: "api"}},
	}
}

// manyBroken is a cluster in which n things are broken.
func manyBroken(n int) *story.Story {
	s := &story.Story{Scope: "cluster", Window: story.Window{From: noon.Add(-time.Hour), To: noon}, Verdict: story.Explained, State: "failing", Headline: "web-0: image does not exist"}
	for i := range n {
		e := story.Entity{Kind: "Pod", Namespace: "shop", Name: "web-" + string(rune('a'+i))}
		s.Hypotheses = append(s.Hypotheses, story.Hypothesis{
			Cause: "image/not-found", Entity: e, Workload: &story.Entity{Kind: "Deployment", Namespace: "shop", Name: "web"}, Confidence: 0.99, Status: "supported", State: "failing",
			Headline: e.Name + ": its image does not exist", Chain: []story.Link{link(e.Name, "ErrImagePull", "E1")}, Evidence: []string{"E1"},
		})
	}
	s.Open = []story.Symptom{{Entity: story.Entity{Kind: "Pod", Namespace: "pay", Name: "api-0"}, Since: noon, Sentence: "container main is running, not ready", Lasting: true, Evidence: []string{"E1"}}}
	s.Evidence = []story.Evidence{{ID: "E1", Claim: "ErrImagePull", Trust: "api"}}
	return s
}

func text(t *testing.T, s *story.Story) string {
	t.Helper()
	var b bytes.Buffer
	if err := plain.Render(&b, s, plain.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnplaced(t *testing.T) { golden(t, "unplaced", []byte(text(t, unplaced()))) }

func TestTriage(t *testing.T) {
	golden(t, "triage", []byte(text(t, manyBroken(3))))
	for _, n := range []int{0, 1, 9, 25} {
		if lines := strings.Count(text(t, manyBroken(n)), "\n"); lines > 24 {
			t.Errorf("%d broken things take %d lines", n, lines)
		}
	}
}

// However much there is to tell, it fits the screen, and verdict, next step and
// reason are among it.
func TestFitsTheScreen(t *testing.T) {
	s := unplaced()
	h := &s.Hypotheses[0]
	for i := range 12 {
		long := strings.Repeat("many words about what happened ", 3+i%3)
		h.Chain = append(h.Chain, link("report-0", long, "E1"))
		h.Alternatives = append(h.Alternatives, story.Alternative{Change: long, Helps: true, Effect: "node-b"})
		h.Advice = append(h.Advice, story.Advice{Command: "kubectl do " + long, ChangesCluster: true, Expect: long, Undo: long})
		s.RuledOut = append(s.RuledOut, story.RuledOut{Cause: "scheduling/taint", Why: long})
		s.Unseen = append(s.Unseen, story.Unseen{What: "something", Why: long})
		s.Open = append(s.Open, story.Symptom{Sentence: long, Lasting: true})
	}
	got := text(t, s)
	if lines := strings.Count(got, "\n"); lines > 24 {
		t.Errorf("%d lines:\n%s", lines, got)
	}
	for _, part := range []string{"report-0 cannot be placed", "SURE", "NOW", "CHANGED", "by helm", "FITS IF", "DO", "WHY", "RULED OUT", "NOT SEEN"} {
		if !strings.Contains(got, part) {
			t.Errorf("lacks %s:\n%s", part, got)
		}
	}
}

func TestWhyNotIsShown(t *testing.T) {
	s := unplaced()
	s.WhyNot = &story.WhyNot{Cause: "scheduling/taint", Answer: "no evidence for it.", Missing: []string{"no scheduling.taint"}}
	if got := text(t, s); !strings.Contains(got, "WHY NOT  scheduling/taint: no evidence for it.\n         no scheduling.taint\n") {
		t.Error(got)
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := plain.Markdown(&b, unplaced()); err != nil {
		t.Fatal(err)
	}
	golden(t, "unplaced-markdown", b.Bytes())
}

// No string of the cluster makes a link, a mention, a heading, a cell or HTML.
func TestMarkdownHoldsForeignStrings(t *testing.T) {
	s := unplaced()
	evil := "# x | <img src=a> [a](http://b) @all `code` **b**\n- item\x1b[2J"
	s.Headline, s.Hypotheses[0].Chain[0].Sentence = evil, evil
	s.Hypotheses[0].Advice = []story.Advice{{Command: "kubectl ``get`` `", Expect: evil}}
	var b bytes.Buffer
	if err := plain.Markdown(&b, s); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, bad := range []string{"<img", "[a](", " @all", "\x1b", "\n- item", " | <", "**b**"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q gets through:\n%s", bad, got)
		}
	}
	if !strings.Contains(got, "``` kubectl ``get`` ` ```") {
		t.Errorf("the code span does not hold:\n%s", got)
	}
}
