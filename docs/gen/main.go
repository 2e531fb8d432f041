// Command gen writes docs/causes.md and docs/observers.md from the rules and
// the observers' declarations.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/catalog"
)

const generated = "<!-- Written by make generate from the code; edits here are lost. -->\n\n"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "gen: expected one argument, the folder to write to")
		os.Exit(1)
	}
	for name, text := range map[string]string{"causes.md": causes(), "observers.md": observerDocs()} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

func causes() string {
	var b strings.Builder
	b.WriteString(generated + "# Causes\n\nWhat tapio can name as the cause of a failure, and what each must be told from. A code is stable once shipped.\n\n")
	b.WriteString("| Cause | What it says and what decides | Told from |\n|---|---|---|\n")
	told := map[finding.Cause]bool{}
	for _, r := range correlate.Rules() {
		if told[r.Cause] {
			continue // of another family's evidence
		}
		told[r.Cause] = true
		var rivals []string
		for _, c := range r.Rivals {
			rivals = append(rivals, "`"+string(c)+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Cause, cell(r.Doc), strings.Join(rivals, ", "))
	}
	fmt.Fprintf(&b, "| `%s` | Nothing is wrong now; the story says what was checked. | any |\n", correlate.None)
	b.WriteString("\n## Weights\n\nConfidence is a prior plus the log-odds of all evidence, capped when events were lost. One table holds them all.\n\n")
	b.WriteString("| Weight | Log-odds | Why |\n|---|---|---|\n")
	var names []string
	for w := range finding.Table {
		names = append(names, string(w))
	}
	slices.Sort(names)
	for _, n := range names {
		e := finding.Table[finding.Weight(n)]
		fmt.Fprintf(&b, "| %s | %+.1f | %s |\n", n, e.LogOdds, cell(e.Reason))
	}
	return b.String()
}

func observerDocs() string {
	var b strings.Builder
	b.WriteString(generated + "# Observers\n\nWhat tapio can see, from where, and what it needs for that. Facts of the node's side are *seen* by a probe, those of the cluster's side come from the *API*.\n")
	for _, s := range catalog.Specs {
		fmt.Fprintf(&b, "\n## %s (%s)\n\n%s.\n\n", s.Name, s.Side, strings.ToUpper(s.Doc[:1])+s.Doc[1:])
		for _, sc := range s.Emits {
			fmt.Fprintf(&b, "`%s`: %s.\n\n| Field | Type | Unit | Meaning |\n|---|---|---|---|\n", sc.Kind, sc.Meaning)
			for _, f := range sc.Fields {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, f.Unit, cell(f.Doc))
			}
			b.WriteString("\n")
		}
		needs(&b, s.Needs)
		fmt.Fprintf(&b, "Budget: %d events a second", s.Budget.EventsPerSecond)
		if s.Budget.MapBytes > 0 {
			fmt.Fprintf(&b, ", %d KiB of kernel memory", s.Budget.MapBytes>>10)
		}
		b.WriteString(".\n")
	}
	return b.String()
}

func needs(b *strings.Builder, ns []observers.Need) {
	if len(ns) == 0 {
		return
	}
	b.WriteString("Needs:\n\n")
	for _, n := range ns {
		fmt.Fprintf(b, "- %s `%s`", n.Type, n.Name)
		if n.Why != "" {
			b.WriteString(", for " + n.Why)
		}
		if n.Optional {
			b.WriteString(" (optional: without it a gap is reported)")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// cell keeps a text inside one cell of a table.
func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }
