package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/correlate"
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
	input    *input
	read     chan struct{} // closed when every frame of the API was collected
	probes   *session.Session
	probed   chan struct{} // closed when every frame of the probes was collected
}

// run watches until the story is decided, --duration is over or the user
// interrupts, takes the probes away and prints the story. ctx ends at the first
// interrupt; what is still to be done then does not depend on it.
func (o *explainOptions) run(ctx context.Context) error {
	r := newExplaining(o)
	var err error
	if r.target, err = o.resolve(ctx); err != nil {
		return interruptedOr(ctx, err)
	}
	r.input = newInput(subject(r.target), r.began.Add(-r.since))
	if o.save != "" && o.dryRun == "none" {
		if err := r.input.save(o.save); err != nil {
			return err
		}
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
	first := r.explain()
	r.answered = time.Now()
	o.progress("%s  %s, API: %s", r.label(), seconds(r.began), first.Headline)
	if o.dryRun != "none" {
		return r.printPlanned(ctx)
	}
	if err := r.watch(ctx, facts); err != nil {
		return err
	}
	stopAPI()
	<-r.read
	s, err := r.conclude()
	if printed := r.print(s); printed != nil || err != nil {
		return errors.Join(printed, err)
	}
	return o.verdictCode(s)
}

func newExplaining(o *explainOptions) *explaining {
	return &explaining{explainOptions: o, began: time.Now(), read: make(chan struct{}), probed: make(chan struct{})}
}

// watch brings the probes up, waits, and takes them away.
func (r *explaining) watch(ctx context.Context, facts *cluster.Run) error {
	if !r.noProbe {
		r.planned = time.Now()
		plan, err := session.NewPlan(context.WithoutCancel(ctx), r.sessionConfig())
		if err != nil {
			return err
		}
		r.progress("%s", plan)
		r.probes = plan.Start(ctx)
		go r.gather(r.probes.Frames(), r.probed)
		r.waitForDecision(ctx)
		return r.endProbes(ctx)
	}
	awaits(ctx, facts.Settled())
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
	<-r.probed
	r.timings()
	if err != nil {
		r.progress("not all was removed: %v; it goes by itself within %s, or with: kubectl tapio cleanup", err, launch.Lease)
	}
	return nil
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

// conclude tells the story for the last time and ends the tape with it. An
// error concerns the tape alone.
func (r *explaining) conclude() (*story.Story, error) {
	r.alignClocks()
	now := time.Now()
	err := r.input.finish(now)
	if err != nil {
		err = fmt.Errorf("%s does not hold the whole run: %w", r.save, err)
	}
	return r.input.story(now), err
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
