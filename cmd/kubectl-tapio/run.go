package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/finding"
	"github.com/yairfalse/tapio/correlate/story"
	"github.com/yairfalse/tapio/correlate/window"
	clientcatalog "github.com/yairfalse/tapio/observers/catalog/client"
	"github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/target"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
	"github.com/yairfalse/tapio/probe/wire"
)

// explaining is one run of explain.
type explaining struct {
	*explainOptions
	began    time.Time
	answered time.Time // when the API's story was told
	planned  time.Time // when planning of the probes began
	target   *target.Target
	source   cluster.Source
	facts    *cluster.Run
	stopAPI  context.CancelFunc // ends the reading of the API
	input    *input
	read     chan struct{} // closed when every frame of the API was collected
	probes   *session.Session
	probed   chan struct{} // closed when every frame of the probes was collected
}

// run watches until the story is decided, --duration is over or the user
// interrupts, takes the probes away and prints the story. ctx ends at the first
// interrupt; what is still to be done then does not depend on it.
func (o *explainOptions) run(ctx context.Context) error {
	r, err := o.begin(ctx, o.noProbe && !o.full)
	if err != nil {
		return err
	}
	defer r.stopAPI()
	first := r.explain()
	r.answered = time.Now()
	o.progress("%s  %s, API: %s", r.label(), seconds(r.began), first.Headline)
	if o.dryRun != "none" {
		return r.printPlanned(ctx)
	}
	if err := r.watch(ctx); err != nil {
		return err
	}
	r.stopAPI()
	awaits(ctx, r.read)
	now, err := r.conclude()
	return r.ended(r.answer(r.input, now), err)
}

// ended joins how an answer went with what is wrong with the tape; the latter
// goes before an exit code.
func (o *explainOptions) ended(answered, tape error) error {
	var code exit
	if tape != nil && errors.As(answered, &code) {
		return tape
	}
	return errors.Join(answered, tape)
}

// answer prints the story as of now, or the facts behind it.
func (o *explainOptions) answer(in *input, now time.Time) error {
	if o.facts != nil {
		return o.facts.print(o.Out, o.formats.name(), in, now)
	}
	in.whyNot = finding.Cause(o.whyNot)
	s := in.story(now)
	if err := o.print(s); err != nil {
		return err
	}
	return o.verdictCode(s)
}

// begin resolves the target and reads the API until a first answer can be
// given; once means that nothing which happens later is waited for. The caller
// ends the reading with stopAPI.
func (o *explainOptions) begin(ctx context.Context, once bool) (*explaining, error) {
	r := newExplaining(o)
	var err error
	if r.target, err = o.resolve(ctx); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	r.input = newInput(subject(r.target), r.began.Add(-r.since))
	if o.save != "" && o.dryRun == "none" {
		if err := r.input.save(o.save); err != nil {
			return nil, err
		}
	}
	api, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	r.stopAPI = stopAPI
	opts := r.target.LiveOptions()
	opts.Once = once
	r.source = cluster.Live(api, o.client, r.target.Namespace, opts)
	r.source.Scope = r.target.Scope()
	r.facts = cluster.Drive(api, r.source, o.clusterEntries())
	go r.gather(r.facts.Frames(), r.read)
	if !awaits(ctx, r.facts.First()) {
		stopAPI()
		return nil, exitInterrupted
	}
	return r, nil
}

// plan finds out what the probes would be and what refuses them.
func (r *explaining) plan(ctx context.Context) (*session.Plan, error) {
	r.planned = time.Now()
	return session.NewPlan(context.WithoutCancel(ctx), r.sessionConfig())
}

// launch brings the planned probes up. They are taken away by endProbes.
func (r *explaining) launch(ctx context.Context, plan *session.Plan) {
	r.probes = plan.Start(ctx)
	go r.gather(r.probes.Frames(), r.probed)
}

func newExplaining(o *explainOptions) *explaining {
	return &explaining{explainOptions: o, began: time.Now(), read: make(chan struct{}), probed: make(chan struct{})}
}

// watch brings the probes up, waits, and takes them away.
func (r *explaining) watch(ctx context.Context) error {
	if !r.noProbe {
		plan, err := r.plan(ctx)
		if err != nil {
			return err
		}
		r.progress("%s", plan)
		r.launch(ctx, plan)
		r.waitForDecision(ctx)
		awaits(ctx, r.facts.Settled()) // without a probe nothing else took time
		if err := r.endProbes(ctx); err != nil {
			r.progress("%v", err)
		}
		return nil
	}
	awaits(ctx, r.facts.Settled())
	if r.full {
		r.waitForDecision(ctx)
	}
	r.timings()
	return nil
}

