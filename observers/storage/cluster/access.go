package cluster

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/storage"
)

type attachment = storagev1.VolumeAttachment

// Bounds of the facts about one pod.
const (
	maxMounts = 32
	maxPath   = 256
)

// lookAccess tells what the containers of a pod in trouble may do with their
// mounts: a program that complains of a path can be held against it.
func (o *observer) lookAccess(p *corev1.Pod, emit func(event.Event)) {
	if p.DeletionTimestamp != nil {
		return
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range p.Spec.Volumes {
		volumes[v.Name] = v
	}
	n := 0
	each := func(cs []corev1.Container, statuses []corev1.ContainerStatus) {
		for _, c := range cs {
			if !inTrouble(c.Name, statuses) || !source.Plausible(c.Name) {
				continue
			}
			for _, m := range append([]corev1.VolumeMount{{MountPath: "/", ReadOnly: rootReadOnly(c)}}, c.VolumeMounts...) {
				if n++; n > maxMounts {
					o.Lost(1)
					continue
				}
				o.tellAccess(p, c, m, volumes[m.Name], emit)
			}
		}
	}
	each(p.Spec.InitContainers, p.Status.InitContainerStatuses)
	each(p.Spec.Containers, p.Status.ContainerStatuses)
}

// inTrouble tells of a container that does not run, is not ready, or ended
// badly before.
func inTrouble(name string, statuses []corev1.ContainerStatus) bool {
	for _, s := range statuses {
		if s.Name != name {
			continue
		}
		last := s.LastTerminationState.Terminated
		t := s.State.Terminated
		return s.State.Waiting != nil && s.RestartCount > 0 || t != nil && t.ExitCode != 0 || last != nil && last.ExitCode != 0 || s.State.Running != nil && !s.Ready
	}
	return false
}

func rootReadOnly(c corev1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.ReadOnlyRootFilesystem != nil && *c.SecurityContext.ReadOnlyRootFilesystem
}

func (o *observer) tellAccess(p *corev1.Pod, c corev1.Container, m corev1.VolumeMount, v corev1.Volume, emit func(event.Event)) {
	if m.MountPath == "" || len(m.MountPath) > maxPath {
		return
	}
	uid := string(source.UID(p))
	e := event.Event{Kind: storage.Access, At: p.CreationTimestamp.Time, Refs: []event.Ref{
		{Role: event.Subject, Key: event.ContainerKey(uid, c.Name)}, {Role: event.Owner, Key: event.PodKey(uid)},
	}}
	setText(storage.Path, &e, m.MountPath)
	setText(storage.Volume, &e, m.Name)
	readOnly := m.ReadOnly
	if v.Name != "" {
		kind, object := sourceOf(p, v)
		setText(storage.Source, &e, kind)
		setText(storage.Object, &e, object)
		if name := claimName(p, v); name != "" && source.Plausible(name) {
			e.Refs = append(e.Refs, event.Ref{Role: event.Device, Key: claimKey(p.Namespace, name)})
		}
		switch kind {
		case "configMap", "secret", "projected", "downwardAPI":
			readOnly = true
		}
		readOnly = readOnly || v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly
	}
	storage.ReadOnly.Set(&e, readOnly)
	user, nonRoot := runAs(p, c)
	if user != nil {
		storage.User.Set(&e, *user)
	}
	storage.NonRoot.Set(&e, nonRoot)
	if sc := p.Spec.SecurityContext; sc != nil && sc.FSGroup != nil {
		storage.Group.Set(&e, *sc.FSGroup)
	}
	if o.changed("access "+uid+" "+c.Name+" "+m.MountPath, e.Attrs) {
		emit(e)
	}
}

// runAs is the user of a container as the spec decides it; the container's own
// word goes before the pod's.
func runAs(p *corev1.Pod, c corev1.Container) (user *int64, nonRoot bool) {
	if sc := p.Spec.SecurityContext; sc != nil {
		user = sc.RunAsUser
		nonRoot = sc.RunAsNonRoot != nil && *sc.RunAsNonRoot
	}
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsUser != nil {
			user = sc.RunAsUser
		}
		if sc.RunAsNonRoot != nil {
			nonRoot = *sc.RunAsNonRoot
		}
	}
	return user, nonRoot
}

// lookEvicted tells of a pod that the kubelet evicted for storage.
func (o *observer) lookEvicted(p *corev1.Pod, emit func(event.Event)) {
	if p.Status.Phase != corev1.PodFailed || p.Status.Reason != "Evicted" {
		return
	}
	ev, ok := storage.ReadEviction(p.Status.Message)
	if !ok || !o.changed("evicted "+string(source.UID(p)), true) {
		return
	}
	e := o.about(storage.Evicted, p)
	e.At = p.CreationTimestamp.Time
	for _, c := range p.Status.Conditions {
		if c.LastTransitionTime.After(e.At) {
			e.At = c.LastTransitionTime.Time
		}
	}
	if p.Spec.NodeName != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(p.Spec.NodeName)})
	}
	storage.Of.Set(&e, ev.Of)
	setText(storage.What, &e, ev.What)
	if ev.Limit > 0 {
		storage.Limit.Set(&e, ev.Limit)
	}
	if ev.Used > 0 {
		storage.Used.Set(&e, ev.Used)
	}
	emit(e)
}
