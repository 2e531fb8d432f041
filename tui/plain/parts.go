package plain

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/words"
)

// The parts of a story as text, which every screen words alike. None of them is
// escaped yet.

// NotProven is what stands in place of a confidence when no cause leads.
const NotProven = "no cause is proven"

// StateWord says in a word or two how the target does.
func StateWord(state string) string {
	switch finding.State(state) {
	case finding.Failing:
		return "failing"
	case finding.Recovered:
		return "recovered"
	case finding.Intermittent:
		return "comes and goes"
	}
	return "not known"
}

// Sure counts the trust of the evidence behind a hypothesis: "high: 4 seen, 2
// API, 0 inferred".
func Sure(s *story.Story, h story.Hypothesis) string {
	count := map[string]int{}
	counted := map[string]bool{}
	add := func(ids []string) {
		for _, id := range ids {
			if e := EvidenceOf(s, id); e != nil && !counted[id] {
				counted[id] = true
				count[e.Trust]++
			}
		}
	}
	add(h.Evidence)
	inferred := 0
	for _, l := range h.Chain {
		add(l.Evidence)
		if l.Trust == string(finding.Inferred) {
			inferred++
		}
	}
	out := fmt.Sprintf("%s: %d seen, %d API", finding.Words(h.Confidence), count["seen"], count["api"])
	if n := count["kubelet"]; n > 0 {
		out += fmt.Sprintf(", %d kubelet", n)
	}
	out += fmt.Sprintf(", %d inferred", inferred)
	if n := len(h.Against); n > 0 {
		out += fmt.Sprintf("; %d against", n)
	}
	return out
}

// EvidenceOf finds evidence by its id; nil when the story has none such.
func EvidenceOf(s *story.Story, id string) *story.Evidence {
	for i := range s.Evidence {
		if s.Evidence[i].ID == id {
			return &s.Evidence[i]
		}
	}
	return nil
}

// Scope is whom the cause reaches, from the cause on: "redis-0 > api > checkout".
func Scope(h story.Hypothesis) string {
	parts := []string{Name(h.Entity)}
	for _, e := range h.BlastRadius.Entities {
		if n := Name(e); n != parts[len(parts)-1] && n != h.Entity.Name {
			parts = append(parts, n)
		}
	}
	return strings.Join(parts, " > ")
}

// Name is the entity's short name, with its container if it is one.
func Name(e story.Entity) string {
	if e.Container != "" {
		return e.Name + "/" + e.Container
	}
	return e.Name
}

// Explain is the command that tells the story of one cause's object alone.
func Explain(h story.Hypothesis) string {
	e := h.Entity
	if h.Workload != nil {
		e = *h.Workload
	}
	out := "kubectl tapio explain"
	switch e.Kind {
	case "Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Service", "Node":
		out += " " + strings.ToLower(e.Kind) + "/" + e.Name
	}
	if e.Kind == "Namespace" {
		e.Namespace = e.Name
	}
	if e.Namespace != "" {
		out += " -n " + e.Namespace
	}
	return out
}

// Changed lists what was changed within the window, or says that nothing was.
func Changed(s *story.Story) []string {
	if len(s.Changes) == 0 {
		return []string{"nothing that the API tells of since " + words.At(s.Window.From, s.Window.To)}
	}
	var parts []string
	for _, c := range s.Changes {
		line := fmt.Sprintf("%s %s: %s", words.At(c.Time, s.Window.To), c.Entity.Name, c.What)
		if c.By != "" {
			line += " by " + c.By
		}
		parts = append(parts, line)
	}
	return parts
}

// Checked lists what was looked at, beginning with how many facts there are.
func Checked(s *story.Story) []string {
	return append([]string{fmt.Sprintf("%d facts, %d lost", s.Coverage.Events, s.Coverage.Lost)}, s.Checked...)
}

// Cite names the first evidence of a link and how it is known: "E2 seen, kernel
// log", or the link's trust when it has none.
func Cite(s *story.Story, l story.Link) string {
	if len(l.Evidence) == 0 {
		return l.Trust
	}
	id := l.Evidence[0]
	e := EvidenceOf(s, id)
	if e == nil || l.Trust == string(finding.Inferred) {
		return id + " inferred"
	}
	if e.Origin != "" {
		return id + " " + TrustWord(e.Trust) + ", " + e.Origin
	}
	return id + " " + TrustWord(e.Trust)
}

// RuledOut lists the rivals with what excludes each.
func RuledOut(s *story.Story) []string {
	var parts []string
	for _, r := range s.RuledOut {
		parts = append(parts, fmt.Sprintf("%s (%s)", r.Cause, r.Why))
	}
	return parts
}

// Unseen lists what could not be observed and why.
func Unseen(s *story.Story) []string {
	var parts []string
	for _, u := range s.Unseen {
		parts = append(parts, u.What+" ("+u.Why+")")
	}
	for _, n := range s.Coverage.Nodes {
		if n.From != nil {
			parts = append(parts, fmt.Sprintf("%s before %s (probe start) except kernel log and counters", n.Name, words.At(*n.From, s.Window.To)))
		}
	}
	rest := s.Coverage.Lost
	for _, n := range s.Coverage.Nodes {
		if l, ok := allLosses(n); ok {
			rest -= min(l.Events, rest)
			parts = append(parts, fmt.Sprintf("%s of %s between %s and %s (the stream was away, or slower than they came)",
				words.Count(l.Events, "event"), n.Name, words.At(l.From, s.Window.To), words.At(l.To, s.Window.To)))
		}
	}
	if rest > 0 {
		parts = append(parts, words.Count(rest, "event")+" lost")
	}
	return parts
}

// allLosses sums up what the stream of a node could not take.
func allLosses(n story.Node) (sum story.Loss, ok bool) {
	for i, l := range n.Losses {
		if i == 0 || l.From.Before(sum.From) {
			sum.From = l.From
		}
		if i == 0 || l.To.After(sum.To) {
			sum.To = l.To
		}
		sum.Events += l.Events
	}
	return sum, len(n.Losses) > 0
}

// TrustWord is how a trust reads: "seen", "API", "kubelet", "inferred".
func TrustWord(trust string) string {
	if trust == string(finding.API) {
		return "API"
	}
	return trust
}

// Wrap breaks at spaces only, so that names and commands stay whole; a word
// wider than a line is cut.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && ansi.StringWidth(line)+1+ansi.StringWidth(word) > width {
			lines, line = append(lines, line), ""
		}
		for ansi.StringWidth(word) > width {
			head := ansi.Truncate(word, width, "")
			lines, word = append(lines, head), word[len(head):]
		}
		if line != "" {
			word = line + " " + word
		}
		line = word
	}
	return append(lines, line)
}
