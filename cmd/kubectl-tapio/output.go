package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/probe/session"
	"github.com/yairfalse/tapio/tui/escape"
	"github.com/yairfalse/tapio/tui/plain"
)

// progress writes one line to the error stream; the result alone goes to the
// output stream.
func (c *common) progress(format string, args ...any) {
	fmt.Fprintln(c.ErrOut, escape.Text(fmt.Sprintf(format, args...)))
}

// label is context and target, as "prod-eu shop/deployment/checkout".
func (r *explaining) label() string {
	t := r.target
	parts := []string{}
	if t.Namespace != "" {
		parts = append(parts, t.Namespace)
	}
	switch t.Kind {
	case "Namespace":
	case "Cluster":
		parts = append(parts, "all namespaces")
	default:
		parts = append(parts, strings.ToLower(t.Kind), t.Name)
	}
	return strings.TrimSpace(r.context + " " + strings.Join(parts, "/"))
}

// print writes the story in the chosen form.
func (o *explainOptions) print(s *story.Story) error {
	if !o.formats.text() {
		b, err := o.formats.print(s)
		if err != nil {
			return err
		}
		_, err = o.Out.Write(b)
		return err
	}
	return plain.Render(o.Out, s, o.terminal())
}

// terminal finds out what the output stream can show.
func (o *explainOptions) terminal() plain.Options {
	opts := plain.Options{}
	if f, ok := o.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		opts.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			opts.Width = max(width, 40)
		}
	}
	switch o.color {
	case "always":
		opts.Color = true
	case "never":
		opts.Color = false
	}
	if o.plain || os.Getenv("ACCESSIBLE") == "1" {
		opts.Color = false
	}
	return opts
}

// verdictCode is the exit code for --exit-code.
func (o *explainOptions) verdictCode(s *story.Story) error {
	if !o.exitCode {
		return nil
	}
	switch s.Verdict {
	case story.Explained:
		return exitProblem
	case story.Inconclusive:
		return exitInconclusive
	}
	return nil
}

// printPlanned prints what would be created, for --dry-run.
func (r *explaining) printPlanned(ctx context.Context) error {
	plan, err := session.NewPlan(ctx, r.sessionConfig())
	if err != nil {
		return err
	}
	r.progress("%s", plan)
	objects, err := plan.Objects()
	if r.dryRun == "server" {
		objects, err = plan.DryRun(ctx)
	}
	if err != nil {
		return err
	}
	return printObjects(r.Out, objects, r.formats.name())
}

func printObjects(w io.Writer, objects []runtime.Object, format string) error {
	var p printers.ResourcePrinter = &printers.YAMLPrinter{}
	switch format {
	case "json":
		p = &printers.JSONPrinter{}
	case "":
		p = &printers.NamePrinter{}
	}
	for _, obj := range objects {
		if err := p.PrintObj(obj, w); err != nil {
			return err
		}
	}
	return nil
}

// timings prints with -v when the run reached its stages, counted from the
// start of the command, and what the probes cost.
func (r *explaining) timings() {
	if r.verbose < 1 {
		return
	}
	r.progress("%6.2fs  first sentence, from the API", r.answered.Sub(r.began).Seconds())
	if r.probes != nil {
		for _, m := range r.probes.Milestones() {
			at := m.Name
			if m.Node != "" {
				at += " (" + m.Node + ")"
			}
			r.progress("%6.2fs  %s", (r.planned.Sub(r.began) + m.After).Seconds(), at)
		}
	}
	if r.probes != nil {
		for _, b := range r.probes.Resumptions() {
			r.progress("         the stream to %s broke and went on %s later", b.Node, b.Away.Round(time.Millisecond))
		}
	}
	r.progress("%6.2fs  watched, %d facts", time.Since(r.began).Seconds(), r.input.seen())
}
