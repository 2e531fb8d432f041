// Package admission holds the facts about what the API server refuses or
// changes when somebody asks for a pod: quotas, limit ranges, service accounts,
// pod security and webhooks, each tried against what a workload's template
// asks for.
package admission

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds. All are states: one is told again when it changes, and once more
// with Over when it ends.
const (
	Short       event.Kind = "admission.short"
	Quota       event.Kind = "admission.quota"
	Exceeds     event.Kind = "admission.exceeds"
	OutOfRange  event.Kind = "admission.out_of_range"
	NoAccount   event.Kind = "admission.no_account"
	PodSecurity event.Kind = "admission.pod_security"
	Hook        event.Kind = "admission.hook"
	Mutated     event.Kind = "admission.mutated"
	Unserved    event.Kind = "admission.unserved"
)

// Fields of Short: a controller that has fewer pod objects than it asks for.
// Subject is the workload people know (a ReplicaSet is named by its
// Deployment), each Peer a Service whose selector matches the pods that are
// missing. At is since when, as far as the objects tell.
var (
	Desired      = event.Field[int64]{Name: "desired", Unit: event.Count, Doc: "pods asked for"}
	Pods         = event.Field[int64]{Name: "pods", Unit: event.Count, Doc: "pod objects that exist and are not ending"}
	Set          = event.Field[string]{Name: "set", Doc: "ReplicaSet that is short, when it is one of a Deployment"}
	Refused      = event.Field[bool]{Name: "refused", Doc: "the controller's last attempt to create one was refused"}
	RefusedFirst = event.Field[int64]{Name: "refused_first", Unit: event.Seconds, Doc: "first refusal that is known, Unix seconds"}
	RefusedLast  = event.Field[int64]{Name: "refused_last", Unit: event.Seconds, Doc: "last refusal that is known, Unix seconds"}
	Refusals     = event.Field[int64]{Name: "refusals", Unit: event.Count, Doc: "refusals counted"}
	Message      = event.Field[string]{Name: "message", Doc: "the API server's words, as the controller repeats them"}
	Waits        = event.Field[bool]{Name: "waits", Doc: "the controller creates no further pod before the ones it has are ready"}
	Over         = event.Field[bool]{Name: "over", Doc: "what was told before no longer holds"}
)

// Fields of Quota and Exceeds: one resource of one ResourceQuota. The subject
// of Quota is the namespace; that of Exceeds is the workload whose next pod (or
// claim) would not fit, with the namespace as Limiter. Quantities are in the
// canonical form of Kubernetes.
var (
	Name     = event.Field[string]{Name: "name", Doc: "name of the quota, limit range, service account or webhook"}
	Resource = event.Field[string]{Name: "resource", Doc: "resource as the quota or limit range names it"}
	Hard     = event.Field[string]{Name: "hard", Doc: "what the quota allows in all"}
	Used     = event.Field[string]{Name: "used", Doc: "what the namespace uses of it"}
	Needs    = event.Field[string]{Name: "needs", Doc: "what one more pod, with its claims, asks for"}
	Enough   = event.Field[string]{Name: "enough", Doc: "hard value at which all missing pods fit"}
	Words    = event.Field[bool]{Name: "words", Doc: "the quota itself may not be read: the figures are from the API server's refusal"}
	Keeper   = event.Field[string]{Name: "keeper", Doc: "tool that keeps the object as it is, with the name it knows it by, as Argo CD shop"}
	Unset    = event.Field[bool]{Name: "unset", Doc: "the quota demands this resource to be set and the template sets none"}
	Full     = event.Field[bool]{Name: "full", Doc: "not one more unit fits"}
	Beyond   = event.Field[bool]{Name: "beyond", Doc: "more is used than the quota allows: it was set below the use"}
	Created  = event.Field[int64]{Name: "created", Unit: event.Seconds, Doc: "creation of the object, Unix seconds"}
	Edited   = event.Field[int64]{Name: "edited", Unit: event.Seconds, Doc: "last edit of the object's wanted state, Unix seconds"}
	By       = event.Field[string]{Name: "by", Doc: "who made that edit, as the API server recorded it"}
)

// Fields of OutOfRange: a limit of a LimitRange that the template breaks.
// Subject is the workload, Limiter the namespace. Name and Resource as above.
var (
	Container = event.Field[string]{Name: "container", Doc: "container of the template; empty for the pod as a whole or a claim"}
	Rule      = event.Field[string]{Name: "rule", Doc: "max, min or ratio"}
	Limit     = event.Field[string]{Name: "limit", Doc: "what the limit range allows"}
	Asked     = event.Field[string]{Name: "asked", Doc: "what the template asks for; empty when it asks for nothing"}
)

// Fields of PodSecurity: the template breaks the level that the namespace
// enforces. Subject is the workload, Limiter the namespace.
var (
	Level  = event.Field[string]{Name: "level", Doc: "level that the namespace enforces"}
	Breaks = event.Field[string]{Name: "breaks", Doc: "what of it the template breaks, as the standard names it"}
)

