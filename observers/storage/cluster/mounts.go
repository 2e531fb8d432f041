package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/storage"
)

// mountReasons are the reasons of Events about volumes that do not come up.
var mountReasons = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume"}

// creating tells whether a placed pod still waits for what its containers need
// before they can start.
func creating(p *corev1.Pod) bool {
	if p.Spec.NodeName == "" || p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodPending && p.Status.Phase != "" {
		return false
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Running != nil || s.State.Terminated != nil || s.RestartCount > 0 {
			return false
		}
		if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" && w.Reason != "" {
			return false
		}
	}
	return true
}

// lookMounts tells of the volumes of a pod that do not come up: the newest
// Event about each, as long as the pod still waits.
func (o *observer) lookMounts(p *corev1.Pod, reports []*corev1.Event, emit func(event.Event)) {
	if !creating(p) {
		return
	}
	told := map[string]bool{}
	for _, r := range slices.Backward(reports) {
		if !slices.Contains(mountReasons, r.Reason) || !concerns(r, p) {
			continue
		}
		f := storage.ReadFailure(r.Message)
		v, ok := o.volumeOf(p, f.Volume)
		name := f.Volume
		if ok {
			name = v.Name
		}
		// A time-out names no reason; another Event about the volume does.
		if told[name] || f.Trouble == storage.TimedOut && len(told) > 0 {
			continue
		}
		told[name] = true
		e := o.about(storage.Mount, p)
		e.At = source.FirstSeen(r)
		if last := source.LastSeen(r); last.After(e.At) {
			e.Span = last.Sub(e.At)
		}
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(p.Spec.NodeName)})
		setText(storage.Volume, &e, name)
		if ok {
			if c := claimName(p, v); c != "" {
				e.Refs = append(e.Refs, event.Ref{Role: event.Device, Key: claimKey(p.Namespace, c)})
			}
			kind, object := sourceOf(p, v)
			setText(storage.Source, &e, kind)
			setText(storage.Object, &e, object)
		}
		storage.Trouble.Set(&e, f.Trouble)
		times := max(int64(r.Count), 1)
		if r.Series != nil {
			times = max(times, int64(r.Series.Count))
		}
		storage.Times.Set(&e, times)
		setText(storage.Message, &e, r.Message)
		if o.changed("mount "+string(source.UID(p))+" "+name, f.Trouble, times) {
			emit(e)
		}
	}
}

// volumeOf finds a volume of the pod by its own name, or by that of the
// persistent volume behind its claim.
func (o *observer) volumeOf(p *corev1.Pod, name string) (corev1.Volume, bool) {
	for _, v := range p.Spec.Volumes {
		if v.Name == name {
			return v, true
		}
	}
	if o.src.Known(source.Claims) != nil {
		return corev1.Volume{}, false
	}
	for _, v := range p.Spec.Volumes {
		c := claimName(p, v)
		if c == "" {
			continue
		}
		if pvc, err := o.src.Claims.PersistentVolumeClaims(p.Namespace).Get(c); err == nil && pvc.Spec.VolumeName == name {
			return v, true
		}
	}
	return corev1.Volume{}, false
}

// sourceOf says what a volume is made of, and what that names.
func sourceOf(p *corev1.Pod, v corev1.Volume) (kind, object string) {
	switch {
	case v.ConfigMap != nil:
		return "configMap", v.ConfigMap.Name
	case v.Secret != nil:
		return "secret", v.Secret.SecretName
	case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
		return "persistentVolumeClaim", claimName(p, v)
	case v.HostPath != nil:
		return "hostPath", v.HostPath.Path
	case v.NFS != nil:
		return "nfs", v.NFS.Server + ":" + v.NFS.Path
	case v.CSI != nil:
		return "csi", v.CSI.Driver
	case v.Projected != nil:
		return "projected", ""
	case v.EmptyDir != nil:
		return "emptyDir", ""
	case v.DownwardAPI != nil:
		return "downwardAPI", ""
	}
	return "volume", ""
}

func concerns(r *corev1.Event, p *corev1.Pod) bool {
	obj := r.InvolvedObject
	return obj.Kind == "Pod" && obj.Name == p.Name && obj.Namespace == p.Namespace && (obj.UID == "" || p.UID == "" || obj.UID == p.UID)
}

// about makes an event about a pod with its workload.
func (o *observer) about(kind event.Kind, p *corev1.Pod) event.Event {
	e := event.Event{Kind: kind, Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(string(source.UID(p)))}}}
	if wl, ok := o.src.Workload(p); ok {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: wl})
	}
	return e
}

