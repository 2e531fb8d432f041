// Package plain renders a story as text: verdict first, then whether it fails
// now, how far it reaches, what changed, what to do, why, what was ruled out
// and what nobody saw. It fits a screen of 24 lines.
package plain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/tui/escape"
)

// Options are the terminal's.
type Options struct {
	Width int  // columns; 0 means 100
	Color bool // bold headline, dim trust; meaning never depends on it
}

// Limits that keep a story on one screen.
const (
	maxLinks  = 8
	maxAdvice = 3
	maxUnseen = 3
	maxRuled  = 4
	label     = 9 // width of the column of labels
)

// Render writes the story.
func Render(w io.Writer, s *story.Story, o Options) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	p := &printer{o: o, s: s}
	p.headline()
	switch s.Verdict {
	case story.Explained:
		p.explained(s.Hypotheses[0])
	default:
		p.notExplained()
	}
	p.ruledOut()
	p.unseen()
	_, err := io.WriteString(w, p.b.String())
	return err
}

type printer struct {
	o Options
	s *story.Story
	b strings.Builder
}

func (p *printer) headline() {
	for _, line := range wrap(escape.Text(p.s.Headline), p.o.Width) {
		if p.o.Color {
			line = "\x1b[1m" + line + "\x1b[0m"
		}
		p.b.WriteString(line + "\n")
	}
}

func (p *printer) explained(h story.Hypothesis) {
	p.row("SURE", p.sure(h))
	if p.s.Now != "" {
		p.row("NOW", stateWord(p.s.State)+": "+p.s.Now)
	}
	if scope := p.scope(h); scope != "" {
		p.row("SCOPE", scope)
	}
	p.changed()
	p.advice(h)
	p.why(h)
	if len(p.s.Hypotheses) > 1 {
		p.also(p.s.Hypotheses[1:])
	}
}

// stateWord says in a word or two how the target does.
func stateWord(state string) string {
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

// sure counts the trust of the evidence behind the leading hypothesis.
func (p *printer) sure(h story.Hypothesis) string {
	count := map[string]int{}
	counted := map[string]bool{}
	add := func(ids []string) {
		for _, id := range ids {
			if e := p.evidence(id); e != nil && !counted[id] {
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

func (p *printer) evidence(id string) *story.Evidence {
	for i := range p.s.Evidence {
		if p.s.Evidence[i].ID == id {
			return &p.s.Evidence[i]
		}
	}
	return nil
}

func (p *printer) scope(h story.Hypothesis) string {
	parts := []string{name(h.Entity)}
	for _, e := range h.BlastRadius.Entities {
		if n := name(e); n != parts[len(parts)-1] && n != h.Entity.Name {
			parts = append(parts, n)
		}
	}
	return strings.Join(parts, " > ")
}

func name(e story.Entity) string {
	if e.Container != "" {
		return e.Name + "/" + e.Container
	}
	return e.Name
}

func (p *printer) changed() {
	if len(p.s.Changes) == 0 {
		p.row("CHANGED", "nothing that the API tells of since "+p.at(p.s.Window.From))
		return
	}
	var parts []string
	for _, c := range p.s.Changes {
		line := fmt.Sprintf("%s %s: %s", p.at(c.Time), c.Entity.Name, c.What)
		if c.By != "" {
			line += " by " + c.By
		}
		parts = append(parts, line)
	}
	p.row("CHANGED", words.List(parts, 2))
}

func (p *printer) at(t time.Time) string { return words.At(t, p.s.Window.To) }

func (p *printer) advice(h story.Hypothesis) {
	for i, a := range h.Advice {
		if i == maxAdvice {
			return
		}
		head := ""
		if i == 0 {
			head = "DO"
		}
		mark := " "
		if a.ChangesCluster {
			mark = "!"
		}
		p.hang(fmt.Sprintf("%-*s%d%s ", label, head, i+1, mark), escape.Text(a.Command))
		var notes []string
		if a.Expect != "" {
			notes = append(notes, a.Expect)
		}
		if a.Undo != "" {
			notes = append(notes, "undo: "+a.Undo)
		}
		if len(notes) > 0 {
			p.hang(strings.Repeat(" ", label+3), escape.Text(strings.Join(notes, "; ")))
		}
	}
}

func (p *printer) why(h story.Hypothesis) {
	p.b.WriteString("WHY\n")
	column := 0
	links := h.Chain[:min(len(h.Chain), maxLinks)]
	for _, l := range links {
		column = max(column, ansi.StringWidth(escape.Text(l.To.Name)))
	}
	column = min(column, 28)
	for _, l := range links {
		cite := l.Trust
		if len(l.Evidence) > 0 {
			cite = l.Evidence[0]
			if e := p.evidence(cite); e != nil && l.Trust != string(finding.Inferred) {
				cite += " " + trustWord(e.Trust)
				if e.Origin != "" {
					cite += ", " + e.Origin
				}
			} else {
				cite += " inferred"
			}
		}
		who := ansi.Truncate(escape.Text(l.To.Name), column, "~")
		who += strings.Repeat(" ", column-ansi.StringWidth(who))
		prefix := fmt.Sprintf("  %s  %s  ", words.Clock(l.Time), who)
		p.hang(prefix, escape.Text(l.Sentence)+"  ["+escape.Text(cite)+"]")
	}
	if more := len(h.Chain) - len(links); more > 0 {
		p.b.WriteString("  " + words.Count(more, "further link") + " in -o json\n")
	}
}

func trustWord(trust string) string {
	if trust == string(finding.API) {
		return "API"
	}
	return trust
}

func (p *printer) also(hs []story.Hypothesis) {
	var parts []string
	for _, h := range hs {
		parts = append(parts, fmt.Sprintf("%s at %s (%s)", h.Cause, name(h.Entity), finding.Words(h.Confidence)))
	}
	p.row("ALSO", words.List(parts, 2))
}

// notExplained renders the healthy and the inconclusive verdict.
func (p *printer) notExplained() {
	if p.s.Verdict == story.Inconclusive {
		p.row("SURE", "no cause is proven")
		if p.s.Now != "" {
			p.row("NOW", stateWord(p.s.State)+": "+p.s.Now)
		}
	}
	lost := fmt.Sprintf("%d facts, %d lost", p.s.Coverage.Events, p.s.Coverage.Lost)
	p.row("CHECKED", strings.Join(append([]string{lost}, p.s.Checked...), " | "))
	p.changed()
}

func (p *printer) ruledOut() {
	if len(p.s.RuledOut) == 0 {
		return
	}
	var parts []string
	for _, r := range p.s.RuledOut {
		parts = append(parts, fmt.Sprintf("%s (%s)", r.Cause, r.Why))
	}
	p.row("RULED OUT", words.List(parts, maxRuled))
}

func (p *printer) unseen() {
	var parts []string
	for _, u := range p.s.Unseen {
		parts = append(parts, u.What+" ("+u.Why+")")
	}
	for _, n := range p.s.Coverage.Nodes {
		if n.From != nil {
			parts = append(parts, fmt.Sprintf("%s before %s (probe start) except kernel log and counters", n.Name, p.at(*n.From)))
		}
	}
	if p.s.Coverage.Lost > 0 {
		parts = append(parts, words.Count(p.s.Coverage.Lost, "event")+" lost")
	}
	if len(parts) > 0 {
		p.row("NOT SEEN", words.List(parts, maxUnseen))
	}
}

// row writes a labelled paragraph.
func (p *printer) row(head, text string) {
	width := max(label, len(head)+2)
	p.hang(head+strings.Repeat(" ", width-len(head)), escape.Text(text))
}

// hang writes text behind prefix and indents what does not fit on the line.
func (p *printer) hang(prefix, text string) {
	indent := ansi.StringWidth(prefix)
	for i, line := range wrap(text, max(p.o.Width-indent, 20)) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.b.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
	}
}

// wrap breaks at spaces only, so that names and commands stay whole; a word
// wider than a line is cut.
func wrap(text string, width int) []string {
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
