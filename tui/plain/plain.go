// Package plain renders a story as text: verdict first, then whether it fails
// now, how far it reaches, what changed, what to do, why, what was ruled out
// and what nobody saw. It fits a screen of 24 lines.
package plain

import (
	"fmt"
	"io"
	"math"
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

// screen is how many lines a story may take where there are enough columns;
// who reads on less has to scroll.
const (
	screen  = 24
	columns = 80
)

// label is the width of the column of labels.
const label = 9

// limits is how much of each part is shown, so that a story fits the screen.
type limits struct {
	links, advice, notes, unseen, ruled, also, alternatives, checked int
	lines                                                            int // of one paragraph; commands are never cut
}

// roomy is where the fitting begins. shrink gives up, one after another, what a
// reader misses least.
var (
	roomy  = limits{links: 8, advice: 3, notes: 3, unseen: 3, ruled: 4, also: 3, alternatives: 5, checked: 12, lines: 8}
	shrink = []func(*limits){
		func(l *limits) { l.unseen = 2 },
		func(l *limits) { l.ruled = 2 },
		func(l *limits) { l.checked = 6 },
		func(l *limits) { l.links = 6 },
		func(l *limits) { l.notes = 2 },
		func(l *limits) { l.unseen = 1 },
		func(l *limits) { l.alternatives = 3 },
		func(l *limits) { l.links = 5 },
		func(l *limits) { l.advice = 2 },
		func(l *limits) { l.also = 2 },
		func(l *limits) { l.ruled = 1 },
		func(l *limits) { l.notes = 1 },
		func(l *limits) { l.links = 4 },
		func(l *limits) { l.alternatives = 2 },
		func(l *limits) { l.links = 3 },
		func(l *limits) { l.also = 1 },
		func(l *limits) { l.checked = 4 },
		func(l *limits) { l.lines = 3 },
		func(l *limits) { l.lines = 2 },
		func(l *limits) { l.advice = 1 },
		func(l *limits) { l.lines = 1 },
	}
)

// Render writes the story, as much of it as fits the screen; the rest is in the
// document.
func Render(w io.Writer, s *story.Story, o Options) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	most := roomy
	text := render(s, o, most)
	for _, less := range shrink {
		if o.Width < columns || strings.Count(text, "\n") <= screen {
			break
		}
		less(&most)
		text = render(s, o, most)
	}
	_, err := io.WriteString(w, text)
	return err
}

func render(s *story.Story, o Options, most limits) string {
	p := &printer{o: o, s: s, max: most}
	switch {
	case s.Scope == "cluster":
		p.triage()
	case s.Verdict == story.Explained:
		p.headline()
		p.explained(s.Hypotheses[0])
	default:
		p.headline()
		p.notExplained()
	}
	p.whyNot()
	p.ruledOut()
	p.unseen()
	return p.b.String()
}

type printer struct {
	o   Options
	s   *story.Story
	max limits
	b   strings.Builder
}

func (p *printer) headline() {
	p.bold(p.s.Headline)
}

