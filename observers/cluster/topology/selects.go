package topology

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/yairfalse/tapio/observers/event"
)

// Selection is a Service with the pods behind it.
type Selection struct {
	Service *corev1.Service
	Pods    []*corev1.Pod // by uid
	Ready   int
}

// Select finds the pods behind each Service: those its selector matches, or,
// when it has none, those its EndpointSlices name. The result is in the order
// of namespace and name.
func Select(services []*corev1.Service, pods []*corev1.Pod, slicesOf []*discoveryv1.EndpointSlice) []Selection {
	out := make([]Selection, len(services))
	// Each Service is filed under one of its label pairs, so that a pod is
	// compared only with the few Services that can match it.
	byPair := map[pair][]int{}
	shared := map[pair]int{}
	for _, s := range services {
		for k, v := range s.Spec.Selector {
			shared[pair{s.Namespace, k, v}]++
		}
	}
	byName := map[string]int{}
	for i, s := range services {
		out[i].Service = s
		if p, ok := rarest(s, shared); ok {
			byPair[p] = append(byPair[p], i)
		} else {
			byName[s.Namespace+"/"+s.Name] = i
		}
	}
	byUID := map[string]*corev1.Pod{}
	for _, p := range pods {
		byUID[string(p.UID)] = p
		for k, v := range p.Labels {
			for _, i := range byPair[pair{p.Namespace, k, v}] {
				if matches(services[i].Spec.Selector, p.Labels) {
					out[i].add(p, Ready(p))
				}
			}
		}
	}
	for _, es := range slicesOf {
		i, ok := byName[es.Namespace+"/"+es.Labels[discoveryv1.LabelServiceName]]
		if !ok {
			continue
		}
		for _, ep := range es.Endpoints {
			if ep.TargetRef == nil || ep.TargetRef.Kind != "Pod" || ep.TargetRef.UID == "" {
				continue
			}
			if p := byUID[string(ep.TargetRef.UID)]; p != nil {
				out[i].add(p, ep.Conditions.Ready == nil || *ep.Conditions.Ready)
			}
		}
	}
	for i := range out {
		out[i].tidy()
	}
	slices.SortFunc(out, func(a, b Selection) int {
		return cmp.Or(cmp.Compare(a.Service.Namespace, b.Service.Namespace), cmp.Compare(a.Service.Name, b.Service.Name))
	})
	return out
}

// pair is one label with its value, in a namespace.
type pair struct{ ns, k, v string }

// rarest picks the pair of a selector that the fewest Services share: many ask
// for part-of=shop, few for app=api.
func rarest(s *corev1.Service, shared map[pair]int) (best pair, ok bool) {
	for k, v := range s.Spec.Selector {
		if p := (pair{s.Namespace, k, v}); !ok || shared[p] < shared[best] {
			best, ok = p, true
		}
	}
	return best, ok
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (s *Selection) add(p *corev1.Pod, ready bool) {
	s.Pods = append(s.Pods, p)
	if ready {
		s.Ready++
	}
}

// tidy orders the pods and drops repeats: a dual-stack Service has a slice a
// family, each with the same pods.
func (s *Selection) tidy() {
	slices.SortFunc(s.Pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	compact := slices.Compact(s.Pods)
	if len(compact) < len(s.Pods) {
		s.Pods = compact
		s.Ready = 0
		for _, p := range compact {
			if Ready(p) {
				s.Ready++
			}
		}
	}
}

// Key is the key of the Service.
func (s Selection) Key() event.Key { return event.ServiceKey(s.Service.Namespace, s.Service.Name) }

// Ready tells whether a pod's Ready condition is true.
func Ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
