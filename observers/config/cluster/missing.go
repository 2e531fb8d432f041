package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// missing compares what a pod that is not up refers to with what is there, and
// with what the kubelet says. An object that is there by now is not missing,
// whatever was said before.
func (o *observer) missing(p *corev1.Pod, reports []*corev1.Event) ([]event.Event, error) {
	var waiting []ref
	for _, r := range refsOf(p) {
		if !up(p, r.container) {
			waiting = append(waiting, r)
		}
	}
	if len(waiting) == 0 {
		return nil, nil
	}
	said, since := o.said(p, reports)
	var out []event.Event
	for _, r := range waiting {
		o.Want(o.src, listOf(r.object))
		there, keys, known, err := o.object(p.Namespace, r)
		if err != nil {
			return nil, err
		}
		switch {
		case known && there && len(r.keys) == 0:
			continue
		case known && there:
			lacks := slices.DeleteFunc(slices.Clone(r.keys), func(k string) bool { return slices.Contains(keys, k) })
			for _, k := range lacks {
				e := o.fact(p, r, k, since, slices.ContainsFunc(said, func(m missing) bool { return m.key == k }))
				config.Compared.Set(&e, true)
				setText(config.Similar, &e, config.Near(k, keys))
				out = append(out, e)
			}
			continue
		}
		reported := slices.ContainsFunc(said, func(m missing) bool { return m.object == r.object && m.name == r.name })
		if !known && !reported {
			continue
		}
		key := ""
		if !known {
			for _, m := range said {
				if m.object == r.object && m.name == r.name {
					key = m.key
				}
			}
		}
		e := o.fact(p, r, key, since, reported)
		config.Compared.Set(&e, known)
		if known {
			names, elsewhere, err := o.names(r, p.Namespace)
			if err != nil {
				return nil, err
			}
			setText(config.Similar, &e, config.Near(r.name, names))
			setText(config.Elsewhere, &e, elsewhere)
		}
		out = append(out, e)
	}
	return out, nil
}

func (o *observer) fact(p *corev1.Pod, r ref, key string, since time.Time, reported bool) event.Event {
	e := about(config.Missing, p, r.container)
	if !since.IsZero() {
		e.At = since
	}
	e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: objectKey(r.object, p.Namespace, r.name)})
	setText(config.Object, &e, r.object)
	setText(config.Name, &e, r.name)
	setText(config.Key, &e, key)
	setText(config.Where, &e, r.where)
	config.Reported.Set(&e, reported)
	return e
}

// said is what the kubelet says to be missing of the pod, and since when. An
// Event tells when the state has no message, as in dumps.
func (o *observer) said(p *corev1.Pod, reports []*corev1.Event) (list []missing, since time.Time) {
	note := func(message string) bool {
		m, ok := missingIn(message)
		if ok && !slices.Contains(list, m) {
			list = append(list, m)
		}
		return ok
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting != nil {
			note(s.State.Waiting.Message)
		}
	}
	for _, r := range reports {
		obj := r.InvolvedObject
		if obj.Kind != "Pod" || obj.Namespace != p.Namespace || obj.Name != p.Name || obj.UID != "" && obj.UID != source.UID(p) {
			continue
		}
		if r.Reason != "Failed" && r.Reason != "FailedMount" {
			continue
		}
		if note(r.Message) {
			if t := source.FirstSeen(r); since.IsZero() || t.Before(since) {
				since = t
			}
		}
	}
	return list, since
}

func listOf(object string) source.Resource {
	if object == secret {
		return source.Secrets
	}
	return source.ConfigMaps
}

// object tells whether the object is there and which keys it has. known is
// false when the list cannot be read.
func (o *observer) object(namespace string, r ref) (there bool, keys []string, known bool, err error) {
	if !o.src.Knows(listOf(r.object)) {
		return false, nil, false, nil
	}
	switch r.object {
	case secret:
		s, err := o.src.Secrets.Secrets(namespace).Get(r.name)
		if apierrors.IsNotFound(err) {
			return false, nil, true, nil
		} else if err != nil {
			return false, nil, false, fmt.Errorf("secrets cannot be read: %w", err)
		}
		return true, slices.Collect(maps.Keys(s.Data)), true, nil
	default:
		c, err := o.src.ConfigMaps.ConfigMaps(namespace).Get(r.name)
		if apierrors.IsNotFound(err) {
			return false, nil, true, nil
		} else if err != nil {
			return false, nil, false, fmt.Errorf("configmaps cannot be read: %w", err)
		}
		return true, slices.Concat(slices.Collect(maps.Keys(c.Data)), slices.Collect(maps.Keys(c.BinaryData))), true, nil
	}
}

// names lists the objects of the kind in the namespace, and another namespace
// that has one of the wanted name.
func (o *observer) names(r ref, namespace string) (names []string, elsewhere string, err error) {
	var all []metav1.ObjectMeta
	if r.object == secret {
		list, e := o.src.Secrets.List(labels.Everything())
		err = e
		for _, s := range list {
			all = append(all, s.ObjectMeta)
		}
	} else {
		list, e := o.src.ConfigMaps.List(labels.Everything())
		err = e
		for _, c := range list {
			all = append(all, c.ObjectMeta)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("objects cannot be read: %w", err)
	}
	for _, m := range all {
		switch {
		case m.Namespace == namespace:
			names = append(names, m.Name)
		case m.Name == r.name && (elsewhere == "" || strings.Compare(m.Namespace, elsewhere) < 0):
			elsewhere = m.Namespace
		}
	}
	return names, elsewhere, nil
}
