package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

// quotas lists those of a namespace, with "" all of them.
func (o *observer) quotas(namespace string) []*corev1.ResourceQuota {
	if o.src.Known(source.Quotas) != nil {
		return nil
	}
	all, err := o.src.Quotas.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(all), func(q *corev1.ResourceQuota) bool {
		return namespace != "" && q.Namespace != namespace || q.DeletionTimestamp != nil
	})
}

func (o *observer) limitRanges(namespace string) []*corev1.LimitRange {
	if o.src.Known(source.LimitRanges) != nil {
		return nil
	}
	all, err := o.src.LimitRanges.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(all), func(r *corev1.LimitRange) bool { return r.Namespace != namespace })
}

// maxMissing bounds the missing pods that a sufficient quota is computed for.
const maxMissing = 10000

// tellExceeds tells which quotas would refuse the workload's next pod.
func (o *observer) tellExceeds(s *shortage) {
	if o.src.Known(source.Quotas) != nil {
		o.tellExceedsByWords(s)
		return
	}
	w := wantOf(s.template, s.claims, o.limitRanges(s.namespace))
	for _, q := range o.quotas(s.namespace) {
		if !w.inScope(q) {
			continue
		}
		for _, r := range slices.Sorted(maps.Keys(q.Status.Hard)) {
			hard := q.Status.Hard[r]
			used, counted := q.Status.Used[r]
			needs, unset := w.quantity(r)
			sum := used.DeepCopy()
			sum.Add(needs)
			exceeds := counted && needs.Sign() > 0 && sum.Cmp(hard) > 0
			if !exceeds && !unset {
				continue
			}
			e := about(admission.Exceeds, since(q), s.key, inNamespace(s.namespace))
			setQuota(&e, q, r, hard, used)
			setText(admission.Needs, &e, needs.String())
			if exceeds {
				all := needs.DeepCopy()
				for range min(s.desired-s.pods, maxMissing) - 1 {
					all.Add(needs)
				}
				all.Add(used)
				setText(admission.Enough, &e, all.String())
			}
			if unset && !exceeds {
				admission.Unset.Set(&e, true)
			}
			o.tell(s.key.ID+"\x00"+q.Name+"\x00"+string(r), e)
		}
	}
}

func setQuota(e *event.Event, q *corev1.ResourceQuota, r corev1.ResourceName, hard, used resource.Quantity) {
	setText(admission.Name, e, q.Name)
	setText(admission.Resource, e, string(r))
	setText(admission.Hard, e, hard.String())
	setText(admission.Used, e, used.String())
	stamp(e, q)
}

// tellQuotas tells which resources of which quotas are used up, whoever wants
// them.
func (o *observer) tellQuotas() {
	for _, q := range o.quotas("") {
		for _, r := range slices.Sorted(maps.Keys(q.Status.Hard)) {
			hard := q.Status.Hard[r]
			used, counted := q.Status.Used[r]
			c := cmp.Compare(used.Cmp(hard), 0)
			if !counted || c < 0 || hard.IsZero() && used.IsZero() {
				continue
			}
			e := about(admission.Quota, since(q), event.Key{Type: event.Namespace, ID: q.Namespace})
			setQuota(&e, q, r, hard, used)
			admission.Full.Set(&e, true)
			if c > 0 {
				admission.Beyond.Set(&e, true)
			}
			o.tell(q.Namespace+"\x00"+q.Name+"\x00"+string(r), e)
		}
	}
}

// serviceResources are the names by which a quota counts Services.
var serviceResources = []corev1.ResourceName{corev1.ResourceServices, "count/services"}

// tellUnserved tells, where no further Service can be made, of workloads that
// offer a port which no Service leads to: a refused Service leaves no object
// behind, only its absence.
func (o *observer) tellUnserved() {
	full := map[string]bool{}
	for _, q := range o.quotas("") {
		for _, r := range serviceResources {
			hard, limited := q.Status.Hard[r]
			used, counted := q.Status.Used[r]
			if limited && counted && used.Cmp(hard) >= 0 {
				full[q.Namespace] = true
			}
		}
	}
	if len(full) == 0 || o.src.Known(source.Services) != nil {
		return
	}
	svcs, err := o.src.Services.List(labels.Everything())
	if err != nil {
		return
	}
	pods := o.pods()
	served := map[string]bool{}
	for _, sel := range topology.Select(svcs, pods, nil) {
		for _, p := range sel.Pods {
			if key, ok := o.src.Workload(p); ok {
				served[key.ID] = true
			}
		}
	}
	named := missingHosts(svcs, pods)
	for _, p := range pods {
		key, ok := o.src.Workload(p)
		if !ok || !full[p.Namespace] || served[key.ID] || !offersPort(p) {
			continue
		}
		served[key.ID] = true // once is enough
		e := about(admission.Unserved, p.CreationTimestamp.Time, key)
		admission.NamedBy.Set(&e, named[p.Namespace+"/"+key.Leaf()])
		o.tell(key.ID, e)
	}
}

func offersPort(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return len(c.Ports) > 0 })
}

// missingHosts counts the pods that name a host "namespace/name" of which no
// Service is there.
func missingHosts(svcs []*corev1.Service, pods []*corev1.Pod) map[string]int64 {
	exists := map[string]bool{}
	for _, s := range svcs {
		exists[s.Namespace+"/"+s.Name] = true
	}
	out := map[string]int64{}
	for _, p := range pods {
		seen := map[string]bool{}
		for _, m := range topology.Mentions(&p.Spec) {
			id := hostID(p.Namespace, m.Name)
			if id != "" && !exists[id] && !seen[id] {
				seen[id] = true
				out[id]++
			}
		}
	}
	return out
}

// hostID is "namespace/name" of the Service that a host name would be, or ""
// for one that leads out of the cluster.
func hostID(namespace, host string) string {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case len(parts) == 1 && parts[0] != "" && parts[0] != "localhost":
		return namespace + "/" + parts[0]
	case len(parts) >= 3 && parts[2] == "svc":
		return parts[1] + "/" + parts[0]
	}
	return ""
}
