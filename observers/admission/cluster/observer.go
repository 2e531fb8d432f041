// Package cluster tries what controllers ask for against what the API server
// would refuse: quotas, limit ranges, service accounts, pod security, webhooks.
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
	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

type observer struct {
	*source.Loop
	src  source.Source
	told source.Told
	emit func(event.Event)
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, admission.Spec)
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

// look tells of every workload that is short of pods why the API server would
// refuse the next one, of pods that differ from their template, and of quotas
// that are used up.
func (o *observer) look() error {
	if o.src.OneNode() {
		return nil // what a controller has on other nodes is not there to be counted
	}
	o.told.Begin()
	short := o.shortages()
	for _, s := range short {
		o.tellShort(s)
		o.wantFor(s)
		o.tellExceeds(s)
		o.tellOutOfRange(s)
		o.tellNoAccount(s)
		o.tellPodSecurity(s)
		o.tellHooks(s)
	}
	if len(short) == 0 && o.src.Scope.Whole() && o.src.Namespace() != "" {
		o.Want(o.src, source.Quotas)
	}
	o.tellQuotas()
	o.tellUnserved()
	o.tellMutated()
	o.told.End(admission.Over, o.src.Now(), o.emit)
	return nil
}

// wantFor asks for the lists that decide why the workload is short: the cheap
// and likely ones at once, those of the whole cluster only when the API
// server's words or the others leave no answer.
func (o *observer) wantFor(s *shortage) {
	o.Want(o.src, source.Quotas, source.LimitRanges, source.ServiceAccounts)
	if s.refusal.now {
		o.Want(o.src, source.Namespaces)
		if strings.Contains(s.refusal.message, "webhook") {
			o.Want(o.src, source.ValidatingHooks, source.MutatingHooks)
		}
	}
}

// tell emits a state about a workload or another key.
func (o *observer) tell(id string, e event.Event) {
	if e.At.IsZero() {
		e.At = o.src.Now()
	}
	o.told.Tell(string(e.Kind)+"\x00"+id, e, o.src.Now(), o.emit)
}

// about starts a fact.
func about(kind event.Kind, at time.Time, subject event.Key, refs ...event.Ref) event.Event {
	return event.Event{Kind: kind, At: at, Refs: append([]event.Ref{{Role: event.Subject, Key: subject}}, refs...)}
}

func inNamespace(ns string) event.Ref {
	return event.Ref{Role: event.Limiter, Key: event.Key{Type: event.Namespace, ID: ns}}
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

// stamp notes when a policy object was made and last edited, and by whom.
func stamp(e *event.Event, m metav1.Object) {
	setTime(admission.Created, e, m.GetCreationTimestamp().Time)
	if a := source.LastAuthor(m); !a.At.IsZero() {
		setTime(admission.Edited, e, a.At)
		setText(admission.By, e, a.Manager)
	}
	if k := source.KeeperOf(m); k.Tool != "" {
		setText(admission.Keeper, e, k.Tool+" "+k.Name)
	}
}

// since is when a policy object got its present form.
func since(m metav1.Object) time.Time {
	if a := source.LastAuthor(m); !a.At.IsZero() {
		return a.At
	}
	return m.GetCreationTimestamp().Time
}

func sorted[T metav1.Object](list []T) []T {
	slices.SortFunc(list, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return list
}

// pods lists the pods that are there to stay: neither finished nor asked to end.
func (o *observer) pods() []*corev1.Pod {
	all, err := o.src.Pods.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(all), func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
}
