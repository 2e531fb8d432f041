// Package cluster tells from Kubernetes objects what is wrong with volumes.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/storage"
)

type observer struct {
	*source.Loop
	src    source.Source
	claims map[string]*claimMemory
	told   map[string]uint64 // what was told, by subject, as a hash
}

// Open makes the observer. It needs the list of pods; all else is optional, and
// lists of volumes are read only once a pod waits for one.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, storage.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, claims: map[string]*claimMemory{}, told: map[string]uint64{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

func (o *observer) look(emit func(event.Event)) error {
	if o.src.Known(source.Pods) != nil {
		return nil //nolint:nilerr // Gaps tell why
	}
	all, err1 := o.src.Pods.List(labels.Everything())
	var reports []*corev1.Event
	var err2 error
	if o.src.Known(source.Events) == nil {
		reports, err2 = o.src.Events.List(labels.Everything())
	}
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	slices.SortFunc(all, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	sorted(reports)
	pods := slices.DeleteFunc(slices.Clone(all), func(p *corev1.Pod) bool { return !o.src.Scope.Has(p) })
	if err := o.lookClaims(pods, reports, emit); err != nil {
		return err
	}
	for _, p := range pods {
		o.lookMounts(p, reports, emit)
		o.lookHeld(p, all, reports, emit)
		o.lookAccess(p, emit)
		o.lookEvicted(p, emit)
	}
	return nil
}

// changed tells whether a subject has something new to say.
func (o *observer) changed(subject string, state ...any) bool {
	h := fnv.New64a()
	fmt.Fprint(h, state...)
	if old, ok := o.told[subject]; ok && old == h.Sum64() {
		return false
	}
	o.told[subject] = h.Sum64()
	return true
}

// maxText bounds every text of a fact, in bytes.
const maxText = 512

func setText(f event.Field[string], e *event.Event, s string) {
	if len(s) > maxText {
		s = s[:maxText-3] + "..."
	}
	if s = strings.ToValidUTF8(s, ""); s != "" {
		f.Set(e, s)
	}
}
