package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	eventPage  = 5000 // a page is a request
	eventPages = 3
	maxEvents  = 5000
)

// newest replaces the list of Events by one that is bounded: at most eventPages
// pages are read and only the newest of them kept. The API orders by name, so
// that nothing less than all of them tells which are new.
func (a access) newest(keep int, bounded func(why string)) access {
	list := a.list
	a.list = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		out := &corev1.EventList{}
		o.ResourceVersion, o.ResourceVersionMatch, o.Limit, o.Continue = "", "", eventPage, ""
		total := 0
		for page := 0; ; page++ {
			obj, err := list(ctx, o)
			if err != nil {
				return nil, err
			}
			l, ok := obj.(*corev1.EventList)
			if !ok {
				return nil, fmt.Errorf("the API server answered the list of Events with %T", obj)
			}
			if page == 0 {
				out.ResourceVersion = l.ResourceVersion
			}
			total += len(l.Items)
			out.Items = keepNewest(append(out.Items, l.Items...), keep)
			if l.Continue == "" {
				break
			}
			if page+1 == eventPages {
				bounded(fmt.Sprintf("only %d Events were read, there are more", total))
				return out, nil
			}
			o.Continue = l.Continue
		}
		if total > len(out.Items) {
			bounded(fmt.Sprintf("the newest %d of %d Events are used", len(out.Items), total))
		}
		return out, nil
	}
	return a
}

func keepNewest(events []corev1.Event, keep int) []corev1.Event {
	if len(events) <= keep {
		return events
	}
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return LastSeen(&b).Compare(LastSeen(&a)) })
	clear(events[keep:])
	return events[:keep]
}

// LastSeen is the last occurrence of an Event, whichever of its fields holds it:
// the series of events.k8s.io, lastTimestamp of the older form, eventTime of a
// single occurrence, at last its creation.
func LastSeen(e *corev1.Event) time.Time {
	var t time.Time
	if e.Series != nil {
		t = later(t, e.Series.LastObservedTime.Time)
	}
	t = later(t, e.LastTimestamp.Time)
	t = later(t, e.EventTime.Time)
	if t.IsZero() {
		t = later(e.FirstTimestamp.Time, e.CreationTimestamp.Time)
	}
	return t
}

// FirstSeen is the first occurrence of an Event.
func FirstSeen(e *corev1.Event) time.Time {
	for _, t := range []time.Time{e.FirstTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return LastSeen(e)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
