package cluster

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
)

// staleAfter is the age from which a lease is stale: a kubelet renews its lease
// every ten seconds and gives itself forty.
const staleAfter = 40 * time.Second

// tellNodes tells of the nodes that hold pods of the target, and of others that
// are not ready: pods may wait for their sake.
func (o *observer) tellNodes(pods []*corev1.Pod) {
	if o.src.Known(source.Nodes) != nil {
		return
	}
	all, err := o.src.Nodes.List(labels.Everything())
	if err != nil {
		return
	}
	held, unready := map[string]int64{}, map[string]int64{}
	for _, p := range pods {
		if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		held[p.Spec.NodeName]++
		if !topology.Ready(p) {
			unready[p.Spec.NodeName]++
		}
	}
	failures := o.sandboxes(pods)
	for _, n := range sorted(all) {
		ready, ok := condition(n, corev1.NodeReady)
		if !source.Plausible(n.Name) || held[n.Name] == 0 && (!ok || ready.Status == corev1.ConditionTrue) {
			continue
		}
		e := about(nodes.State, ready.LastTransitionTime.Time, event.NodeKey(n.Name))
		if ok {
			setText(nodes.Ready, &e, string(ready.Status))
			setText(nodes.Reason, &e, ready.Reason)
		}
		if ok && ready.Status != corev1.ConditionTrue {
			setText(nodes.Message, &e, ready.Message)
			setText(nodes.Cause, &e, says(ready.Message))
			setTime(nodes.Heard, &e, ready.LastHeartbeatTime.Time)
		}
		o.setLease(&e, n.Name)
		setConditions(&e, n)
		nodes.Pods.Set(&e, held[n.Name])
		nodes.Unready.Set(&e, unready[n.Name])
		if f, ok := failures[n.Name]; ok {
			nodes.Sandboxes.Set(&e, f.count)
			setTime(nodes.SandboxLast, &e, f.last)
			setText(nodes.SandboxWhy, &e, f.why)
			setText(nodes.SandboxText, &e, f.text)
		}
		o.tell(n.Name, e)
	}
}

func condition(n *corev1.Node, t corev1.NodeConditionType) (corev1.NodeCondition, bool) {
	for _, c := range n.Status.Conditions {
		if c.Type == t {
			return c, true
		}
	}
	return corev1.NodeCondition{}, false
}

func setConditions(e *event.Event, n *corev1.Node) {
	if n.Spec.Unschedulable {
		nodes.Cordoned.Set(e, true)
	}
	var under []string
	for _, c := range n.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case corev1.NodeMemoryPressure:
			under = append(under, "memory")
		case corev1.NodeDiskPressure:
			under = append(under, "disk")
		case corev1.NodePIDPressure:
			under = append(under, "pid")
		case corev1.NodeNetworkUnavailable:
			nodes.NoNetwork.Set(e, true)
		}
	}
	slices.Sort(under)
	setText(nodes.Pressure, e, strings.Join(under, ", "))
}

// setLease tells whether the kubelet still renews its lease. The time of a
// fresh one changes all the while and is no news.
func (o *observer) setLease(e *event.Event, name string) {
	if o.src.Known(source.NodeLeases) != nil {
		return
	}
	l, err := o.src.NodeLeases.Leases(corev1.NamespaceNodeLease).Get(name)
	if err != nil || l.Spec.RenewTime == nil {
		return
	}
	after := staleAfter
	if d := l.Spec.LeaseDurationSeconds; d != nil && *d > 0 && *d < 3600 {
		after = time.Duration(*d) * time.Second
	}
	renewed := l.Spec.RenewTime.Time
	if ready, _ := nodes.Ready.Get(*e); ready == string(corev1.ConditionUnknown) {
		after = min(after, 15*time.Second) // its controller has given up on it already
	}
	if o.src.Now().Sub(renewed) > after {
		setTime(nodes.Renewed, e, renewed)
		return
	}
	nodes.Fresh.Set(e, true)
}

// says finds in the kubelet's message which of its two foundations is down. The
// kubelet itself writes these words, each for one of its own checks.
func says(message string) string {
	m := strings.ToLower(message)
	switch {
	case strings.Contains(m, "container runtime is down"), strings.Contains(m, "pleg is not healthy"),
		strings.Contains(m, "container runtime status check may not have completed"), strings.Contains(m, "failed to get runtime"):
		return nodes.Runtime
	case strings.Contains(m, "networkready=false"), strings.Contains(m, "network plugin"), strings.Contains(m, "cni plugin not initialized"), strings.Contains(m, "cni config uninitialized"):
		return nodes.Network
	case strings.Contains(m, "runtimeready=false"), strings.Contains(m, "runtime not ready"):
		return nodes.Runtime
	}
	return ""
}