// endProbes stops the probes and tells what could not be removed.
func (r *explaining) endProbes(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := r.probes.Close(bounded)
	awaits(bounded, r.probed)
	r.timings()
	return err
}

// gather collects the frames of a source until it is closed.
func (r *explaining) gather(frames <-chan wire.Sourced, done chan<- struct{}) {
	for f := range frames {
		r.input.add(f, time.Now())
	}
	close(done)
}

// explain tells the story as it is now.
func (r *explaining) explain() *story.Story {
	r.alignClocks()
	r.input.flush()
	return r.input.story(time.Now())
}

// conclude ends the tape with the moment that the story is told as of. An error
// concerns the tape alone.
func (r *explaining) conclude() (time.Time, error) {
	r.alignClocks()
	now := time.Now()
	err := r.input.finish(now)
	if err != nil {
		err = fmt.Errorf("%s does not hold the whole run: %w", r.save, err)
	}
	return now, err
}

func (r *explaining) alignClocks() {
	if r.probes == nil {
		return
	}
	for node, o := range r.probes.Offsets() {
		r.input.align("node/"+node, trusted(o), time.Now())
	}
}

// trusted is the part of a measured offset that is surely one: within the error
// of the measurement two clocks count as the same.
func trusted(o session.Offset) time.Duration {
	if o.Offset.Abs() <= o.Error {
		return 0
	}
	return o.Offset
}

func (o *explainOptions) clusterEntries() []cluster.Entry {
	var out []cluster.Entry
	for _, e := range clientcatalog.Entries {
		if !o.clusterOff[e.Spec.Name] {
			out = append(out, e)
		}
	}
	return out
}

// sessionConfig chooses the nodes: those of the target's pods and those of what
// the API makes the likely cause, the worst pods first.
func (r *explaining) sessionConfig() session.Config {
	cfg := session.Config{
		Rest: r.rest, Namespace: r.namespace, TargetNamespace: r.target.Namespace, Profile: launch.Profile(r.profile),
		Image: r.image, PullSecret: r.pullSecret, PriorityClass: r.priority, Observers: r.nodeSide,
	}
	if r.target.Kind == "Node" {
		cfg.Nodes = []session.Node{{Name: r.target.Name}}
		return cfg
	}
	add := func(node, uid string) {
		i := slices.IndexFunc(cfg.Nodes, func(n session.Node) bool { return n.Name == node })
		if i < 0 {
			if len(cfg.Nodes) == r.maxProbes {
				return
			}
			i = len(cfg.Nodes)
			cfg.Nodes = append(cfg.Nodes, session.Node{Name: node})
		}
		if !slices.Contains(cfg.Nodes[i].PodUIDs, uid) {
			cfg.Nodes[i].PodUIDs = append(cfg.Nodes[i].PodUIDs, uid)
		}
	}
	w := r.input.window(time.Now())
	for _, pod := range correlate.Suspects(w) {
		if node, ok := w.Graph.NodeOf(pod); ok {
			add(node.ID, pod.ID)
		}
	}
	pods := slices.Clone(r.target.Pods)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return trouble(b) - trouble(a) })
	for _, p := range pods {
		if p.Spec.NodeName != "" && p.Status.Phase != corev1.PodSucceeded {
			add(p.Spec.NodeName, string(cluster.UID(p)))
		}
	}
	return cfg
}

// trouble ranks pods: the more restarts and unready containers, the higher.
func trouble(p *corev1.Pod) int {
	n := 0
	for _, c := range p.Status.ContainerStatuses {
		n += int(min(c.RestartCount, 1000))
		if !c.Ready {
			n += 10
		}
	}
	return n
}

// subject is the target in the words of the engine.
func subject(t *target.Target) window.Target {
	s := window.Target{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name}
	switch t.Kind {
	case "Pod":
		if len(t.Pods) > 0 {
			s.Key = event.PodKey(string(cluster.UID(t.Pods[0])))
		}
	case "Service":
		s.Key = event.ServiceKey(t.Namespace, t.Name)
	case "Node":
		s.Key = event.NodeKey(t.Name)
	case "Namespace":
		s.Key = event.Key{Type: event.Namespace, ID: t.Namespace}
	case "Cluster", "Pods":
	default:
		s.Key = event.WorkloadKey(t.Kind, t.Namespace, t.Name)
	}
	for _, p := range t.Pods {
		s.Pods = append(s.Pods, event.PodKey(string(cluster.UID(p))))
	}
	return s
}

// awaits waits for done; false means that ctx ended first.
func awaits(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return err
}

func seconds(since time.Time) string { return fmt.Sprintf("%.1fs", time.Since(since).Seconds()) }
