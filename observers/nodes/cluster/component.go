package cluster

import (
	"path"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
)

// tellComponents tells of DaemonSets of the system that are not ready on a node
// of the target, while they are elsewhere.
func (o *observer) tellComponents(target []*corev1.Pod) {
	sys := o.src.System()
	if sys.Known(source.Pods) != nil || sys.Known(source.DaemonSets) != nil {
		return
	}
	sets, err1 := sys.DaemonSets.DaemonSets(metav1.NamespaceSystem).List(labels.Everything())
	pods, err2 := sys.Pods.Pods(metav1.NamespaceSystem).List(labels.Everything())
	if err1 != nil || err2 != nil {
		return
	}
	var hosts []string
	for _, p := range target {
		if p.Namespace == metav1.NamespaceSystem {
			continue // the components themselves
		}
		if p.Spec.NodeName != "" && p.Status.Phase != corev1.PodSucceeded && !slices.Contains(hosts, p.Spec.NodeName) {
			hosts = append(hosts, p.Spec.NodeName)
		}
	}
	slices.Sort(hosts)
	on := map[string]map[string]*corev1.Pod{} // DaemonSet → node → pod
	for _, p := range sorted(pods) {
		ref := metav1.GetControllerOfNoCopy(p)
		if ref == nil || ref.Kind != "DaemonSet" || p.Spec.NodeName == "" {
			continue
		}
		if on[ref.Name] == nil {
			on[ref.Name] = map[string]*corev1.Pod{}
		}
		if old := on[ref.Name][p.Spec.NodeName]; old == nil || !topology.Ready(old) {
			on[ref.Name][p.Spec.NodeName] = p
		}
	}
	for _, d := range sorted(sets) {
		if d.Status.DesiredNumberScheduled == d.Status.NumberReady && int(d.Status.NumberReady) <= len(on[d.Name]) || !source.Plausible(d.Name) {
			continue
		}
		for _, h := range hosts {
			o.tellComponent(d, h, on[d.Name])
		}
	}
}

func (o *observer) tellComponent(d *appsv1.DaemonSet, host string, on map[string]*corev1.Pod) {
	var well int64
	for n, p := range on {
		if n != host && topology.Ready(p) {
			well++
		}
	}
	p := on[host]
	if well == 0 || p != nil && topology.Ready(p) || p == nil && d.Status.DesiredNumberScheduled <= int32(well) {
		return // nowhere ready is another story; and not meant for this node is none
	}
	key := event.WorkloadKey("DaemonSet", d.Namespace, d.Name)
	e := about(nodes.Component, time.Time{}, event.NodeKey(host), event.Ref{Role: event.Owner, Key: key})
	setText(nodes.Name, &e, d.Name)
	setText(nodes.Role, &e, roleOf(&d.Spec.Template.Spec))
	nodes.Well.Set(&e, well)
	if p == nil {
		nodes.Missing.Set(&e, true)
	} else {
		e.At = unreadySince(p)
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
		setText(nodes.Trouble, &e, troubleOf(p))
	}
	o.tell(d.Name+"\x00"+host, e)
}

func unreadySince(p *corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}

func troubleOf(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			return c.State.Waiting.Reason
		case c.State.Terminated != nil:
			return c.State.Terminated.Reason
		case !c.Ready:
			return "not ready"
		}
	}
	return string(p.Status.Phase)
}

// roleOf tells what a DaemonSet is for by what it runs and what of the node it
// mounts, not by its name.
func roleOf(spec *corev1.PodSpec) string {
	for _, v := range spec.Volumes {
		if v.HostPath != nil && (strings.HasPrefix(v.HostPath.Path, "/etc/cni") || strings.HasPrefix(v.HostPath.Path, "/opt/cni")) {
			return nodes.Network
		}
	}
	for _, c := range spec.Containers {
		image := path.Base(c.Image)
		image, _, _ = strings.Cut(image, ":")
		image, _, _ = strings.Cut(image, "@")
		command := append(slices.Clone(c.Command), c.Args...)
		if strings.Contains(image, "kube-proxy") || len(command) > 0 && strings.Contains(path.Base(command[0]), "kube-proxy") {
			return nodes.Proxy
		}
		for _, p := range c.Ports {
			if p.ContainerPort == 53 {
				return nodes.DNS
			}
		}
	}
	return nodes.Other
}