// lookHeld tells of claims of a waiting pod that another pod has: on another
// node, as the attachment or the controller says, or for itself alone.
func (o *observer) lookHeld(p *corev1.Pod, all []*corev1.Pod, reports []*corev1.Event, emit func(event.Event)) {
	placed := creating(p)
	if !placed && (p.Spec.NodeName != "" || p.Status.Phase != corev1.PodPending || p.DeletionTimestamp != nil) {
		return
	}
	for _, v := range p.Spec.Volumes {
		name := claimName(p, v)
		if name == "" {
			continue
		}
		o.Want(o.src, source.Claims)
		if o.src.Known(source.Claims) != nil {
			return
		}
		pvc, err := o.src.Claims.PersistentVolumeClaims(p.Namespace).Get(name)
		if err != nil || pvc.Spec.VolumeName == "" {
			continue
		}
		holder, node := o.holder(p, name, all)
		by := ""
		switch {
		case slices.Contains(pvc.Spec.AccessModes, corev1.ReadWriteOncePod):
			if holder != nil {
				by = storage.Exclusive
			}
		case !placed || slices.Contains(pvc.Spec.AccessModes, corev1.ReadWriteMany) || slices.Contains(pvc.Spec.AccessModes, corev1.ReadOnlyMany):
		default:
			if by, node = o.attachedElsewhere(p, pvc, node, reports); by != "" && holder != nil && holder.Spec.NodeName != node {
				holder = nil
			}
		}
		if by != "" {
			o.tellHeld(p, pvc, holder, node, by, emit)
		}
	}
}

func (o *observer) tellHeld(p *corev1.Pod, pvc *corev1.PersistentVolumeClaim, holder *corev1.Pod, node, by string, emit func(event.Event)) {
	e := event.Event{Kind: storage.Held, At: p.CreationTimestamp.Time, Refs: []event.Ref{
		{Role: event.Subject, Key: claimKey(pvc.Namespace, pvc.Name)}, {Role: event.Peer, Key: event.PodKey(string(source.UID(p)))},
	}}
	storage.By.Set(&e, by)
	setText(storage.WantedOn, &e, p.Spec.NodeName)
	setText(storage.VolumeName, &e, pvc.Spec.VolumeName)
	if holder != nil {
		e.Refs = append(e.Refs, event.Ref{Role: event.Culprit, Key: event.PodKey(string(source.UID(holder)))})
		setText(storage.HolderPod, &e, holder.Namespace+"/"+holder.Name)
	}
	if node != "" && source.Plausible(node) {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(node)})
	}
	if o.changed("held "+string(source.UID(p))+" "+pvc.Name, by, node, storage.HolderPod.Or(e, "")) {
		emit(e)
	}
}

// holder is another pod that has the claim, one of another node first.
func (o *observer) holder(p *corev1.Pod, claim string, all []*corev1.Pod) (*corev1.Pod, string) {
	var best *corev1.Pod
	for _, other := range all {
		if other == p || other.Namespace != p.Namespace || other.Spec.NodeName == "" || other.Status.Phase == corev1.PodSucceeded || other.Status.Phase == corev1.PodFailed {
			continue
		}
		if !slices.ContainsFunc(other.Spec.Volumes, func(v corev1.Volume) bool { return claimName(other, v) == claim }) {
			continue
		}
		if best == nil || best.Spec.NodeName == p.Spec.NodeName && other.Spec.NodeName != p.Spec.NodeName {
			best = other
		}
	}
	if best == nil {
		return nil, ""
	}
	return best, best.Spec.NodeName
}

// attachedElsewhere tells whether the volume of a claim is attached to another
// node than the pod's, or the controller said so of this pod.
func (o *observer) attachedElsewhere(p *corev1.Pod, pvc *corev1.PersistentVolumeClaim, node string, reports []*corev1.Event) (by, on string) {
	o.Want(o.src, source.Attachments)
	if o.src.Known(source.Attachments) == nil {
		list, err := o.src.Attachments.List(labels.Everything())
		if err == nil {
			slices.SortFunc(list, func(a, b *attachment) int { return strings.Compare(a.Name, b.Name) })
			for _, a := range list {
				if n := a.Spec.Source.PersistentVolumeName; n != nil && *n == pvc.Spec.VolumeName && a.Spec.NodeName != p.Spec.NodeName {
					return storage.ByAttachment, a.Spec.NodeName
				}
			}
		}
	}
	for _, r := range slices.Backward(reports) {
		if !slices.Contains(mountReasons, r.Reason) || !concerns(r, p) {
			continue
		}
		if f := storage.ReadFailure(r.Message); f.Trouble == storage.MultiAttach && f.Volume == pvc.Spec.VolumeName {
			return storage.ByEvent, node
		}
	}
	return "", node
}