// Fields of Hook: a webhook or admission policy that decides about the
// workload's pods. Subject is the workload, Peer the Service of the webhook.
var (
	HookKind = event.Field[string]{Name: "hook_kind", Doc: "mutating, validating or policy"}
	Denied   = event.Field[bool]{Name: "denied", Doc: "it answered and denied"}
	Down     = event.Field[bool]{Name: "down", Doc: "it did not answer: the API server could not call it"}
	Closed   = event.Field[bool]{Name: "closed", Doc: "its failure policy is Fail: without an answer nothing is admitted"}
	Backends = event.Field[int64]{Name: "backends", Unit: event.Count, Doc: "ready endpoints of its Service; absent when unknown"}
	Gone     = event.Field[bool]{Name: "gone", Doc: "its Service does not exist"}
)

// Fields of Mutated: a container of a pod differs from the template that the
// pod was made from. Subject is the container, Owner the pod.
var (
	Part     = event.Field[string]{Name: "part", Doc: "what differs, as limits.memory, image, command, container"}
	Template = event.Field[string]{Name: "template", Doc: "value in the template; empty when it is not set or not told"}
	Actual   = event.Field[string]{Name: "actual", Doc: "value in the pod; empty when it is not set or not told"}
	Lowered  = event.Field[bool]{Name: "lowered", Doc: "a quantity of the pod is below that of the template"}
	Suspects = event.Field[string]{Name: "suspects", Doc: "mutating webhooks that match the pod, comma-separated"}
)

// Fields of Unserved: a workload whose pods declare a port although no Service
// selects them, told only where the quota of Services is full. Subject is the
// workload.
var (
	NamedBy = event.Field[int64]{Name: "named_by", Unit: event.Count, Doc: "pods whose configuration names a host that the missing Service would be"}
)

// Values of Rule, HookKind and By.
const (
	Max   = "max"
	Min   = "min"
	Ratio = "ratio"

	Mutating   = "mutating"
	Validating = "validating"
	Policy     = "policy"

	ByLimitRange = "LimitRange"
	ByResize     = "resize"
	ByAutoscaler = "VerticalPodAutoscaler"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "admission",
	Side: observers.Cluster,
	Doc:  "what the API server refuses or changes when a workload's pod is to be made, tried against the workload's template",
	Emits: []observers.Schema{
		{Kind: Short, Meaning: "a controller has fewer pods than it asks for", Fields: event.Fields(Desired, Pods, Set, Refused, RefusedFirst, RefusedLast, Refusals, Message, Waits, Over)},
		{Kind: Quota, Meaning: "one resource of a ResourceQuota that is used up", Fields: event.Fields(Name, Resource, Hard, Used, Full, Beyond, Created, Edited, By, Keeper, Over)},
		{Kind: Exceeds, Meaning: "one more pod of a workload would exceed a ResourceQuota", Fields: event.Fields(Name, Resource, Hard, Used, Needs, Enough, Words, Unset, Created, Edited, By, Keeper, Over)},
		{Kind: OutOfRange, Meaning: "a workload's template breaks a LimitRange", Fields: event.Fields(Name, Resource, Container, Rule, Limit, Asked, Created, Edited, By, Keeper, Over)},
		{Kind: NoAccount, Meaning: "a workload's template names a service account that does not exist", Fields: event.Fields(Name, Over)},
		{Kind: PodSecurity, Meaning: "a workload's template breaks the pod security level of its namespace", Fields: event.Fields(Level, Breaks, Over)},
		{Kind: Hook, Meaning: "a webhook or admission policy decides about a workload's pods", Fields: event.Fields(Name, HookKind, Denied, Down, Closed, Backends, Gone, Over)},
		{Kind: Mutated, Meaning: "a pod differs from the template it was made from", Fields: event.Fields(Part, Template, Actual, Lowered, By, Suspects, Over)},
		{Kind: Unserved, Meaning: "pods that declare a port are selected by no Service, while the quota of Services is full", Fields: event.Fields(NamedBy, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "which pods are missing", Optional: true},
		{Type: observers.Verb, Name: "list events", Why: "refused creations", Optional: true},
		{Type: observers.Verb, Name: "list services", Why: "which Services the missing pods would serve", Optional: true},
		{Type: observers.Verb, Name: "list resourcequotas", Why: "quotas against what a template asks for", Optional: true},
		{Type: observers.Verb, Name: "list limitranges", Why: "limit ranges against what a template asks for", Optional: true},
		{Type: observers.Verb, Name: "list serviceaccounts", Why: "whether the template's account exists", Optional: true},
		{Type: observers.Verb, Name: "list namespaces", Why: "pod security levels and webhook selectors", Optional: true},
		{Type: observers.Verb, Name: "list validatingwebhookconfigurations.admissionregistration.k8s.io", Why: "webhooks that decide about the pods", Optional: true},
		{Type: observers.Verb, Name: "list mutatingwebhookconfigurations.admissionregistration.k8s.io", Why: "webhooks that change the pods", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 500},
}
