package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

// scope is whose logs are read, and how a name in a log is resolved.
type scope struct {
	src      source.Source
	services *topology.Services
	byIP     map[netip.Addr]event.Key
	pods     []*corev1.Pod
	left     int // pods that were left out
}

func newScope(src source.Source) (*scope, error) {
	all, err1 := src.Pods.List(labels.Everything())
	svcs, err2 := src.Services.List(labels.Everything())
	var endpoints []*discoveryv1.EndpointSlice
	var err3 error
	if src.Known(source.EndpointSlices) == nil {
		endpoints, err3 = src.EndpointSlices.List(labels.Everything())
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	s := &scope{src: src, services: topology.NewServices(svcs), byIP: addresses(svcs, all)}
	target := map[types.UID]bool{}
	var own, callers []*corev1.Pod
	for _, p := range all {
		if src.Scope.Has(p) {
			target[source.UID(p)] = true
			own = append(own, p)
		}
	}
	if !src.Scope.Whole() {
		wanted := map[event.Key]bool{}
		for _, sel := range topology.Select(svcs, all, endpoints) {
			if slices.ContainsFunc(sel.Pods, func(p *corev1.Pod) bool { return target[source.UID(p)] }) {
				wanted[sel.Key()] = true
			}
		}
		for _, p := range all {
			if !target[source.UID(p)] && s.calls(p, wanted) {
				callers = append(callers, p)
			}
		}
	}
	none := func(p *corev1.Pod) bool { return len(s.ofPod(p)) == 0 }
	own, callers = slices.DeleteFunc(own, none), slices.DeleteFunc(callers, none)
	s.pods = s.choose(own, callers)
	s.left = len(own) + len(callers) - len(s.pods)
	return s, nil
}

// calls tells whether a pod's configuration names one of the Services.
func (s *scope) calls(p *corev1.Pod, wanted map[event.Key]bool) bool {
	if len(wanted) == 0 {
		return false
	}
	return slices.ContainsFunc(s.services.Named(p.Namespace, topology.Mentions(&p.Spec)), func(n topology.Named) bool {
		return wanted[n.Service]
	})
}

// choose takes at most maxPods, callers at least a quarter of them, and of each
// workload first the pods that are worst off.
func (s *scope) choose(own, callers []*corev1.Pod) []*corev1.Pod {
	own, callers = s.ranked(own), s.ranked(callers)
	reserved := min(len(callers), max(maxPods/4, maxPods-len(own)))
	own = own[:min(len(own), maxPods-reserved)]
	return append(own, callers[:reserved]...)
}

func (s *scope) ranked(pods []*corev1.Pod) []*corev1.Pod {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(restarts(b), restarts(a)), boolFirst(!topology.Ready(a), !topology.Ready(b)),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	turn := map[types.UID]int{}
	perWorkload := map[event.Key]int{}
	for _, p := range pods {
		key, ok := s.src.Workload(p)
		if !ok {
			key = event.PodKey(string(source.UID(p)))
		}
		turn[source.UID(p)] = perWorkload[key]
		perWorkload[key]++
	}
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return turn[source.UID(a)] - turn[source.UID(b)] })
	return pods
}

func restarts(p *corev1.Pod) (n int32) {
	for _, c := range p.Status.ContainerStatuses {
		n = max(n, c.RestartCount)
	}
	return n
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (s *scope) leftOut() string {
	if s.left <= 0 {
		return ""
	}
	return fmt.Sprintf("logs of %d pods were read, those of %d more were not", len(s.pods), s.left)
}

// instance is one instance of a container whose log can be read.
type instance struct {
	id        string // the same before and after the instance became the previous one
	pod       *corev1.Pod
	container string
	previous  bool
	ended     bool
	alone     bool      // no other instance of the container has a log
	untimed   time.Time // for lines without a timestamp
}

func (s *scope) instances() []instance {
	var out []instance
	for _, p := range s.pods {
		out = append(out, s.ofPod(p)...)
	}
	return out
}

func (s *scope) ofPod(p *corev1.Pod) []instance {
	var out []instance
	n := 0
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			if n == maxContainers {
				break
			}
			n++
			out = append(out, s.ofContainer(p, &list[i])...)
		}
	}
	return out
}

// ofContainer lists the readable instances of a container. While a container
// waits for its restart the API answers with the log of the last instance, so
// that only the previous one is asked for.
func (s *scope) ofContainer(p *corev1.Pod, c *corev1.ContainerStatus) []instance {
	var out []instance
	add := func(id string, previous, ended bool, at time.Time) {
		key := string(source.UID(p)) + "/" + c.Name + "/" + id
		if id == "" {
			key += fmt.Sprintf("%d %t", c.RestartCount, previous)
		}
		if at.Unix() <= 0 {
			at = s.src.Now()
		}
		out = append(out, instance{id: key, pod: p, container: c.Name, previous: previous, ended: ended, alone: c.State.Running == nil && c.State.Terminated == nil, untimed: at})
	}
	if t := c.State.Terminated; t != nil {
		if t.ExitCode != 0 || t.Reason != "Completed" { // an init container that is done has nothing to complain of
			add(t.ContainerID, false, true, t.FinishedAt.Time)
		}
	} else if c.State.Running != nil {
		add(c.ContainerID, false, false, s.src.Now())
	}
	if t := c.LastTerminationState.Terminated; t != nil && (c.State.Terminated == nil || t.ContainerID != c.State.Terminated.ContainerID) {
		add(t.ContainerID, true, true, t.FinishedAt.Time)
	}
	return out
}

// addresses tells whose an address is, where it is one's alone: an address of
// the host network belongs to many pods, one of an ended pod may be given anew.
func addresses(svcs []*corev1.Service, pods []*corev1.Pod) map[netip.Addr]event.Key {
	out := map[netip.Addr]event.Key{}
	put := func(ip string, key event.Key) {
		if a, err := netip.ParseAddr(ip); err == nil {
			out[a.Unmap()] = key
		}
	}
	for _, p := range pods {
		if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		put(p.Status.PodIP, event.PodKey(string(source.UID(p))))
		for _, ip := range p.Status.PodIPs {
			put(ip.IP, event.PodKey(string(source.UID(p))))
		}
	}
	for _, s := range svcs {
		put(s.Spec.ClusterIP, event.ServiceKey(s.Namespace, s.Name))
		for _, ip := range s.Spec.ClusterIPs {
			put(ip, event.ServiceKey(s.Namespace, s.Name))
		}
	}
	return out
}

// peer resolves a target as a pod of the namespace would.
func (s *scope) peer(namespace, target string) (event.Key, bool) {
	if target == "" {
		return event.Key{}, false
	}
	if ap, err := netip.ParseAddrPort(target); err == nil {
		k, ok := s.byIP[ap.Addr().Unmap()]
		return k, ok
	}
	if a, err := netip.ParseAddr(target); err == nil {
		k, ok := s.byIP[a.Unmap()]
		return k, ok
	}
	host, _, _ := strings.Cut(target, ":")
	if svc := s.services.Lookup(namespace, host); svc != nil {
		return event.ServiceKey(svc.Namespace, svc.Name), true
	}
	return event.Key{}, false
}
