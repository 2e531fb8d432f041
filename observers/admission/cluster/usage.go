package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// want is what one more pod of a template asks of the namespace, after the
// defaults that the API server and its limit ranges would fill in.
type want struct {
	containers       []container // main ones and sidecars
	inits            []container
	overhead         corev1.ResourceList
	claims           []corev1.PersistentVolumeClaim
	requests, limits corev1.ResourceList // of the pod as a whole
	spec             *corev1.PodSpec
}

type container struct {
	name             string
	sidecar          bool
	requests, limits corev1.ResourceList
}

// wantOf fills in defaults: a request that is missing is the limit, then the
// limit range's default.
func wantOf(t *corev1.PodTemplateSpec, claims []corev1.PersistentVolumeClaim, ranges []*corev1.LimitRange) want {
	w := want{spec: &t.Spec, overhead: t.Spec.Overhead, claims: claims}
	for _, c := range t.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		w.inits = append(w.inits, defaulted(c, sidecar, ranges))
	}
	for _, c := range t.Spec.Containers {
		w.containers = append(w.containers, defaulted(c, false, ranges))
	}
	w.requests = w.sum(func(c container) corev1.ResourceList { return c.requests })
	w.limits = w.sum(func(c container) corev1.ResourceList { return c.limits })
	return w
}

func defaulted(c corev1.Container, sidecar bool, ranges []*corev1.LimitRange) container {
	out := container{name: c.Name, sidecar: sidecar, requests: corev1.ResourceList{}, limits: corev1.ResourceList{}}
	for r, q := range c.Resources.Limits {
		out.limits[r], out.requests[r] = q, q
	}
	for r, q := range c.Resources.Requests {
		out.requests[r] = q
	}
	for _, lr := range ranges {
		for _, item := range lr.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for r, q := range item.Default {
				if _, set := out.limits[r]; !set {
					out.limits[r] = q
				}
			}
			for r, q := range item.DefaultRequest {
				if _, set := out.requests[r]; !set {
					out.requests[r] = q
				}
			}
		}
	}
	return out
}

// sum is the most that the pod needs at any time: main containers and sidecars
// together, or an init container with the sidecars that were started before it.
func (w want) sum(of func(container) corev1.ResourceList) corev1.ResourceList {
	total := corev1.ResourceList{}
	for _, c := range w.containers {
		add(total, of(c))
	}
	sidecars, peak := corev1.ResourceList{}, corev1.ResourceList{}
	for _, c := range w.inits {
		if c.sidecar {
			add(total, of(c))
			add(sidecars, of(c))
			continue
		}
		at := corev1.ResourceList{}
		add(at, sidecars)
		add(at, of(c))
		raise(peak, at)
	}
	raise(total, peak)
	add(total, w.overhead)
	return total
}

func add(to, more corev1.ResourceList) {
	for r, q := range more {
		sum := to[r]
		sum.Add(q)
		to[r] = sum
	}
}

func raise(to, other corev1.ResourceList) {
	for r, q := range other {
		if have, ok := to[r]; !ok || q.Cmp(have) > 0 {
			to[r] = q
		}
	}
}

// quantity is how much of a quota's resource the pod with its claims takes;
// unset is true when the quota demands a value that a container lacks.
func (w want) quantity(r corev1.ResourceName) (q resource.Quantity, unset bool) {
	one := *resource.NewQuantity(1, resource.DecimalSI)
	name := string(r)
	switch {
	case r == corev1.ResourcePods || r == "count/pods":
		return one, false
	case r == corev1.ResourcePersistentVolumeClaims || r == "count/persistentvolumeclaims":
		return *resource.NewQuantity(int64(len(w.claims)), resource.DecimalSI), false
	case r == corev1.ResourceRequestsStorage:
		return w.storage(""), false
	}
	if class, what, ok := strings.Cut(name, ".storageclass.storage.k8s.io/"); ok {
		if what == string(corev1.ResourceRequestsStorage) {
			return w.storage(class), false
		}
		n := 0
		for i := range w.claims {
			if classOf(&w.claims[i]) == class {
				n++
			}
		}
		return *resource.NewQuantity(int64(n), resource.DecimalSI), false
	}
	plain, isLimit := strings.CutPrefix(name, "limits.")
	if !isLimit {
		plain = strings.TrimPrefix(name, "requests.")
	}
	res, of := corev1.ResourceName(plain), func(c container) corev1.ResourceList { return c.requests }
	total := w.requests
	if isLimit {
		of, total = func(c container) corev1.ResourceList { return c.limits }, w.limits
	}
	if demanded[res] {
		unset = slices.ContainsFunc(slices.Concat(w.containers, w.inits), func(c container) bool {
			_, set := of(c)[res]
			return !set
		})
	}
	return total[res], unset
}

// demanded are the resources that every container must set once a quota counts
// them.
var demanded = map[corev1.ResourceName]bool{
	corev1.ResourceCPU: true, corev1.ResourceMemory: true,
}

// storage sums what the claims ask for, of one class or with "" of all.
func (w want) storage(class string) resource.Quantity {
	var sum resource.Quantity
	for i := range w.claims {
		if class == "" || classOf(&w.claims[i]) == class {
			sum.Add(w.claims[i].Spec.Resources.Requests[corev1.ResourceStorage])
		}
	}
	return sum
}

func classOf(c *corev1.PersistentVolumeClaim) string {
	if c.Spec.StorageClassName == nil {
		return ""
	}
	return *c.Spec.StorageClassName
}

// inScope tells whether a quota counts the pod.
func (w want) inScope(q *corev1.ResourceQuota) bool {
	for _, s := range q.Spec.Scopes {
		if !w.matches(corev1.ScopedResourceSelectorRequirement{ScopeName: s, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	if q.Spec.ScopeSelector == nil {
		return true
	}
	for _, m := range q.Spec.ScopeSelector.MatchExpressions {
		if !w.matches(m) {
			return false
		}
	}
	return true
}

func (w want) matches(m corev1.ScopedResourceSelectorRequirement) bool {
	ends := w.spec.ActiveDeadlineSeconds != nil
	switch m.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return ends
	case corev1.ResourceQuotaScopeNotTerminating:
		return !ends
	case corev1.ResourceQuotaScopeBestEffort:
		return w.bestEffort()
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !w.bestEffort()
	case corev1.ResourceQuotaScopePriorityClass:
		class := w.spec.PriorityClassName
		switch m.Operator {
		case corev1.ScopeSelectorOpIn:
			return slices.Contains(m.Values, class)
		case corev1.ScopeSelectorOpNotIn:
			return !slices.Contains(m.Values, class)
		case corev1.ScopeSelectorOpDoesNotExist:
			return class == ""
		}
		return class != ""
	}
	return false // a scope that is not known here counts nothing that can be claimed
}

func (w want) bestEffort() bool {
	for _, c := range slices.Concat(w.containers, w.inits) {
		for r := range demanded {
			if _, ok := c.requests[r]; ok {
				return false
			}
			if _, ok := c.limits[r]; ok {
				return false
			}
		}
	}
	return true
}