func (p *printer) bold(text string) {
	for _, line := range Wrap(escape.Text(text), p.o.Width) {
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
	p.tried(h)
	p.advice(h)
	p.why(h)
	p.also(p.s.Hypotheses[1:])
	p.open()
}

func (p *printer) changed() {
	p.row("CHANGED", words.List(Changed(p.s), 2))
}

func (p *printer) advice(h story.Hypothesis) {
	for i, a := range h.Advice {
		if i == p.max.advice {
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
		p.hangUpTo(fmt.Sprintf("%-*s%d%s ", label, head, i+1, mark), escape.Text(a.Command), math.MaxInt)
		if i >= p.max.notes {
			continue
		}
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
	links := h.Chain[:min(len(h.Chain), p.max.links)]
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

// tried lists the changes that were tried on the objects: which alone would
// help, and which would not.
func (p *printer) tried(h story.Hypothesis) {
	head := "FITS IF"
	if !places(h) {
		head = "WORKS IF"
	}
	var not []string
	shown := 0
	for _, a := range h.Alternatives {
		switch {
		case !a.Helps && a.Effect != "":
			not = append(not, a.Change+" ("+a.Effect+")")
		case !a.Helps:
			not = append(not, a.Change)
		case shown < p.max.alternatives:
			text := a.Change
			if a.Effect != "" {
				text += " -> " + a.Effect
			}
			if shown > 0 {
				head = ""
			}
			p.row(head, text)
			shown++
		}
	}
	if len(not) > 0 {
		p.row("NOT BY", words.List(not, p.max.alternatives))
	}
	if v := h.Survey; v != nil {
		p.row(fmt.Sprintf("%s %d", strings.ToUpper(v.Of), v.Total), strings.Join(v.Parts, ", "))
	}
}

// places tells whether the hypothesis is about finding a place: for a pod a
// node, for a claim a volume.
func places(h story.Hypothesis) bool {
	family := finding.Cause(h.Cause).Family()
	return family == "scheduling" || family == "storage"
}

// also lists the other causes, supported ones first.
func (p *printer) also(hs []story.Hypothesis) {
	var parts []string
	for _, h := range hs {
		parts = append(parts, fmt.Sprintf("%s at %s (%s)", h.Cause, Name(h.Entity), finding.Words(h.Confidence)))
	}
	if len(parts) > 0 {
		p.row("ALSO", words.List(parts, p.max.also))
	}
}

// open lists what is wrong and not accounted for, and what would decide.
func (p *printer) open() {
	var parts []string
	for _, o := range p.s.Open {
		if o.Lasting {
			parts = append(parts, Name(o.Entity)+": "+o.Sentence)
		}
	}
	text := words.List(parts, p.max.also)
	if p.s.Deciding != "" {
		if text != "" {
			text += "; "
		}
		text += "would decide: " + p.s.Deciding
	}
	if text != "" {
		p.row("OPEN", text)
	}
}

// notExplained renders the healthy and the inconclusive verdict.
func (p *printer) notExplained() {
	if p.s.Verdict == story.Inconclusive {
		p.row("SURE", NotProven)
		if p.s.Now != "" {
			p.row("NOW", StateWord(p.s.State)+": "+p.s.Now)
		}
	}
	checked := Checked(p.s)
	if more := len(checked) - p.max.checked; more > 0 {
		checked = append(checked[:p.max.checked:p.max.checked], fmt.Sprintf("and %d more in -o json", more))
	}
	p.row("CHECKED", strings.Join(checked, " | "))
	if len(p.s.Before) > 0 {
		p.row("BEFORE", words.List(p.s.Before, p.max.also)+"; over, its cause no longer shows")
	}
	p.changed()
	if p.s.Verdict == story.Inconclusive {
		p.also(p.s.Hypotheses)
		p.open()
	}
}

// triage is the list of what is broken in a whole cluster, the worst first.
func (p *printer) triage() {
	broken := 0
	for _, h := range p.s.Hypotheses {
		if h.Status == "supported" {
			broken++
		}
	}
	head := words.Count(broken, "thing") + " broken in the cluster"
	if broken == 0 {
		head = p.s.Headline
	}
	p.bold(head)
	for i, h := range p.s.Hypotheses {
		if i == p.max.links+2 {
			p.row("", words.Count(len(p.s.Hypotheses)-i, "further cause")+" in -o json")
			break
		}
		state := ""
		if h.State != "" {
			state = ", " + StateWord(h.State)
		}
		where := Name(h.Entity)
		if h.Entity.Namespace != "" {
			where = h.Entity.Namespace + "/" + where
		}
		p.hang(fmt.Sprintf("%3d  ", i+1), escape.Text(fmt.Sprintf("%s  %s (%s%s)", where, h.Cause, finding.Words(h.Confidence), state)))
		p.hang("     ", escape.Text(h.Headline))
	}
	if len(p.s.Hypotheses) > 0 {
		p.row("NEXT", Explain(p.s.Hypotheses[0]))
	}
	p.open()
	if p.s.Verdict != story.Explained {
		p.row("CHECKED", strings.Join(Checked(p.s), " | "))
	}
	p.changed()
}

// whyNot answers --why-not.
func (p *printer) whyNot() {
	if n := p.s.WhyNot; n != nil {
		p.row("WHY NOT", n.Cause+": "+n.Answer)
		for _, m := range n.Missing {
			p.row("", m)
		}
	}
}

func (p *printer) ruledOut() {
	if parts := RuledOut(p.s); len(parts) > 0 {
		p.row("RULED OUT", words.List(parts, p.max.ruled))
	}
}

func (p *printer) unseen() {
	if parts := Unseen(p.s); len(parts) > 0 {
		p.row("NOT SEEN", words.List(parts, p.max.unseen))
	}
}

// row writes a labelled paragraph.
func (p *printer) row(head, text string) {
	width := max(label, len(head)+2)
	p.hang(head+strings.Repeat(" ", width-len(head)), escape.Text(text))
}

// hang writes text behind prefix and indents what does not fit on the line.
func (p *printer) hang(prefix, text string) { p.hangUpTo(prefix, text, p.max.lines) }

// hangUpTo cuts what takes more lines than most.
func (p *printer) hangUpTo(prefix, text string, most int) {
	indent := ansi.StringWidth(prefix)
	lines := Wrap(text, max(p.o.Width-indent, 20))
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = ansi.Truncate(lines[most-1], max(p.o.Width-indent, 20)-3, "") + "..."
	}
	for i, line := range lines {
		if i > 0 {
			prefix = strings.Repeat(" ", indent)
		}
		p.b.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
	}
}
