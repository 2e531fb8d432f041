package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// stale lists the objects that changed after a container of the target began
// that reads them once: by its environment, or by a mount of a single file,
// which is never swapped. Only lists that are known for other reasons are
// looked at.
func (o *observer) stale(pods []*corev1.Pod) ([]event.Event, error) {
	var out []event.Event
	for _, p := range pods {
		if !o.src.Scope.Has(p) || over(p) {
			continue
		}
		for _, r := range append(refsOf(p), subPaths(p)...) {
			if r.container == "" || !r.once {
				continue
			}
			changed, ok, err := o.changed(p.Namespace, r)
			if err != nil {
				return nil, err
			}
			started := startOf(p, r.container)
			if !ok || started.IsZero() || !changed.After(started.Add(2*time.Second)) {
				continue
			}
			e := about(config.Stale, p, r.container)
			e.At = changed
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: objectKey(r.object, p.Namespace, r.name)})
			setText(config.Object, &e, r.object)
			setText(config.Name, &e, r.name)
			setText(config.Where, &e, r.where)
			config.Started.Set(&e, started.Unix())
			out = append(out, e)
		}
	}
	return out, nil
}

// startOf is when the container that runs began.
func startOf(p *corev1.Pod, container string) time.Time {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container && s.State.Running != nil {
			return s.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}

// subPaths are the mounts of single files of an object.
func subPaths(p *corev1.Pod) []ref {
	objects := map[string]ref{}
	for _, v := range p.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			objects[v.Name] = ref{object: configMap, name: v.ConfigMap.Name}
		case v.Secret != nil:
			objects[v.Name] = ref{object: secret, name: v.Secret.SecretName}
		}
	}
	var out []ref
	for _, c := range p.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if r, ok := objects[m.Name]; ok && (m.SubPath != "" || m.SubPathExpr != "") && source.Plausible(m.Name) {
				r.container, r.where, r.once = c.Name, "subPath of volume "+m.Name, true
				out = append(out, r)
			}
		}
	}
	return out
}

// changed is when an object that is there was last written by somebody; ok is
// false when nobody noted it.
func (o *observer) changed(namespace string, r ref) (time.Time, bool, error) {
	if !o.src.Knows(listOf(r.object)) {
		return time.Time{}, false, nil
	}
	var m metav1.ObjectMeta
	if r.object == secret {
		s, err := o.src.Secrets.Secrets(namespace).Get(r.name)
		if err != nil {
			return time.Time{}, false, ignoreNotFound(err)
		}
		m = s.ObjectMeta
	} else {
		c, err := o.src.ConfigMaps.ConfigMaps(namespace).Get(r.name)
		if err != nil {
			return time.Time{}, false, ignoreNotFound(err)
		}
		m = c.ObjectMeta
	}
	t := m.CreationTimestamp.Time
	for _, f := range m.ManagedFields {
		if f.Time != nil && f.Time.After(t) {
			t = f.Time.Time
		}
	}
	return t, !t.IsZero(), nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
