// Package cluster tells from Kubernetes objects which routes lead astray and
// which intended calls network policies deny.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/routes"
)

type observer struct {
	*source.Loop
	src      source.Source
	told     source.Told
	mentions map[types.UID][]topology.Mention // of living pods; a spec stays what it was made with
}

// Open makes the observer. It needs the lists of Services and pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, routes.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, mentions: map[types.UID][]topology.Mention{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// view is what one look sees.
type view struct {
	pods       []*corev1.Pod // that live, by namespace and name
	owner      map[*corev1.Pod]event.Key
	services   []*corev1.Service
	index      *topology.Services
	selections map[event.Key]topology.Selection
}

func (o *observer) look(emit func(event.Event)) error {
	if o.src.Known(source.Pods) != nil || o.src.Known(source.Services) != nil {
		return nil //nolint:nilerr // half of a relation tells nothing; Gaps tell why
	}
	pods, err1 := o.src.Pods.List(labels.Everything())
	svcs, err2 := o.src.Services.List(labels.Everything())
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	v := &view{services: slices.Clone(svcs), index: topology.NewServices(svcs), owner: map[*corev1.Pod]event.Key{}, selections: map[event.Key]topology.Selection{}}
	slices.SortFunc(v.services, func(a, b *corev1.Service) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || !source.Plausible(string(source.UID(p)), p.Name, p.Namespace) {
			continue
		}
		v.pods = append(v.pods, p)
		v.owner[p] = event.PodKey(string(source.UID(p)))
		if key, ok := o.src.Workload(p); ok {
			v.owner[p] = key
		}
	}
	slices.SortFunc(v.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, sel := range topology.Select(svcs, v.pods, nil) {
		v.selections[sel.Key()] = sel
	}
	o.forget(v)
	o.told.Begin()
	o.lookGateways(v, emit)
	o.lookIngresses(v, emit)
	o.lookPolicies(v, emit)
	o.told.End(routes.Over, o.src.Now(), emit)
	return nil
}

// named lists the Services that a pod's configuration names.
func (o *observer) named(v *view, p *corev1.Pod) []topology.Named {
	uid := source.UID(p)
	m, ok := o.mentions[uid]
	if !ok {
		m = topology.Mentions(&p.Spec)
		o.mentions[uid] = m
	}
	return v.index.Named(p.Namespace, m)
}

// forget drops what is kept of pods that are gone.
func (o *observer) forget(v *view) {
	living := map[types.UID]bool{}
	for _, p := range v.pods {
		living[source.UID(p)] = true
	}
	for uid := range o.mentions {
		if !living[uid] {
			delete(o.mentions, uid)
		}
	}
}

func (o *observer) tell(id string, e event.Event, emit func(event.Event)) {
	o.told.Tell(id, e, o.src.Now(), emit)
}

// maxText bounds every text taken from an object, in bytes.
const maxText = 256

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
	}
}
