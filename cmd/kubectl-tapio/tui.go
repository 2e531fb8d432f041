package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/yairfalse/tapio/tui"
	"github.com/yairfalse/tapio/tui/picker"
	"github.com/yairfalse/tapio/tui/theme"
)

// tuiOptions are those of explain, watched instead of printed.
type tuiOptions struct {
	explainOptions
	ascii bool
}

const tuiExample = `  # choose a target from the namespace
  kubectl tapio tui -n shop

  # watch one workload
  kubectl tapio tui deploy/checkout -n shop`

// addTUI adds the command tui, and makes it what the bare plugin does.
func addTUI(root *cobra.Command, c *common) {
	root.AddCommand(newTUI(c))
	bare := newTUI(c)
	root.RunE = func(cmd *cobra.Command, _ []string) error { return bare.RunE(cmd, nil) }
}

func newTUI(c *common) *cobra.Command {
	o := &tuiOptions{explainOptions: explainOptions{common: c, dryRun: "none", duration: defaultWatch}}
	o.resources = genericclioptions.NewResourceBuilderFlags().WithFile(false, nil).WithLabelSelector("").WithAllNamespaces(false)
	cmd := &cobra.Command{
		Use:     "tui [TARGET]",
		Short:   "Watch the story of a target live, with the evidence of every step",
		Example: tuiExample,
		Long: "Shows the story of TARGET as it unfolds; without a TARGET it lists what can be chosen. It\n" +
			"asks once before it creates probes, changes nothing in the cluster (commands are copied\n" +
			"with y, never run), and takes the probes away when you quit. The key ? lists the keys.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isTerminal(o.In) || !isTerminal(o.Out) || os.Getenv("TERM") == "dumb" {
				return errors.New("this is no terminal to draw on: use kubectl tapio explain")
			}
			if err := o.complete(args); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	o.resources.AddFlags(f)
	f.DurationVar(&o.duration, "duration", defaultWatch, "longest watch; then the probes go and the story stays on the screen")
	f.DurationVar(&o.since, "since", time.Hour, "how far back Kubernetes' own history counts")
	f.BoolVar(&o.noProbe, "no-probe", false, "create nothing and do not ask: tell the story from the API alone")
	f.StringVar(&o.color, "color", "auto", "auto, always or never")
	f.BoolVar(&o.ascii, "ascii", false, "no box and block glyphs")
	o.addProbeFlags(f)
	return cmd
}

// defaultWatch bounds how long privileged pods stay for a screen that was
// forgotten.
const defaultWatch = 15 * time.Minute

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// run shows the screen. Whatever would write to the terminal beside it is
// silenced; before that one request shows that the cluster answers, and lets a
// credential plugin ask what it must.
func (o *tuiOptions) run(ctx context.Context) error {
	if err := o.client.CoreV1().RESTClient().Get().AbsPath("/version").Timeout(10 * time.Second).Do(ctx).Error(); err != nil {
		return interruptedOr(ctx, err)
	}
	klog.SetLogger(logr.Discard())
	return tui.Run(ctx, tui.Config{
		In: o.In, Out: o.Out, Backend: &live{o}, Theme: o.theme(),
		Choose: len(o.args) == 0 && !o.named(),
	})
}

// named tells whether flags name the target.
func (o *tuiOptions) named() bool {
	files := o.resources.FileNameFlags.ToOptions()
	return *o.resources.LabelSelector != "" || len(files.Filenames) > 0 || files.Kustomize != ""
}

func (o *tuiOptions) theme() theme.Theme {
	t := theme.Theme{Color: o.terminal().Color, ASCII: o.ascii}
	locale := os.Getenv("LANG")
	for _, name := range []string{"LC_CTYPE", "LC_ALL"} {
		if v := os.Getenv(name); v != "" {
			locale = v
		}
	}
	if l := strings.ToLower(locale); l != "" && !strings.Contains(l, "utf-8") && !strings.Contains(l, "utf8") {
		t.ASCII = true
	}
	return t
}

