// Package cluster tells from Kubernetes objects how health probes are set and
// how they went.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

type observer struct {
	*source.Loop
	src     source.Source
	told    source.Told
	reports map[string]reported // by slot and sort
	round   uint64
}

// reported is a report of the kubelet that was told.
type reported struct {
	span
	round uint64
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, health.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, reports: map[string]reported{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// view is what one look sees.
type view struct {
	pods     []*corev1.Pod
	byUID    map[types.UID]*corev1.Pod
	services map[types.UID][]*corev1.Service // by pod
	sets     map[string][]*appsv1.ReplicaSet // by controller
	set      map[string]*appsv1.ReplicaSet   // by namespace and name
	siblings map[string][]*corev1.Pod        // by controller
	hidden   map[probed]map[string]int       // see elsewhere
	failures map[slot][]failure
	kills    map[slot]span
}

// slot is a probe of a container.
type slot struct {
	pod              types.UID
	container, which string
}

func (o *observer) look(emit func(event.Event)) error {
	pods, err1 := o.src.Pods.List(labels.Everything())
	svcs, err2 := o.src.Services.List(labels.Everything())
	sets, err3 := o.src.ReplicaSets.List(labels.Everything())
	events, err4 := o.src.Events.List(labels.Everything())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	v := o.view(pods, svcs, sets, events)
	o.told.Begin()
	o.round++
	for _, p := range v.pods {
		if p.DeletionTimestamp == nil && source.Plausible(string(source.UID(p))) {
			o.lookPod(v, p, emit)
		}
	}
	o.told.End(health.Over, o.src.Now(), emit)
	for id, r := range o.reports {
		if r.round != o.round {
			delete(o.reports, id)
		}
	}
	return nil
}

// view indexes the objects.
func (o *observer) view(pods []*corev1.Pod, svcs []*corev1.Service, sets []*appsv1.ReplicaSet, events []*corev1.Event) *view {
	v := &view{
		pods: slices.Clone(pods), byUID: map[types.UID]*corev1.Pod{}, services: map[types.UID][]*corev1.Service{},
		sets: map[string][]*appsv1.ReplicaSet{}, set: map[string]*appsv1.ReplicaSet{}, siblings: map[string][]*corev1.Pod{},
		failures: map[slot][]failure{}, kills: map[slot]span{},
	}
	slices.SortFunc(v.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, p := range v.pods {
		v.byUID[source.UID(p)] = p
		if owner, ok := o.src.Workload(p); ok {
			v.siblings[owner.ID] = append(v.siblings[owner.ID], p)
		}
	}
	for _, sel := range topology.Select(svcs, pods, nil) {
		for _, p := range sel.Pods {
			v.services[source.UID(p)] = append(v.services[source.UID(p)], sel.Service)
		}
	}
	for _, rs := range sets {
		owner := source.ReplicaSetOwner(rs).ID
		v.sets[owner] = append(v.sets[owner], rs)
		v.set[rs.Namespace+"/"+rs.Name] = rs
	}
	v.readEvents(events)
	return v
}

// lookPod tells the probes of each container of a pod in trouble.
func (o *observer) lookPod(v *view, p *corev1.Pod, emit func(event.Event)) {
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if c.Name == "" || !source.Plausible(c.Name) {
				continue
			}
			status := statusOf(p, c.Name)
			for _, pr := range probesOf(c) {
				o.lookProbe(v, p, c, pr, status, emit)
			}
		}
	}
}

func (o *observer) lookProbe(v *view, p *corev1.Pod, c *corev1.Container, pr probe, status *corev1.ContainerStatus, emit func(event.Event)) {
	at := slot{source.UID(p), c.Name, pr.which}
	failures, kill := v.failures[at], v.kills[at]
	if !troubled(p, status) && len(failures) == 0 && kill.count == 0 {
		return
	}
	o.told.Tell(at.id(), o.probeFact(v, p, c, pr, status), o.src.Now(), emit)
	for _, f := range failures {
		o.report(at.id()+fmt.Sprint(f.what, f.port, f.code), f.span, failedFact(at, f), emit)
	}
	if kill.count > 0 {
		o.report(at.id()+"killed", kill, killedFact(at, kill), emit)
	}
}

// report emits a report of the kubelet when it is new or was repeated.
func (o *observer) report(id string, s span, e event.Event, emit func(event.Event)) {
	old, seen := o.reports[id]
	o.reports[id] = reported{s, o.round}
	if !seen || old.span != s {
		emit(e)
	}
}

func (s slot) id() string {
	return strings.Join([]string{string(s.pod), s.container, s.which, ""}, "\x00")
}

// troubled tells whether a container is not ready or was started again.
func troubled(p *corev1.Pod, s *corev1.ContainerStatus) bool {
	return s != nil && (!s.Ready && p.Status.Phase == corev1.PodRunning || s.RestartCount > 0)
}

func statusOf(p *corev1.Pod, container string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

func refsOf(at slot) []event.Ref {
	return []event.Ref{
		{Role: event.Subject, Key: event.ContainerKey(string(at.pod), at.container)},
		{Role: event.Owner, Key: event.PodKey(string(at.pod))},
	}
}
