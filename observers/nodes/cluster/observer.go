// Package cluster tells the state of nodes and of the cluster's own components
// from Kubernetes objects.
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
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
)

type observer struct {
	*source.Loop
	src  source.Source
	told source.Told
	emit func(event.Event)
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, nodes.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	o.emit = o.Counted(emit)
	return o.Follow(ctx, o.look)
}

// look reads nodes and system components only when a pod of the target is in
// trouble, or the files hold them anyway: a cluster can have thousands.
func (o *observer) look() error {
	o.told.Begin()
	pods := o.pods()
	if slices.ContainsFunc(pods, o.troubled) {
		o.Want(o.src, source.Nodes, source.NodeLeases)
		o.Want(o.src.System(), source.Pods, source.DaemonSets)
	}
	o.tellNodes(pods)
	o.tellComponents(pods)
	o.tellDevices(pods)
	o.tellIgnored()
	o.told.End(nodes.Over, o.src.Now(), o.emit)
	return nil
}

// pods lists those of the target.
func (o *observer) pods() []*corev1.Pod {
	all, err := o.src.Pods.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(all), func(p *corev1.Pod) bool { return !o.src.Scope.Has(p) })
}

func sorted[T metav1.Object](list []T) []T {
	slices.SortFunc(list, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return list
}

// settling is how long a pod may be on its way before that is trouble.
const settling = 15 * time.Second

// troubled tells whether a node may be what ails the pod: it does not go, it
// failed as a whole, no container of it was ever begun, or it is not ready
// although its containers are. One that crashes has other reasons.
func (o *observer) troubled(p *corev1.Pod) bool {
	age := o.src.Now().Sub(p.CreationTimestamp.Time)
	switch {
	case p.Spec.NodeName == "", p.Status.Phase == corev1.PodSucceeded:
		return false
	case p.DeletionTimestamp != nil:
		return o.src.Now().After(p.DeletionTimestamp.Time)
	case p.Status.Phase == corev1.PodFailed:
		return p.Status.Reason != ""
	case age <= settling || topology.Ready(p):
		return false
	}
	begun, well := false, true
	for _, c := range p.Status.ContainerStatuses {
		begun = begun || c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil || c.RestartCount > 0
		well = well && c.Ready
	}
	return well || !begun && p.Status.PodIP == ""
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

func setTime(f event.Field[int64], e *event.Event, t time.Time) {
	if t.Unix() > 0 {
		f.Set(e, t.Unix())
	}
}
