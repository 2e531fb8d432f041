// Package cluster tells from Kubernetes objects which pods a Service selects
// and which pods name a Service.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// maxPeers bounds the pods of one fact, so that it fits into a frame. Pods of
// the target come first; what is left out is counted as lost.
const maxPeers = 400

// maxWhere bounds the name of a variable, in bytes.
const maxWhere = 256

type observer struct {
	*source.Loop
	src      source.Source
	selects  map[event.Key]selected
	mentions map[types.UID]mentioned
	faults   source.Told
	round    uint64
}

// selected is what was told about a Service.
type selected struct {
	pods  []types.UID
	ready int
	port  int64
	round uint64
}

// mentioned is what a pod's spec mentions, and which Services were told.
type mentioned struct {
	pod   *corev1.Pod
	list  []topology.Mention
	told  map[event.Key]bool
	round uint64
}

// Open makes the observer. It needs the lists of Services and pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, services.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{
		Loop: loop, src: src,
		selects:  map[event.Key]selected{},
		mentions: map[types.UID]mentioned{},
	}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

func (o *observer) look(emit func(event.Event)) error {
	if o.src.Known(source.Pods) != nil || o.src.Known(source.Services) != nil {
		return nil //nolint:nilerr // half of a relation tells nothing; Gaps tell why
	}
	o.round++
	pods, err1 := o.src.Pods.List(labels.Everything())
	svcs, err2 := o.src.Services.List(labels.Everything())
	var endpoints []*discoveryv1.EndpointSlice
	var err3 error
	if o.src.Known(source.EndpointSlices) == nil {
		endpoints, err3 = o.src.EndpointSlices.List(labels.Everything())
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	selections := topology.Select(svcs, pods, endpoints)
	for _, sel := range selections {
		o.lookService(sel, emit)
	}
	o.lookNames(topology.NewServices(svcs), pods, emit)
	o.lookFaults(selections, pods, emit)
	for k, s := range o.selects {
		if s.round != o.round {
			delete(o.selects, k)
		}
	}
	for uid, m := range o.mentions {
		if m.round != o.round {
			delete(o.mentions, uid)
		}
	}
	return nil
}

func (o *observer) lookService(sel topology.Selection, emit func(event.Event)) {
	key := sel.Key()
	now := selected{ready: sel.Ready, round: o.round}
	if len(sel.Service.Spec.Ports) > 0 {
		now.port = int64(sel.Service.Spec.Ports[0].Port)
	}
	for _, p := range sel.Pods {
		now.pods = append(now.pods, uidOf(p))
	}
	old, seen := o.selects[key]
	o.selects[key] = now
	if seen && old.ready == now.ready && old.port == now.port && slices.Equal(old.pods, now.pods) {
		return
	}
	at := sel.Service.CreationTimestamp.Time
	if seen || at.IsZero() {
		at = o.src.Now()
	}
	e := event.Event{Kind: services.Selects, At: at, Refs: []event.Ref{{Role: event.Subject, Key: key}}}
	if now.port > 0 {
		services.Port.Set(&e, now.port)
	}
	services.ReadyPods.Set(&e, int64(sel.Ready))
	services.Selecting.Set(&e, len(sel.Service.Spec.Selector) > 0)
	for _, p := range o.peers(sel.Pods) {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(uidOf(p)))})
	}
	emit(e)
}

func (o *observer) peers(pods []*corev1.Pod) []*corev1.Pod {
	if len(pods) <= maxPeers {
		return pods
	}
	o.Lost(len(pods) - maxPeers)
	pods = slices.Clone(pods)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Compare(rank(o.src.Scope.Has(a)), rank(o.src.Scope.Has(b)))
	})
	return pods[:maxPeers]
}

func rank(inScope bool) int {
	if inScope {
		return 0
	}
	return 1
}

func (o *observer) lookNames(index *topology.Services, pods []*corev1.Pod, emit func(event.Event)) {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, p := range pods {
		m, seen := o.mentions[uidOf(p)]
		if !seen {
			m = mentioned{pod: p, list: topology.Mentions(&p.Spec), told: map[event.Key]bool{}}
		}
		m.round = o.round
		o.mentions[uidOf(p)] = m
		for _, n := range index.Named(p.Namespace, m.list) {
			if m.told[n.Service] {
				continue
			}
			m.told[n.Service] = true
			emit(o.named(p, n))
		}
	}
}

func (o *observer) named(p *corev1.Pod, n topology.Named) event.Event {
	at := p.CreationTimestamp.Time // the spec of a pod is what it was made with
	if at.IsZero() {
		at = o.src.Now()
	}
	e := event.Event{Kind: services.Names, At: at, Refs: []event.Ref{
		{Role: event.Subject, Key: event.PodKey(string(uidOf(p)))},
		{Role: event.Peer, Key: n.Service},
	}}
	services.Where.Set(&e, strings.ToValidUTF8(n.Where[:min(len(n.Where), maxWhere)], ""))
	if n.Port > 0 {
		services.Port.Set(&e, int64(n.Port))
	}
	return e
}

func uidOf(p *corev1.Pod) types.UID { return source.UID(p) }
