package cluster

import (
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// hook is a webhook in the form that both kinds share.
type hook struct {
	name, kind string
	closed     bool
	service    *admissionv1.ServiceReference
	rules      []admissionv1.RuleWithOperations
	namespace  *metav1.LabelSelector
	object     *metav1.LabelSelector
}

// hooks lists the webhooks that are known.
func (o *observer) hooks() (out []hook) {
	if o.src.Known(source.ValidatingHooks) == nil {
		list, _ := o.src.ValidatingHooks.List(labels.Everything())
		for _, c := range sorted(list) {
			for _, h := range c.Webhooks {
				out = append(out, hook{h.Name, admission.Validating, closed(h.FailurePolicy), h.ClientConfig.Service, h.Rules, h.NamespaceSelector, h.ObjectSelector})
			}
		}
	}
	if o.src.Known(source.MutatingHooks) == nil {
		list, _ := o.src.MutatingHooks.List(labels.Everything())
		for _, c := range sorted(list) {
			for _, h := range c.Webhooks {
				out = append(out, hook{h.Name, admission.Mutating, closed(h.FailurePolicy), h.ClientConfig.Service, h.Rules, h.NamespaceSelector, h.ObjectSelector})
			}
		}
	}
	return out
}

func closed(p *admissionv1.FailurePolicyType) bool { return p == nil || *p == admissionv1.Fail }

// seesPods tells whether the webhook is asked when a pod with these labels is
// made in the namespace.
func (h hook) seesPods(namespace labels.Set, pod labels.Set) bool {
	asked := slices.ContainsFunc(h.rules, func(r admissionv1.RuleWithOperations) bool {
		return (slices.Contains(r.Operations, admissionv1.Create) || slices.Contains(r.Operations, admissionv1.OperationAll)) &&
			(slices.Contains(r.APIGroups, "") || slices.Contains(r.APIGroups, "*")) &&
			slices.ContainsFunc(r.Resources, func(s string) bool { return s == "pods" || s == "*" || s == "*/*" })
	})
	return asked && selects(h.namespace, namespace) && selects(h.object, pod)
}

func selects(sel *metav1.LabelSelector, set labels.Set) bool {
	if sel == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(sel)
	return err == nil && s.Matches(set)
}

// answer is what a refusal says of who refused it.
type answer struct {
	name, kind   string
	denied, down bool
}

// readAnswer finds the webhook or policy that an API server's refusal names.
func readAnswer(message string) (answer, bool) {
	if name, ok := quoted(message, `admission webhook "`); ok {
		return answer{name: name, denied: true}, true
	}
	if name, ok := quoted(message, `failed calling webhook "`); ok {
		return answer{name: name, down: true}, true
	}
	if name, ok := quoted(message, `ValidatingAdmissionPolicy '`); ok {
		return answer{name: name, kind: admission.Policy, denied: true}, true
	}
	return answer{}, false
}

// quoted reads the name that follows a phrase, up to the quote that closes it.
func quoted(message, phrase string) (string, bool) {
	_, rest, ok := strings.Cut(message, phrase)
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, phrase[len(phrase)-1:])
	return name, ok && name != "" && source.Plausible(name)
}

// tellHooks tells which webhook or policy refused the workload's pods: which
// one, the API server's refusal names; whether it has a backend, the objects
// tell.
func (o *observer) tellHooks(s *shortage) {
	if !s.refusal.now {
		return
	}
	a, named := readAnswer(s.refusal.message)
	if !named {
		return
	}
	e := about(admission.Hook, s.refusal.first, s.key)
	setText(admission.Name, &e, a.name)
	if a.denied {
		admission.Denied.Set(&e, true)
	}
	if a.down {
		admission.Down.Set(&e, true)
	}
	kind := a.kind
	hooks := o.hooks()
	if i := slices.IndexFunc(hooks, func(h hook) bool { return h.name == a.name }); i >= 0 {
		h := hooks[i]
		kind = h.kind
		admission.Closed.Set(&e, h.closed)
		if h.service != nil && source.Plausible(h.service.Name, h.service.Namespace) {
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(h.service.Namespace, h.service.Name)})
			o.setBackends(&e, h.service)
		}
	}
	setText(admission.HookKind, &e, kind)
	o.tell(s.key.ID, e)
}

// setBackends counts the ready endpoints of a webhook's Service, where its
// namespace is one that is read.
func (o *observer) setBackends(e *event.Event, ref *admissionv1.ServiceReference) {
	src := o.src
	if ns := src.Namespace(); ns != "" && ns != ref.Namespace {
		if ref.Namespace != metav1.NamespaceSystem {
			return
		}
		src = o.src.System()
		o.Want(src, source.Services, source.EndpointSlices)
	}
	if src.Known(source.Services) != nil || src.Known(source.EndpointSlices) != nil {
		return
	}
	if _, err := src.Services.Services(ref.Namespace).Get(ref.Name); err != nil {
		admission.Gone.Set(e, true)
		return
	}
	of, err := src.EndpointSlices.EndpointSlices(ref.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: ref.Name}))
	if err != nil {
		return
	}
	ready := map[string]bool{}
	for _, es := range of {
		for _, ep := range es.Endpoints {
			if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
				for _, a := range ep.Addresses {
					ready[a] = true
				}
			}
		}
	}
	admission.Backends.Set(e, int64(len(ready)))
}
