package plain

import (
	"fmt"
	"io"
	"strings"

	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/tui/escape"
)

// Markdown writes the whole story for an issue, a pull request or a chat.
// Strings of the cluster cannot break out of their place.
func Markdown(w io.Writer, s *story.Story) error {
	m := &markdown{s: s}
	m.line("## " + inline(s.Headline))
	m.facts()
	if s.Verdict == story.Explained {
		m.explained(s.Hypotheses[0])
		m.list("Also", others(s.Hypotheses[1:]))
	} else {
		m.list("Checked", Checked(s))
		m.list("Possible, not proven", others(s.Hypotheses))
	}
	var open []string
	for _, o := range s.Open {
		open = append(open, Name(o.Entity)+": "+o.Sentence)
	}
	m.list("Not accounted for", open)
	if s.WhyNot != nil {
		m.list("Why not "+s.WhyNot.Cause, append([]string{s.WhyNot.Answer}, s.WhyNot.Missing...))
	}
	m.list("Ruled out", RuledOut(s))
	m.list("Not seen", Unseen(s))
	_, err := io.WriteString(w, m.b.String())
	return err
}

type markdown struct {
	s *story.Story
	b strings.Builder
}

func (m *markdown) line(text string) { m.b.WriteString(text + "\n") }

// facts are the short answers above everything else.
func (m *markdown) facts() {
	s := m.s
	rows := [][2]string{{"Verdict", string(s.Verdict) + ", " + StateWord(s.State)}}
	if s.Verdict == story.Explained {
		h := s.Hypotheses[0]
		rows = append(rows, [2]string{"Cause", h.Cause}, [2]string{"Sure", Sure(s, h)}, [2]string{"Scope", Scope(h)})
	}
	if s.Now != "" {
		rows = append(rows, [2]string{"Now", s.Now})
	}
	rows = append(rows, [2]string{"Changed", strings.Join(Changed(s), ", ")})
	if s.Deciding != "" {
		rows = append(rows, [2]string{"Would decide", s.Deciding})
	}
	if len(s.Before) > 0 {
		rows = append(rows, [2]string{"Before", strings.Join(s.Before, ", ")})
	}
	m.line("\n| | |\n|---|---|")
	for _, r := range rows {
		m.line("| " + r[0] + " | " + inline(r[1]) + " |")
	}
}

func (m *markdown) explained(h story.Hypothesis) {
	if len(h.Advice) > 0 {
		m.line("\n### What to do\n")
	}
	for i, a := range h.Advice {
		text := fmt.Sprintf("%d. %s", i+1, code(a.Command))
		if a.ChangesCluster {
			text += " **changes the cluster**"
		}
		if a.Expect != "" {
			text += " – " + inline(a.Expect)
		}
		if a.Undo != "" {
			text += "; undo: " + code(a.Undo)
		}
		m.line(text)
	}
	m.line("\n### Why\n\n| Time | Who | What | Known |\n|---|---|---|---|")
	for _, l := range h.Chain {
		m.line(fmt.Sprintf("| %s | %s | %s | %s |", words.Clock(l.Time), inline(Name(l.To)), inline(l.Sentence), inline(Cite(m.s, l))))
	}
	var helps, not []string
	for _, a := range h.Alternatives {
		text := a.Change
		if a.Effect != "" {
			text += " (" + a.Effect + ")"
		}
		if a.Helps {
			helps = append(helps, text)
		} else {
			not = append(not, text)
		}
	}
	m.list("Would help, alone", helps)
	m.list("Would not help, alone", not)
}

func (m *markdown) list(head string, items []string) {
	if len(items) == 0 {
		return
	}
	m.line("\n### " + inline(head) + "\n")
	for _, i := range items {
		m.line("- " + inline(i))
	}
}

func others(hs []story.Hypothesis) []string {
	var out []string
	for _, h := range hs {
		out = append(out, fmt.Sprintf("%s at %s (%s): %s", h.Cause, Name(h.Entity), finding.Words(h.Confidence), h.Headline))
	}
	return out
}

// inline makes a foreign string one line of plain Markdown text.
func inline(s string) string {
	return special.Replace(strings.Join(strings.Fields(escape.Text(s)), " "))
}

var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "@", "&#64;", "~", `\~`, "!", `\!`,
)

// code makes a foreign string a code span, fenced by more backticks than it
// holds in a row.
func code(s string) string {
	s = strings.Join(strings.Fields(escape.Text(s)), " ")
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	pad := ""
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		pad = " "
	}
	return fence + pad + s + pad + fence
}
