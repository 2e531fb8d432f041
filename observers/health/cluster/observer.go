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
	src  source.Source
	told source.Told
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, health.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// view is what one look sees.
type view struct {
	pods     []*corev1.Pod
	services map[types.UID][]*corev1.Service // by pod
	sets     map[string][]*appsv1.ReplicaSet // by namespace and controller's uid
	failures map[slot][]failure
	kills    map[slot]span
}

// slot is a probe of a container.
type slot struct {
	pod              types.UID
	container, which string
}

func (o *observer) look(emit func(event.Event)) error {
	v := view{services: map[types.UID][]*corev1.Service{}, sets: map[string][]*appsv1.ReplicaSet{}, failures: map[slot][]failure{}, kills: map[slot]span{}}
	pods, err1 := o.src.Pods.List(labels.Everything())
	svcs, err2 := o.src.Services.List(labels.Everything())
	sets, err3 := o.src.ReplicaSets.List(labels.Everything())
	events, err4 := o.src.Events.List(labels.Everything())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	v.pods = slices.Clone(pods)
	slices.SortFunc(v.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, sel := range topology.Select(svcs, pods, nil) {
		for _, p := range sel.Pods {
			v.services[source.UID(p)] = append(v.services[source.UID(p)], sel.Service)
		}
	}
	for _, rs := range sets {
		owner := source.ReplicaSetOwner(rs).ID
		v.sets[owner] = append(v.sets[owner], rs)
	}
	v.readEvents(events)
	o.told.Begin()
	for _, p := range v.pods {
		if p.DeletionTimestamp == nil && source.Plausible(string(source.UID(p))) {
			o.lookPod(&v, p, emit)
		}
	}
	o.told.Gone()
	return nil
}

// lookPod tells the probes of each container of a pod in trouble.
func (o *observer) lookPod(v *view, p *corev1.Pod, emit func(event.Event)) {
	uid := source.UID(p)
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if c.Name == "" || !source.Plausible(c.Name) {
				continue
			}
			status := statusOf(p, c.Name)
			for _, pr := range probesOf(c) {
				at := slot{uid, c.Name, pr.which}
				failures, kill, killed := v.failures[at], v.kills[at], false
				if kill.count > 0 {
					killed = true
				}
				if !troubled(p, status) && len(failures) == 0 && !killed {
					continue
				}
				o.say(at, "probe", o.probeFact(v, p, c, pr, status), emit)
				for _, f := range failures {
					o.say(at, "failed "+f.what+fmt.Sprint(f.port, f.code), failedFact(at, f), emit)
				}
				if killed {
					o.say(at, "killed", killedFact(at, kill), emit)
				}
			}
		}
	}
}

func (o *observer) say(at slot, what string, e event.Event, emit func(event.Event)) {
	if o.told.New(strings.Join([]string{string(at.pod), at.container, at.which, what}, "\x00"), e) {
		emit(e)
	}
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
