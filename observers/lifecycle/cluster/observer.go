// Package cluster tells the lifecycle facts from Kubernetes objects.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// observer emits each state when it is first seen and when it changed.
type observer struct {
	*source.Loop
	src       source.Source
	pods      map[types.UID]*podMemory
	workloads map[string]*workloadMemory
	reports   map[string]reportState
	round     uint64
}

// Open makes the observer. It needs the list of pods; Events and controllers
// are optional and their absence is a gap.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, lifecycle.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{
		Loop: loop, src: src,
		pods:      map[types.UID]*podMemory{},
		workloads: map[string]*workloadMemory{},
		reports:   map[string]reportState{},
	}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

func (o *observer) look(emit func(event.Event)) error {
	o.round++
	var errs []error
	pods, err := o.src.Pods.List(labels.Everything())
	errs = append(errs, err)
	slices.SortFunc(pods, byName)
	errs = append(errs, o.lookWorkloads(emit))
	for _, p := range pods {
		o.lookPod(p, emit)
	}
	o.lookGone(emit)
	reports, err := o.src.Events.List(labels.Everything())
	errs = append(errs, err)
	o.lookReports(reports, emit)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	return nil
}

func byName(a, b *corev1.Pod) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// maxText bounds every text taken from an object, in bytes.
const maxText = 1024

// clip makes text valid UTF-8 of bounded length. It is not made fit for a
// terminal: that is done where it is printed.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "")
}

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, clip(s))
	}
}

// setTime stores a time unless it is unset: some runtimes write the epoch for a
// process that never started.
func setTime(f event.Field[int64], e *event.Event, t time.Time) {
	if t.Unix() > 0 {
		f.Set(e, t.Unix())
	}
}

func newest(times ...time.Time) time.Time {
	var out time.Time
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}
