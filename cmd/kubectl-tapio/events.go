package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	"github.com/yairfalse/tapio/observers/catalog"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/tui/escape"
)

const eventsExample = `  # what the API tells of a workload, one fact a line
  kubectl tapio events deploy/checkout --no-probe

  # the kernel's kills alone, as JSON lines, from a tape or from files
  kubectl tapio events --from checkout.tape --kind memory.oom_kill -o json`

func newEvents(c *common) *cobra.Command {
	cmd, o := explainCommand(c)
	o.facts = &facts{}
	cmd.Use, cmd.Short, cmd.Example = "events [TARGET]", "Print the typed facts behind a story, one a line", eventsExample
	cmd.Long = "Looks at TARGET as explain does and prints the facts instead of the story, in the order of\n" +
		"their time: when, from where, kind, whom it is about, and the fields of its kind. docs/observers.md\n" +
		"lists kinds and fields. -o json prints one JSON object a line."
	f := cmd.Flags()
	f.StringSliceVar(&o.facts.kinds, "kind", nil, "only facts of these kinds, as in memory.oom_kill")
	f.Lookup("output").Usage = "json for JSON lines; default is text"
	hide(cmd, "plain", "color", "exit-code", "dry-run")
	return cmd
}

const evidenceExample = `  # what lies behind the second piece of evidence of a story
  kubectl tapio evidence E2 --from checkout.tape`

func newEvidence(c *common) *cobra.Command {
	cmd, o := explainCommand(c)
	o.facts = &facts{}
	cmd.Use, cmd.Short, cmd.Example = "evidence ID [TARGET] --from PATH", "Print one piece of evidence with its facts", evidenceExample
	cmd.Long = "Tells the story of PATH, a tape or files of Kubernetes objects, and prints one piece of its\n" +
		"evidence with the facts that it was read from. The same input gives the same ids."
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("evidence needs an id, such as E1")
		}
		if o.from == "" {
			return fmt.Errorf("evidence needs the tape or the files that the story is told from: --from PATH")
		}
		o.facts.id = strings.ToUpper(args[0])
		return run(cmd, args[1:])
	}
	hide(cmd, "plain", "color", "exit-code", "dry-run")
	return cmd
}

// hide takes flags of explain out of the help of a command that has no use for
// them.
func hide(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

// facts says which facts are printed in place of a story.
type facts struct {
	kinds []string
	id    string // of one piece of evidence; empty for all facts
}

// validate checks what was typed about facts.
func (f *facts) validate(format string) error {
	if format == "yaml" {
		return fmt.Errorf("facts are printed as text or with -o json as JSON lines, not as yaml")
	}
	var all []string
	for _, s := range catalog.Specs {
		for _, e := range s.Emits {
			all = append(all, string(e.Kind))
		}
	}
	for _, k := range f.kinds {
		if !slices.Contains(all, k) {
			near := ""
			for _, a := range all {
				if observer, _, _ := strings.Cut(k, "."); strings.HasPrefix(a, observer+".") {
					near += ", " + a
				}
			}
			if near != "" {
				near = "; of that observer are" + strings.TrimPrefix(near, ",")
			}
			return fmt.Errorf("there is no kind %.60q%s: docs/observers.md lists them", k, near)
		}
	}
	return nil
}

// factLine is one line of JSON: the fact and who told it.
type factLine struct {
	Source string `json:"source"`
	event.Event
}

// print writes the facts, or one piece of evidence with its own.
func (f *facts) print(w io.Writer, format string, in *input, now time.Time) error {
	win := in.window(now)
	keep := func(x window.Fact) bool { return len(f.kinds) == 0 || slices.Contains(f.kinds, string(x.Kind)) }
	if f.id != "" {
		ev, err := find(in.story(now), f.id)
		if err != nil {
			return err
		}
		if err := printEvidence(w, format, ev); err != nil {
			return err
		}
		keep = func(x window.Fact) bool { return behind(win, ev, x) }
	}
	for _, x := range win.Facts {
		if !keep(x) {
			continue
		}
		if err := printFact(w, format, win, x); err != nil {
			return err
		}
	}
	return nil
}

// find is the evidence of an id.
func find(s *story.Story, id string) (story.Evidence, error) {
	for _, e := range s.Evidence {
		if e.ID == id {
			return e, nil
		}
	}
	if n := len(s.Evidence); n > 0 {
		return story.Evidence{}, fmt.Errorf("the story has no evidence %.20q: there are %s to %s", id, s.Evidence[0].ID, s.Evidence[n-1].ID)
	}
	return story.Evidence{}, fmt.Errorf("the story has no evidence: %s", s.Headline)
}

// behind tells whether a fact is one that a piece of evidence was read from: of
// its kind, about its entity, in its time.
func behind(w *window.Window, ev story.Evidence, x window.Fact) bool {
	name := w.Graph.Name(w.Graph.Former(x.Subject()))
	about := name.Kind == ev.Entity.Kind && name.Namespace == ev.Entity.Namespace && name.Name == ev.Entity.Name
	end := ev.Time.Add(time.Duration(ev.SpanMillis+1) * time.Millisecond)
	return string(x.Kind) == ev.Kind && about && !x.End().Before(ev.Time) && x.At.Before(end)
}

func printEvidence(w io.Writer, format string, ev story.Evidence) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(ev)
	}
	trust := ev.Trust
	if ev.Origin != "" {
		trust += ", " + ev.Origin
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  %s [%s]\n", ev.ID, stamp(ev.Time), escape.Text(ev.Entity.Name), escape.Text(ev.Claim), trust)
	return err
}

func printFact(w io.Writer, format string, win *window.Window, x window.Fact) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(factLine{x.Source, x.Event})
	}
	parts := []string{stamp(x.At), x.Source, string(x.Kind)}
	for _, ref := range x.Refs {
		n := win.Graph.Name(win.Graph.Canonical(ref.Key))
		word := strings.ToLower(n.Kind) + "/" + n.Name
		if ref.Role != event.Subject {
			word = string(ref.Role) + "=" + word
		}
		parts = append(parts, word)
	}
	for _, key := range slices.Sorted(maps.Keys(x.Attrs)) {
		value, err := json.Marshal(x.Attrs[key])
		if err != nil {
			return err
		}
		parts = append(parts, key+"="+string(value))
	}
	if x.Span > 0 {
		parts = append(parts, "for "+x.Span.String())
	}
	if n := x.Occurrences(); n > 1 {
		parts = append(parts, fmt.Sprintf("x%d", n))
	}
	_, err := fmt.Fprintln(w, escape.Text(strings.Join(parts, "  ")))
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
