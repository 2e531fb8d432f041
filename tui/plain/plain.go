// Package plain renders a story as text: verdict first, then whether it fails
// now, how far it reaches, what changed, what to do, why, what was ruled out
// and what nobody saw. It fits a screen of 24 lines.
package plain

import (
	"fmt"
	"io"
	"strings"

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
	for _, line := range Wrap(escape.Text(p.s.Headline), p.o.Width) {
		if p.o.Color {
			line = "\x1b[1m" + line + "\x1b[0m"
		}
		p.b.WriteString(line + "\n")
	}
}

func (p *printer) explained(h story.Hypothesis) {
	p.row("SURE", Sure(p.s, h))
	if p.s.Now != "" {
		p.row("NOW", StateWord(p.s.State)+": "+p.s.Now)
	}
	if scope := Scope(h); scope != "" {
		p.row("SCOPE", scope)
	}
	p.changed()
	p.advice(h)
	p.why(h)
	if len(p.s.Hypotheses) > 1 {
		p.also(p.s.Hypotheses[1:])
	}
}

func (p *printer) changed() {
	p.row("CHANGED", words.List(Changed(p.s), 2))
}

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
		who := ansi.Truncate(escape.Text(l.To.Name), column, "~")
		who += strings.Repeat(" ", column-ansi.StringWidth(who))
		prefix := fmt.Sprintf("  %s  %s  ", words.Clock(l.Time), who)
		p.hang(prefix, escape.Text(l.Sentence)+"  ["+escape.Text(Cite(p.s, l))+"]")
	}
	if more := len(h.Chain) - len(links); more > 0 {
		p.b.WriteString("  " + words.Count(more, "further link") + " in -o json\n")
	}
}

func (p *printer) also(hs []story.Hypothesis) {
	var parts []string
	for _, h := range hs {
		parts = append(parts, fmt.Sprintf("%s at %s (%s)", h.Cause, Name(h.Entity), finding.Words(h.Confidence)))
	}
	p.row("ALSO", words.List(parts, 2))
}

// notExplained renders the healthy and the inconclusive verdict.
func (p *printer) notExplained() {
	if p.s.Verdict == story.Inconclusive {
		p.row("SURE", NotProven)
		if p.s.Now != "" {
			p.row("NOW", StateWord(p.s.State)+": "+p.s.Now)
		}
	}
	p.row("CHECKED", strings.Join(Checked(p.s), " | "))
	p.changed()
}

func (p *printer) ruledOut() {
	if parts := RuledOut(p.s); len(parts) > 0 {
		p.row("RULED OUT", words.List(parts, maxRuled))
	}
}

func (p *printer) unseen() {
	if parts := Unseen(p.s); len(parts) > 0 {
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
	for i, line := range Wrap(text, max(p.o.Width-indent, 20)) {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.b.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
	}
}
