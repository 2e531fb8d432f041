// Package cluster tells from Kubernetes objects what changed, and by whom.
package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

type observer struct {
	*source.Loop
	src    source.Source
	told   source.Told
	emit   func(event.Event)
	hashes map[string]map[string]uint64 // of configuration, by object and key
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, changes.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, hashes: map[string]map[string]uint64{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	o.emit = o.Counted(emit)
	return o.Follow(ctx, o.look)
}

func (o *observer) look() error {
	if o.src.OneNode() {
		return nil // what a workload has on other nodes is not there to be compared
	}
	o.told.Begin()
	pods := o.pods()
	troubled := slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return o.src.Scope.Has(p) && o.troubled(p) })
	o.Want(o.src, source.Autoscalers)
	if troubled {
		o.Want(o.src, source.ConfigMaps, source.Secrets)
	}
	o.tellDeployments(pods)
	o.tellStatefulSets(pods)
	o.tellZero(pods)
	o.tellAutoscalers()
	o.tellConfigs(pods)
	o.tellPolicies()
	o.tellTags(pods)
	o.told.End(changes.Over, o.src.Now(), o.emit)
	return nil
}

func (o *observer) pods() []*corev1.Pod {
	all, err := o.src.Pods.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(all), func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded
	})
}

// troubled tells whether a change may be what ails the pod: it is not ready, or
// a container of it ended within the last hour.
func (o *observer) troubled(p *corev1.Pod) bool {
	if !topology.Ready(p) {
		return true
	}
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		t := c.LastTerminationState.Terminated
		return t != nil && o.src.Now().Sub(t.FinishedAt.Time) < time.Hour
	})
}

func sorted[T metav1.Object](list []T) []T {
	slices.SortFunc(list, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return list
}

func (o *observer) tell(id string, e event.Event) {
	if e.At.IsZero() {
		e.At = o.src.Now()
	}
	o.told.Tell(string(e.Kind)+"\x00"+id, e, o.src.Now(), o.emit)
}

func about(kind event.Kind, at time.Time, subject event.Key, refs ...event.Ref) event.Event {
	return event.Event{Kind: kind, At: at, Refs: append([]event.Ref{{Role: event.Subject, Key: subject}}, refs...)}
}

// maxText bounds every text taken from an object, in bytes.
const maxText = 1024

func setText(f event.Field[string], e *event.Event, s string) {
	if s == "" {
		return
	}
	if len(s) > maxText {
		s = s[:maxText]
	}
	f.Set(e, strings.ToValidUTF8(s, ""))
}

// maxRefs bounds the entities that one fact names.
const maxRefs = 50

func peers(keys []event.Key) []event.Ref {
	slices.SortFunc(keys, event.Key.Compare)
	keys = slices.Compact(keys)
	out := make([]event.Ref, 0, len(keys))
	for _, k := range keys[:min(len(keys), maxRefs)] {
		out = append(out, event.Ref{Role: event.Peer, Key: k})
	}
	return out
}

// tellKeeper tells of a tool that keeps the object as it is.
func (o *observer) tellKeeper(key event.Key, m metav1.Object) {
	k := source.KeeperOf(m)
	if k.Tool == "" {
		return
	}
	e := about(changes.Keeper, m.GetCreationTimestamp().Time, key)
	setText(changes.Tool, &e, k.Tool)
	setText(changes.Name, &e, k.Name)
	o.tell(key.String(), e)
}

// of are the pods that the controller holds.
func of(pods []*corev1.Pod, kind, namespace, name string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range pods {
		ref := metav1.GetControllerOfNoCopy(p)
		if ref != nil && ref.Kind == kind && ref.Name == name && p.Namespace == namespace {
			out = append(out, p)
		}
	}
	return out
}

func readyOf(pods []*corev1.Pod) int64 {
	n := int64(0)
	for _, p := range pods {
		if topology.Ready(p) {
			n++
		}
	}
	return n
}