// live is the backend of the screen.
type live struct{ *tuiOptions }

// explainOf is a run's own options: the target from the list, and nothing that
// writes to the terminal.
func (l *live) explainOf(row picker.Row) (*explainOptions, error) {
	o := l.explainOptions
	quiet := *o.common
	quiet.Out, quiet.ErrOut, quiet.verbose = io.Discard, io.Discard, 0
	o.common = &quiet
	o.rest = rest.CopyConfig(o.rest)
	o.rest.WarningHandler = rest.NoWarnings{}
	var err error
	if o.client, err = newClient(o.rest); err != nil {
		return nil, err
	}
	switch row.Kind {
	case "":
	case "Namespace":
		o.args, o.allSpaces, o.targetNS = nil, false, row.Name
	default:
		o.args, o.allSpaces, o.targetNS = []string{strings.ToLower(row.Kind) + "/" + row.Name}, false, row.Namespace
	}
	return &o, nil
}

// Watch implements tui.Backend.
func (l *live) Watch(ctx context.Context, row picker.Row, screen tui.Screen) error {
	o, err := l.explainOf(row)
	if err != nil {
		return errors.New(sentence(err))
	}
	r, err := o.begin(ctx, false)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return errors.New(sentence(err))
	}
	defer r.stopAPI()
	w := &watching{explaining: r, screen: screen}
	w.show(false)
	if err := w.probe(ctx); err != nil {
		return errors.New(sentence(err))
	}
	w.untilOver(ctx)
	if r.probes == nil {
		w.show(true)
		return nil
	}
	err = r.endProbes(ctx)
	w.show(true)
	return err
}

// watching is a run on the screen.
type watching struct {
	*explaining
	screen  tui.Screen
	planned int // nodes that were to get a probe
	note    string
	rate    rate
}

// probe asks, and launches the probes if it may.
func (w *watching) probe(ctx context.Context) error {
	if w.noProbe {
		return nil
	}
	plan, err := w.plan(ctx)
	if err != nil {
		return err
	}
	admitted := 0
	for _, n := range plan.Nodes() {
		w.planned++
		if n.Refused == nil {
			admitted++
		}
	}
	if admitted > 0 && !w.screen.Ask(ctx, plan.String()) {
		w.planned, w.note = 0, "no probe, as you chose: this is what the API knows"
		return nil
	}
	if admitted < w.planned {
		w.note = plan.String()
		if admitted > 0 {
			w.note = fmt.Sprintf("%d of %d nodes take no probe: %v", w.planned-admitted, w.planned, plan.Refusals()[0])
		}
	} else if admitted == 0 {
		w.note = plan.String()
	}
	w.launch(ctx, plan)
	return nil
}

// untilOver shows the story until ctx ends or the watch is over. Weighing a
// large window takes its time: at most a quarter of the run goes there.
func (w *watching) untilOver(ctx context.Context) {
	over := time.NewTimer(w.duration)
	defer over.Stop()
	for {
		began := time.Now()
		w.show(false)
		pause := time.NewTimer(max(lookEvery, 3*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-over.C:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (w *watching) show(ended bool) {
	now := time.Now()
	s := w.explain()
	snap := tui.Snapshot{
		Title: w.label(), Elapsed: now.Sub(w.began), Ended: ended, Story: s, Lost: s.Coverage.Lost,
		Planned: w.planned, Rate: w.rate.of(s.Coverage.Events, now), Note: w.gone(),
	}
	for _, n := range s.Coverage.Nodes {
		if n.From != nil {
			snap.Nodes++
		}
	}
	if snap.Note == "" {
		snap.Note = w.note
	}
	w.screen.Show(snap)
}

// rate is how many facts a second came between the last two looks.
type rate struct {
	at    time.Time
	total uint64
}

func (r *rate) of(total uint64, now time.Time) float64 {
	last := *r
	*r = rate{now, total}
	if last.at.IsZero() || total < last.total || !now.After(last.at) {
		return 0
	}
	return float64(total-last.total) / now.Sub(last.at).Seconds()
}
