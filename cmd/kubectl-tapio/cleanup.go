package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/kubernetes"

	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/tui/escape"
)

type cleanupOptions struct {
	*common
	all    bool
	list   bool
	client kubernetes.Interface
}

func newCleanup(c *common) *cobra.Command {
	o := &cleanupOptions{common: c}
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "List and remove probes that killed clients left behind",
		Long: "Probes end and vanish by themselves: their Job's deadline is a lease that only a living\n" +
			"client extends. cleanup lists what is still there and removes what no client holds any\n" +
			"more; --all also removes the probes of runs that are alive.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "also remove probes of runs that are alive")
	cmd.Flags().BoolVar(&o.list, "list", false, "only list")
	return cmd
}

func (o *cleanupOptions) complete() error {
	config, err := o.config.ToRESTConfig()
	if err != nil {
		return err
	}
	o.client, err = launch.NewClient(config)
	return err
}

func (o *cleanupOptions) run(ctx context.Context) error {
	left, err := o.find(ctx)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		fmt.Fprintln(o.Out, "Nothing of tapio is in the cluster.")
		return nil
	}
	now := time.Now()
	if err := o.print(o.Out, left, now); err != nil {
		return err
	}
	if o.list {
		return nil
	}
	removed, alive := 0, 0
	var failed []error
	for _, l := range left {
		if l.Alive(now) && !o.all {
			alive++
			continue
		}
		if err := launch.Remove(ctx, o.client, l); err != nil {
			failed = append(failed, err)
			continue
		}
		removed++
	}
	fmt.Fprintf(o.Out, "removed %s", words.Count(removed, "probe"))
	if alive > 0 {
		fmt.Fprintf(o.Out, "; left %d that a living client holds (--all removes them too)", alive)
	}
	fmt.Fprintln(o.Out)
	return errors.Join(failed...)
}

// find looks in all namespaces, or, without that right, where probes go by
// default and in the chosen namespace.
func (o *cleanupOptions) find(ctx context.Context) ([]launch.Leftover, error) {
	left, err := launch.List(ctx, o.client, "", "")
	if err == nil {
		return left, nil
	}
	namespace, _, nsErr := o.config.ToRawKubeConfigLoader().Namespace()
	if nsErr != nil {
		return nil, err
	}
	var some []launch.Leftover
	allowed := false
	for _, ns := range []string{launch.SystemNamespace, namespace} {
		l, nsErr := launch.List(ctx, o.client, ns, "")
		if nsErr == nil {
			allowed = true
			some = append(some, l...)
		}
		if namespace == launch.SystemNamespace {
			break
		}
	}
	if !allowed {
		return nil, err
	}
	fmt.Fprintf(o.ErrOut, "looked only in %s and %s: all namespaces may not be listed\n", launch.SystemNamespace, namespace)
	return some, nil
}

func (o *cleanupOptions) print(out io.Writer, left []launch.Leftover, now time.Time) error {
	w := printers.GetNewTabWriter(out)
	fmt.Fprintln(w, "NAMESPACE\tJOB\tNODE\tRUN\tAGE\tSTATE")
	for _, l := range left {
		state := "left behind"
		switch {
		case l.Finished:
			state = "finished, goes by itself"
		case l.Alive(now):
			state = "in use"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Namespace, l.Job, escape.Text(l.Node), l.Run, words.Span(now.Sub(l.Since).Truncate(time.Second)), state)
	}
	return w.Flush()
}
