package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/dump"
	"github.com/yairfalse/tapio/observers/cluster/target"
	"github.com/yairfalse/tapio/probe/tape"
	"github.com/yairfalse/tapio/probe/wire"
)

// liveFlags say what a live run watches and creates. A source that does not
// change has answered all of them.
var liveFlags = []string{
	"duration", "full", "dry-run", "profile", "probe-image", "image-pull-secret", "probe-namespace", "priority-class", "max-probes",
}

// targetFlags say what a story is about, and what is kept of it. A tape has
// answered them, objects have not.
var targetFlags = []string{"since", "no-probe", "observers", "save", "filename", "selector", "all-namespaces"}

// explainFrom tells the story of a tape, or of files of Kubernetes objects. No
// cluster is contacted.
func (o *explainOptions) explainFrom(cmd *cobra.Command, args []string) error {
	for _, name := range liveFlags {
		if changed(cmd, name) {
			return fmt.Errorf("--%s has no meaning with --from: what is told happened already", name)
		}
	}
	var now time.Time
	if o.now != "" {
		var err error
		if now, err = time.Parse(time.RFC3339Nano, o.now); err != nil {
			return fmt.Errorf("--now wants a time such as 2026-03-01T12:00:00Z, not %q", o.now)
		}
		o.now = ""
	}
	o.args = args
	if err := o.validate(); err != nil {
		return err
	}
	in, err := dump.Read(o.from, time.Now().Add(24*time.Hour))
	switch {
	case err != nil:
		return err
	case in.Objects > 0:
		return o.explainObjects(cmd, in, now)
	case in.Tape != "":
		return o.explainTape(cmd, in.Tape, now)
	case len(in.Problems) > 0:
		return fmt.Errorf("no Kubernetes object can be read from %s: %s", o.from, in.Problems[0])
	}
	return fmt.Errorf("%s holds no Kubernetes objects: give what kubectl cluster-info dump or kubectl get -o yaml wrote, or a tape", o.from)
}

func changed(cmd *cobra.Command, flag string) bool {
	f := cmd.Flags().Lookup(flag)
	return f != nil && f.Changed
}

// explainTape tells the story of a tape.
func (o *explainOptions) explainTape(cmd *cobra.Command, path string, now time.Time) error {
	if len(o.args) > 0 {
		return fmt.Errorf("a tape tells the story of what it was recorded for: leave out %s", strings.Join(o.args, " "))
	}
	for _, name := range targetFlags {
		if changed(cmd, name) {
			return fmt.Errorf("--%s has no meaning with a tape: it was recorded already", name)
		}
	}
	t, err := o.readTape(path)
	if err != nil {
		return err
	}
	in, now := fed(t, now)
	return o.answer(in, now)
}

// explainObjects tells the story of what the objects hold about a target,
// together with what the probes of a tape saw.
func (o *explainOptions) explainObjects(cmd *cobra.Command, in *dump.Input, now time.Time) error {
	var kept *tape.Tape
	if in.Tape != "" {
		var err error
		if kept, err = o.readTape(in.Tape); err != nil {
			in.Problems = append(in.Problems, err.Error())
		}
	}
	if now.IsZero() {
		now = in.Newest
		if kept != nil && len(kept.Lines) > 0 {
			now = cluster.Latest([]time.Time{now, kept.Lines[len(kept.Lines)-1].At})
		}
	}
	src := in.Source(now)
	o.progress("%s", in)
	if err := o.completeObservers(); err != nil {
		return err
	}
	if err := o.chooseNamespace(src); err != nil {
		return err
	}
	if kept != nil && len(o.args) == 0 && !changed(cmd, "namespace") && !changed(cmd, "selector") && !o.allSpaces {
		o.args, o.targetNS = typed(kept.Header), kept.Header.Target.Namespace
	}
	t, err := o.resolveIn(cmd.Context(), &src)
	if err != nil {
		return err
	}
	r := newExplaining(o)
	r.target = t
	r.input = newInput(subject(t), now.Add(-o.since))
	if o.save != "" {
		if err := r.input.save(o.save); err != nil {
			return err
		}
	}
	for _, why := range in.Problems {
		r.input.add(wire.Sourced{Source: cluster.API, Frame: wire.Frame{Gap: &wire.Gap{Observer: "files", Need: observers.Need{Type: observers.Verb, Name: "read the input"}, Why: why}}}, now)
	}
	if err := r.readObjects(cmd.Context(), src.In(t.Namespace, t.LiveOptions()), now); err != nil {
		return err
	}
	if kept != nil {
		r.addProbes(kept, now)
	}
	err = r.input.finish(now)
	if err != nil {
		err = fmt.Errorf("%s does not hold the whole run: %w", r.save, err)
	}
	return o.ended(o.answer(r.input, now), err)
}

// typed is the target of a tape as it is typed.
func typed(h tape.Header) []string {
	switch h.Target.Kind {
	case "", "Namespace", "Cluster", "Pods":
		return nil
	}
	return []string{strings.ToLower(h.Target.Kind) + "/" + h.Target.Name}
}

// chooseNamespace takes the namespace from the command line, else the only one
// there is beside those of the cluster's own.
func (o *explainOptions) chooseNamespace(src cluster.Source) error {
	o.allSpaces = o.resources.AllNamespaces != nil && *o.resources.AllNamespaces
	if o.targetNS = *o.config.Namespace; o.targetNS != "" || o.allSpaces {
		return nil
	}
	var own []string
	spaces := src.Spaces()
	for _, ns := range spaces {
		if !strings.HasPrefix(ns, "kube-") {
			own = append(own, ns)
		}
	}
	switch {
	case len(own) == 1:
		o.targetNS = own[0]
	case len(spaces) == 1:
		o.targetNS = spaces[0]
	case len(spaces) == 0 || len(o.args) > 0 && wide(o.args):
		o.targetNS = "default"
	default:
		const most = 8
		more := ""
		if len(spaces) > most {
			more = fmt.Sprintf(" and %d more", len(spaces)-most)
			spaces = spaces[:most]
		}
		return fmt.Errorf("the input holds several namespaces (%s%s): choose one with -n, or all with -A", strings.Join(spaces, ", "), more)
	}
	return nil
}

// wide tells whether the target is in no namespace.
func wide(args []string) bool {
	kind, _, _ := strings.Cut(args[0], "/")
	switch strings.ToLower(kind) {
	case "node", "nodes", "no", "namespace", "namespaces", "ns":
		return true
	}
	return false
}

// readObjects lets the cluster observers look at the source once.
func (r *explaining) readObjects(ctx context.Context, src cluster.Source, now time.Time) error {
	src.Scope = r.target.Scope()
	looking, done := context.WithCancel(ctx)
	defer done()
	facts := cluster.Drive(looking, src, r.clusterEntries())
	go func() {
		for f := range facts.Frames() {
			r.input.add(f, now)
		}
		close(r.read)
	}()
	if !awaits(ctx, facts.First()) || !awaits(ctx, facts.Settled()) {
		return exitInterrupted
	}
	done()
	<-r.read
	return nil
}

// addProbes adds what the probes of a tape saw until now. What the API told
// then is left out: the objects tell it.
func (r *explaining) addProbes(t *tape.Tape, now time.Time) {
	for _, l := range t.Lines {
		if l.Source.Side == observers.Node && !l.At.After(now) {
			r.input.line(l)
		}
	}
}

func (o *explainOptions) resolveIn(ctx context.Context, src *cluster.Source) (*target.Target, error) {
	t := o.typed()
	t.Source = src
	return target.Resolve(ctx, nil, t)
}
