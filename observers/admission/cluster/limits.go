package cluster

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// asks is what one part of a template asks for: a container, the pod, a claim.
type asks struct {
	container        string
	requests, limits corev1.ResourceList
}

// breach is one limit of a LimitRange that is broken.
type breach struct {
	resource     corev1.ResourceName
	rule         string
	limit, asked string
}

// tellOutOfRange tells which limit ranges would refuse the workload's next pod.
func (o *observer) tellOutOfRange(s *shortage) {
	ranges := o.limitRanges(s.namespace)
	w := wantOf(s.template, s.claims, ranges)
	for _, lr := range ranges {
		for _, item := range lr.Spec.Limits {
			for _, a := range w.asking(item.Type) {
				for _, b := range a.breaches(item) {
					e := about(admission.OutOfRange, since(lr), s.key, inNamespace(s.namespace))
					setText(admission.Name, &e, lr.Name)
					setText(admission.Resource, &e, string(b.resource))
					setText(admission.Container, &e, a.container)
					setText(admission.Rule, &e, b.rule)
					setText(admission.Limit, &e, b.limit)
					setText(admission.Asked, &e, b.asked)
					stamp(&e, lr)
					o.tell(s.key.ID+"\x00"+lr.Name+"\x00"+string(item.Type)+a.container+"\x00"+string(b.resource)+b.rule, e)
				}
			}
		}
	}
}

func (w want) asking(t corev1.LimitType) []asks {
	var out []asks
	switch t {
	case corev1.LimitTypeContainer:
		for _, c := range slices.Concat(w.containers, w.inits) {
			out = append(out, asks{c.name, c.requests, c.limits})
		}
	case corev1.LimitTypePod:
		out = append(out, asks{requests: w.requests, limits: w.limits})
	case corev1.LimitTypePersistentVolumeClaim:
		for _, c := range w.claims {
			out = append(out, asks{requests: c.Spec.Resources.Requests, limits: c.Spec.Resources.Requests})
		}
	}
	return out
}

// breaches are the limits of an item that the part breaks, as the LimitRanger
// admission plugin decides: a maximum bounds limit and request and demands a
// limit, a minimum bounds both from below and demands a request.
func (a asks) breaches(item corev1.LimitRangeItem) []breach {
	var out []breach
	for _, r := range slices.Sorted(maps.Keys(item.Max)) {
		highest := item.Max[r]
		limit, limited := a.limits[r]
		request, requested := a.requests[r]
		switch {
		case !limited:
			out = append(out, breach{r, admission.Max, highest.String(), ""})
		case limit.Cmp(highest) > 0:
			out = append(out, breach{r, admission.Max, highest.String(), limit.String()})
		case requested && request.Cmp(highest) > 0:
			out = append(out, breach{r, admission.Max, highest.String(), request.String()})
		}
	}
	for _, r := range slices.Sorted(maps.Keys(item.Min)) {
		lowest := item.Min[r]
		limit, limited := a.limits[r]
		request, requested := a.requests[r]
		switch {
		case !requested:
			out = append(out, breach{r, admission.Min, lowest.String(), ""})
		case request.Cmp(lowest) < 0:
			out = append(out, breach{r, admission.Min, lowest.String(), request.String()})
		case limited && limit.Cmp(lowest) < 0:
			out = append(out, breach{r, admission.Min, lowest.String(), limit.String()})
		}
	}
	for _, r := range slices.Sorted(maps.Keys(item.MaxLimitRequestRatio)) {
		highest := item.MaxLimitRequestRatio[r]
		limit, request := a.limits[r], a.requests[r]
		if request.Sign() > 0 && ratio(limit, request) > highest.AsApproximateFloat64() {
			out = append(out, breach{r, admission.Ratio, highest.String(), limit.String() + "/" + request.String()})
		}
	}
	return out
}

func ratio(limit, request resource.Quantity) float64 {
	return limit.AsApproximateFloat64() / request.AsApproximateFloat64()
}

// tellNoAccount tells of a service account that the template names and the
// namespace lacks.
func (o *observer) tellNoAccount(s *shortage) {
	if o.src.Known(source.ServiceAccounts) != nil {
		return
	}
	name := s.template.Spec.ServiceAccountName
	if name == "" {
		name = s.template.Spec.DeprecatedServiceAccount
	}
	if name == "" {
		name = "default"
	}
	if _, err := o.src.ServiceAccounts.ServiceAccounts(s.namespace).Get(name); err == nil {
		return
	}
	if !o.holdsAccounts(s.namespace) {
		return // the input holds accounts of other namespaces only
	}
	at := s.since
	if !s.refusal.first.IsZero() {
		at = s.refusal.first
	}
	e := about(admission.NoAccount, at, s.key, event.Ref{Role: event.Limiter, Key: event.Key{Type: event.Namespace, ID: s.namespace}})
	setText(admission.Name, &e, name)
	o.tell(s.key.ID, e)
}

// holdsAccounts tells whether the list has accounts of the namespace at all:
// every namespace has its "default".
func (o *observer) holdsAccounts(namespace string) bool {
	all, err := o.src.ServiceAccounts.ServiceAccounts(namespace).List(labels.Everything())
	return err == nil && (len(all) > 0 || !o.src.Static())
}
