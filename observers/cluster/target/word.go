package target

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/observers/event"
)

// bare resolves a word without a kind: the workload of that name, else the pod
// or the Service, else the one workload whose pods' names begin with it. All
// kinds are asked at once.
func (r *resolver) bare(word string) (*Target, error) {
	var workloads []kind
	for _, k := range kinds {
		if k.workload && k.name != "ReplicaSet" {
			workloads = append(workloads, k)
		}
	}
	found := make([]*controller, len(workloads))
	errs := make([]error, len(workloads)+2)
	var pod *corev1.Pod
	var svc *corev1.Service
	var wg sync.WaitGroup
	for i, k := range workloads {
		wg.Go(func() { found[i], errs[i] = r.controller(k, word) })
	}
	wg.Go(func() {
		pod, errs[len(workloads)] = get[*corev1.Pod](r, "Pod", r.namespace, word)
	})
	wg.Go(func() {
		svc, errs[len(workloads)+1] = get[*corev1.Service](r, "Service", r.namespace, word)
	})
	wg.Wait()
	var hits []*controller
	for i, c := range found {
		if errs[i] == nil {
			hits = append(hits, c)
		}
	}
	switch {
	case len(hits) == 1:
		return r.workload(hits[0])
	case len(hits) > 1:
		return nil, ambiguous(word, hits)
	case errs[len(workloads)] == nil:
		return r.ofPod(pod), nil
	case errs[len(workloads)+1] == nil:
		return r.ofService(svc)
	}
	for _, err := range errs {
		if !isNotFound(err) && !unreadable(err) {
			return nil, r.explain(err, "", word)
		}
	}
	if k, ok := kindOf(word); ok {
		return nil, fmt.Errorf("%q is a kind: name the %s too, as in %s/NAME", word, strings.ToLower(k.name), word)
	}
	return r.prefix(word, errs)
}

func ambiguous(word string, hits []*controller) error {
	var names []string
	for _, c := range hits {
		names = append(names, strings.ToLower(c.kind)+"/"+c.meta.Name)
	}
	return fmt.Errorf("%q could be %s: name one of them with its type", word, strings.Join(names, " or "))
}

// prefix looks for the one workload whose pods' names begin with the word.
func (r *resolver) prefix(word string, errs []error) (*Target, error) {
	pods, err := r.pods(r.namespace, "", "")
	if unreadable(err) {
		for _, e := range errs {
			if unreadable(e) {
				return nil, r.explain(e, "", word)
			}
		}
		return nil, r.missing("", word, nil)
	}
	if err != nil {
		return nil, err
	}
	owners := map[event.Key]*corev1.Pod{}
	replicaSets := map[string]event.Key{}
	for _, p := range pods {
		if !strings.HasPrefix(p.Name, word) {
			continue
		}
		key := event.PodKey(string(p.UID))
		if ref := metav1.GetControllerOf(p); ref != nil && ref.Kind != "Node" {
			k, ok := replicaSets[ref.Kind+"/"+ref.Name]
			if !ok && len(replicaSets) < 20 {
				k = r.ofPod(p).Workload
				replicaSets[ref.Kind+"/"+ref.Name] = k
			}
			if !k.IsZero() {
				key = k
			}
		}
		owners[key] = p
	}
	switch {
	case len(owners) == 0:
		return nil, r.missing("", word, podNames(pods))
	case len(owners) > 1:
		return nil, r.manyOwners(word, owners)
	}
	for key, p := range owners {
		if key.Type == event.Pod {
			return r.ofPod(p), nil
		}
		kindName, _, _ := strings.Cut(key.ID, "/")
		t, err := r.one(name{kindName, key.Leaf()})
		if unreadable(err) {
			return byOwner(key, p, pods), nil
		}
		return t, err
	}
	return nil, r.missing("", word, nil)
}

// byOwner is a workload that may not be read itself: its pods are those with
// the same owner as the one that is known.
func byOwner(key event.Key, known *corev1.Pod, pods []*corev1.Pod) *Target {
	kindName, _, _ := strings.Cut(key.ID, "/")
	uid := metav1.GetControllerOf(known).UID
	t := &Target{Kind: kindName, Namespace: known.Namespace, Name: key.Leaf(), Workload: key}
	t.match = func(p *corev1.Pod) bool {
		ref := metav1.GetControllerOf(p)
		return p.Namespace == t.Namespace && ref != nil && ref.UID == uid
	}
	t.Pods = filter(pods, t.match)
	return t
}

func (r *resolver) manyOwners(word string, owners map[event.Key]*corev1.Pod) error {
	var names []string
	for key, p := range owners {
		if key.Type == event.Pod {
			names = append(names, "pod/"+p.Name)
			continue
		}
		kindName, _, _ := strings.Cut(key.ID, "/")
		names = append(names, strings.ToLower(kindName)+"/"+key.Leaf())
	}
	slices.Sort(names)
	more := ""
	if len(names) > 4 {
		names, more = names[:4], " and others"
	}
	return fmt.Errorf("pods of %s%s have names that begin with %q: name one of them", strings.Join(names, ", "), more, word)
}

func podNames(pods []*corev1.Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Name)
	}
	return out
}
