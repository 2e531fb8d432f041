package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
	"github.com/yairfalse/tapio/probe/tape"
)

// An armed recording keeps this much before the event and goes on for this
// long after it, so that restart and consequences are on the tape.
const (
	keepBefore = 10 * time.Minute
	goOnAfter  = 10 * time.Second
	saveEvery  = time.Minute // a killed recording leaves a tape of this age at most
)

// recordOptions are what the user typed.
type recordOptions struct {
	explainOptions
	file  string
	until string
}

const recordExample = `  # everything about a workload for five minutes
  kubectl tapio record deploy/checkout -f checkout.tape --duration 5m

  # wait for an intermittent fault, keep the ten minutes before it
  kubectl tapio record pod/web-7d -f web.tape --until unready --duration 12h`

func newRecord(c *common) *cobra.Command {
	o := &recordOptions{explainOptions: explainOptions{
		common: c, color: "auto", dryRun: "none", resources: genericclioptions.NewResourceBuilderFlags().WithLabelSelector("").WithAllNamespaces(false),
	}}
	cmd := &cobra.Command{
		Use:     "record TARGET -f FILE",
		Short:   "Keep a tape of TARGET, until something happens to it",
		Example: recordExample,
		Long: "Watches TARGET as explain does and keeps a tape, which replay and explain --from read. With\n" +
			"--until it waits for an event, keeps what was seen in the ten minutes before it, and ends\n" +
			"shortly after it. Secrets, environment values and log lines are never on a tape.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(args); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			if o.file == "" {
				return fmt.Errorf("record needs a file for the tape: -f FILE")
			}
			tr, err := newTrigger(o.until)
			if err != nil {
				return err
			}
			return o.record(cmd.Context(), tr)
		},
	}
	f := cmd.Flags()
	o.resources.FileNameFlags = nil // -f is the tape
	o.resources.AddFlags(f)
	f.StringVarP(&o.file, "file", "f", "", "file of the tape; an existing one is replaced")
	f.StringVar(&o.until, "until", "", "end shortly after oom, restart, unready, or the code of a cause such as memory/limit-oom")
	f.DurationVar(&o.duration, "duration", 12*time.Hour, "longest watch")
	f.DurationVar(&o.since, "since", time.Hour, "how far back Kubernetes' own history counts")
	f.BoolVar(&o.noProbe, "no-probe", false, "create nothing: record the API alone")
	f.StringVar(&o.profile, "profile", string(launch.Privileged), "privilege of the probes: "+profiles(" or "))
	f.StringVar(&o.image, "probe-image", "", "image of the probe, instead of delivery through ConfigMaps")
	f.StringVar(&o.pullSecret, "image-pull-secret", "", "Secret to pull --probe-image with")
	f.StringVar(&o.namespace, "probe-namespace", "", "namespace of the probes; default kube-system, else the target's")
	f.StringVar(&o.priority, "priority-class", "", "PriorityClass of the probes")
	f.IntVar(&o.maxProbes, "max-probes", 3, "most nodes to probe, worst pods first")
	return cmd
}

// record watches, waits for the trigger, and ends the tape.
func (o *recordOptions) record(ctx context.Context, tr *trigger) error {
	r := newExplaining(&o.explainOptions)
	var err error
	if r.target, err = o.resolve(ctx); err != nil {
		return interruptedOr(ctx, err)
	}
	r.input = newInput(subject(r.target), r.began.Add(-r.since))
	r.save = o.file
	if tr == nil {
		err = r.input.save(o.file)
	} else {
		tr.began = r.began
		r.input.recent, r.input.trigger = tape.NewWindow(keepBefore), tr
		err = r.input.rewrite(o.file)
	}
	if err != nil {
		return err
	}
	api, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAPI()
	source := cluster.Live(api, o.client, r.target.Namespace, r.target.LiveOptions())
	source.Scope = r.target.Scope()
	facts := cluster.Drive(api, source, o.clusterEntries())
	go r.gather(facts.Frames(), r.read)
	if !awaits(ctx, facts.First()) {
		return exitInterrupted
	}
	r.answered = time.Now()
	r.progress("%s  %s, API: %s", r.label(), seconds(r.began), r.explain().Headline)
	if !r.noProbe {
		r.planned = time.Now()
		plan, err := session.NewPlan(context.WithoutCancel(ctx), r.sessionConfig())
		if err != nil {
			return err
		}
		r.progress("%s", plan)
		r.probes = plan.Start(ctx)
		go r.gather(r.probes.Frames(), r.probed)
	}
	r.progress("recording to %s for %s%s; Ctrl-C ends it", o.file, r.duration, tr)
	why := r.keep(ctx, tr)
	if r.probes != nil {
		if err := r.endProbes(ctx); err != nil {
			return err
		}
	}
	stopAPI()
	<-r.read
	now, err := r.conclude()
	s := r.input.story(now)
	if tr != nil {
		err = r.input.rewrite(o.file)
	}
	r.progress("%s; %s holds: %s", why, o.file, s.Headline)
	return err
}

// keep waits for the end of the recording and says what ended it.
func (r *explaining) keep(ctx context.Context, tr *trigger) string {
	over := time.NewTimer(r.duration)
	defer over.Stop()
	look, rewrite := time.NewTicker(lookEvery), time.NewTicker(saveEvery)
	defer look.Stop()
	defer rewrite.Stop()
	why := fmt.Sprintf("%s are over", r.duration)
	fired := false
	for {
		select {
		case <-ctx.Done():
			return "interrupted"
		case <-over.C:
			return why
		case <-rewrite.C:
			if tr != nil {
				if err := r.input.rewrite(r.save); err != nil {
					return "the tape cannot be written: " + err.Error()
				}
				r.input.rotate()
			}
		case now := <-look.C:
			r.alignClocks()
			r.input.flush()
			if err := r.input.broken(); err != nil {
				return "the tape ended: " + err.Error()
			}
			if what, ok := tr.fired(r.input, now); ok && !fired {
				fired, why = true, what
				r.progress("%s: recording for %s more", what, goOnAfter)
				over.Reset(goOnAfter)
			}
		}
	}
}

// broken tells why the tape cannot be kept any longer.
func (in *input) broken() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kept == nil {
		return nil
	}
	return in.kept.err
}

// rewrite puts a tape of the recent lines in the place of the file, whole or
// not at all.
func (in *input) rewrite(path string) error {
	in.mu.Lock()
	lines := in.recent.Lines()
	in.mu.Unlock()
	return writeTape(path, &tape.Tape{Header: in.header(), Lines: lines})
}

// rotate lets the engine forget what the window of recent lines dropped.
func (in *input) rotate() {
	in.mu.Lock()
	defer in.mu.Unlock()
	fresh := newInput(in.target, in.from)
	for _, l := range in.recent.Lines() {
		fresh.collect(l)
	}
	in.collector, in.ahead = fresh.collector, fresh.ahead
}
