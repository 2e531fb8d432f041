// Package cluster tells from Kubernetes objects what the configuration of pods
// refers to and names that is not there, or not so.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

type observer struct {
	*source.Loop
	src  source.Source
	told map[string]event.Event
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, config.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, told: map[string]event.Event{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// maxFacts bounds the facts of one look; what is left out is counted as lost.
const maxFacts = 400

func (o *observer) look(emit func(event.Event)) error {
	pods, err1 := o.src.Pods.List(labels.Everything())
	reports, err2 := o.src.Events.List(labels.Everything())
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		if a, b := o.src.Scope.Has(a), o.src.Scope.Has(b); a != b {
			if a {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	var found []event.Event
	for _, p := range pods {
		es, err := o.missing(p, reports)
		if err != nil {
			return err
		}
		found = append(found, es...)
	}
	wrong, err1 := o.wrongAddresses(pods)
	others, err2 := o.wrongCredentials(pods)
	stale, err3 := o.stale(pods)
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	found = slices.Concat(found, wrong, others, stale, o.samePorts(pods))
	if len(found) > maxFacts {
		o.Lost(len(found) - maxFacts)
		found = found[:maxFacts]
	}
	told := map[string]event.Event{}
	for _, e := range found {
		id := identity(e)
		if old, ok := o.told[id]; !ok || !reflect.DeepEqual(old, e) {
			emit(e)
		}
		told[id] = e
	}
	o.told = told
	return nil
}

// identity is what one fact is about, so that it is told again only when it
// changed.
func identity(e event.Event) string {
	return strings.Join([]string{string(e.Kind), e.Subject().ID, config.Where.Or(e, ""), config.Name.Or(e, ""), config.Key.Or(e, ""), config.Host.Or(e, ""), config.Differs.Or(e, ""), strconv.FormatInt(config.Port.Or(e, 0), 10)}, "\x00")
}

// about is an event about a container of the pod, or the pod when it is empty.
func about(kind event.Kind, p *corev1.Pod, container string) event.Event {
	uid := string(source.UID(p))
	subject := event.PodKey(uid)
	if container != "" {
		subject = event.ContainerKey(uid, container)
	}
	return event.Event{Kind: kind, At: p.CreationTimestamp.Time, Refs: []event.Ref{{Role: event.Subject, Key: subject}, {Role: event.Owner, Key: event.PodKey(uid)}}}
}

func objectKey(object, namespace, name string) event.Key {
	return event.Key{Type: event.Config, ID: object + "/" + namespace + "/" + name}
}

func setText(f event.Field[string], e *event.Event, s string) {
	const maxText = 256
	if s != "" && len(s) <= maxText {
		f.Set(e, strings.ToValidUTF8(s, ""))
	}
}