// failure sums the sandboxes that could not be made on a node.
type failure struct {
	count     int64
	last      time.Time
	why, text string
}

// sandboxes are the failures that still matter, by node: of pods that have no
// sandbox yet, which is a pod whose containers were never started.
func (o *observer) sandboxes(pods []*corev1.Pod) map[string]failure {
	waiting := map[string]*corev1.Pod{}
	for _, p := range pods {
		if p.Spec.NodeName != "" && p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodPending && p.Status.PodIP == "" {
			waiting[p.Namespace+"/"+p.Name] = p
		}
	}
	out := map[string]failure{}
	reports, err := o.src.Events.List(labels.Everything())
	if err != nil || len(waiting) == 0 {
		return out
	}
	for _, r := range sorted(reports) {
		p := waiting[r.InvolvedObject.Namespace+"/"+r.InvolvedObject.Name]
		if p == nil || r.InvolvedObject.Kind != "Pod" || r.Reason != "FailedCreatePodSandBox" && r.Reason != "NetworkNotReady" {
			continue
		}
		if r.InvolvedObject.UID != "" && p.UID != "" && r.InvolvedObject.UID != p.UID {
			continue
		}
		f := out[p.Spec.NodeName]
		f.count += max(int64(r.Count), 1)
		if last := source.LastSeen(r); !last.Before(f.last) {
			f.last, f.text, f.why = last, r.Message, sandboxWhy(r.Reason, r.Message)
		}
		out[p.Spec.NodeName] = f
	}
	return out
}

// networkWords are what the runtime's network plugins write; runtimeWords what
// the kubelet writes when it does not reach the runtime at all.
var (
	runtimeWords = []string{"connection refused", "no such file or directory\"", "error while dialing", "code = unavailable", "connection error"}
	networkWords = []string{"setup network for sandbox", "networkplugin", "network plugin", "failed to allocate for range", "no ip addresses available", "failed to assign an ip", "cni", "address already", "ipam"}
)

func sandboxWhy(reason, message string) string {
	if reason == "NetworkNotReady" {
		return nodes.Network
	}
	m := strings.ToLower(message)
	has := func(w string) bool { return strings.Contains(m, w) }
	// A network plugin that cannot reach its own server also complains of a
	// connection: what the runtime says of its network comes first.
	switch {
	case slices.ContainsFunc(networkWords, has):
		return nodes.Network
	case slices.ContainsFunc(runtimeWords, has):
		return nodes.Runtime
	}
	return nodes.Other
}

// maxWanting bounds the pods that one fact names.
const maxWanting = 50

// tellDevices tells of devices that a node has and cannot give, where a pod of
// the target asks for such a device.
func (o *observer) tellDevices(pods []*corev1.Pod) {
	if o.src.Known(source.Nodes) != nil {
		return
	}
	wanted := map[corev1.ResourceName][]event.Ref{}
	for _, p := range pods {
		if p.Status.Phase != corev1.PodPending && p.Status.Phase != corev1.PodFailed && topology.Ready(p) {
			continue
		}
		for r := range deviceRequests(p) {
			wanted[r] = append(wanted[r], event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
		}
	}
	if len(wanted) == 0 {
		return
	}
	all, err := o.src.Nodes.List(labels.Everything())
	if err != nil {
		return
	}
	for _, n := range sorted(all) {
		for _, r := range slices.Sorted(maps.Keys(wanted)) {
			has, can := n.Status.Capacity[r], n.Status.Allocatable[r]
			if has.Sign() <= 0 || can.Cmp(has) >= 0 || !source.Plausible(n.Name, string(r)) {
				continue
			}
			e := about(nodes.Device, time.Time{}, event.NodeKey(n.Name), wanted[r][:min(len(wanted[r]), maxWanting)]...)
			setText(nodes.Name, &e, string(r))
			nodes.Capacity.Set(&e, has.Value())
			nodes.Allocatable.Set(&e, can.Value())
			nodes.Wanted.Set(&e, int64(len(wanted[r])))
			o.tell(n.Name+"\x00"+string(r), e)
		}
	}
}

// deviceRequests are the resources of the pod that only a device plugin gives:
// those with a domain of their own.
func deviceRequests(p *corev1.Pod) map[corev1.ResourceName]bool {
	out := map[corev1.ResourceName]bool{}
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		for r := range c.Resources.Limits {
			if strings.Contains(string(r), "/") {
				out[r] = true
			}
		}
	}
	return out
}
