// Package changes holds the facts about what changed before something broke:
// rollouts with what differs between revisions, scaling, edits of
// configuration and policy, and who made them.
package changes

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds. All are states: one is told again when it changes, and once more
// with Over when it ends.
const (
	Rollout    event.Kind = "changes.rollout"
	Scaled     event.Kind = "changes.scaled_to_zero"
	Edited     event.Kind = "changes.edited"
	Autoscaler event.Kind = "changes.autoscaler"
	Blocked    event.Kind = "changes.statefulset_blocked"
	TagMoved   event.Kind = "changes.tag_moved"
	Keeper     event.Kind = "changes.keeper"
)

// Fields of Rollout: the newest revision of a workload against the one before.
// Subject is the workload. At is when the newest revision was made.
var (
	Revision  = event.Field[string]{Name: "revision", Doc: "newest revision"}
	Previous  = event.Field[string]{Name: "previous", Doc: "revision before it"}
	Differs   = event.Field[string]{Name: "differs", Doc: "what differs between the templates of the two, comma-separated: image of app, env LEVEL of app; never values"}
	ImageFrom = event.Field[string]{Name: "image_from", Doc: "image before, when images differ"}
	ImageTo   = event.Field[string]{Name: "image_to", Doc: "image now"}
	NewPods   = event.Field[int64]{Name: "new_pods", Unit: event.Count, Doc: "pods of the newest revision"}
	NewReady  = event.Field[int64]{Name: "new_ready", Unit: event.Count, Doc: "those of them that are ready"}
	OldPods   = event.Field[int64]{Name: "old_pods", Unit: event.Count, Doc: "pods of earlier revisions"}
	OldReady  = event.Field[int64]{Name: "old_ready", Unit: event.Count, Doc: "those of them that are ready"}
	OldWorked = event.Field[bool]{Name: "old_worked", Doc: "the workload had pods of the earlier revision that were ready"}
	Overdue   = event.Field[bool]{Name: "overdue", Doc: "its controller gave up waiting: ProgressDeadlineExceeded"}
	Paused    = event.Field[bool]{Name: "paused", Doc: "the rollout is paused"}
	Back      = event.Field[bool]{Name: "back", Doc: "an earlier revision is there to go back to"}
	By        = event.Field[string]{Name: "by", Doc: "client program of the change, as the API server recorded it"}
	Over      = event.Field[bool]{Name: "over", Doc: "what was told before no longer holds"}
)

// Fields of Scaled: a workload of which no pod is asked for. Subject is the
// workload, each Peer a Service whose selector matches its template. At is
// since when, as far as known.
var (
	Had     = event.Field[int64]{Name: "had", Unit: event.Count, Doc: "pods that were asked for before; absent when unknown"}
	Since   = event.Field[int64]{Name: "since", Unit: event.Seconds, Doc: "when it was scaled down, Unix seconds; absent when unknown"}
	Needed  = event.Field[int64]{Name: "needed", Unit: event.Count, Doc: "other pods that name one of its Services"}
	AtBirth = event.Field[bool]{Name: "at_birth", Doc: "it never asked for a pod: it was made so"}
)

// Fields of Edited: an object that was made or edited. Subject is the object,
// each Peer a workload that uses it. At is when.
var (
	What    = event.Field[string]{Name: "what", Doc: "made or edited"}
	Kind    = event.Field[string]{Name: "kind", Doc: "kind of the object"}
	Name    = event.Field[string]{Name: "name", Doc: "its name"}
	Keys    = event.Field[string]{Name: "keys", Doc: "keys that changed while it was watched, comma-separated; never values"}
	Used    = event.Field[string]{Name: "used", Doc: "how the workloads use it: env, file or both"}
	Reload  = event.Field[bool]{Name: "stale", Doc: "pods that use it as environment are older than the edit"}
	Follows = event.Field[bool]{Name: "follows", Doc: "pods that use it were started after the edit"}
)

// Fields of Autoscaler: a HorizontalPodAutoscaler that is not in order. Subject
// is the workload it scales.
var (
	Min     = event.Field[int64]{Name: "min", Unit: event.Count, Doc: "minReplicas"}
	Max     = event.Field[int64]{Name: "max", Unit: event.Count, Doc: "maxReplicas"}
	Current = event.Field[int64]{Name: "current", Unit: event.Count, Doc: "replicas there are"}
	Desired = event.Field[int64]{Name: "desired", Unit: event.Count, Doc: "replicas it wants"}
	Reason  = event.Field[string]{Name: "reason", Doc: "reason of the condition that is not in order"}
	Message = event.Field[string]{Name: "message", Doc: "its message"}
	Problem = event.Field[string]{Name: "problem", Doc: "target, metrics, request or limit"}
	Lacks   = event.Field[string]{Name: "lacks", Doc: "container without the request that the metric needs"}
	Group   = event.Field[string]{Name: "group", Doc: "metrics API group that does not answer"}
)

// Fields of Blocked: a StatefulSet whose pods come in order, of which one stands
// before those that would get the new revision. Subject is the workload, Peer
// the pod in the way. Revision and Previous as above.
var (
	Pod     = event.Field[string]{Name: "pod", Doc: "pod in the way"}
	Trouble = event.Field[string]{Name: "trouble", Doc: "what the pod says of itself"}
)

// Fields of TagMoved: pods of one workload and template run different images
// under one name. Subject is the workload, each Peer a pod of the newer image
// that is not ready.
var (
	Image    = event.Field[string]{Name: "image", Doc: "image as the template names it"}
	Digests  = event.Field[int64]{Name: "digests", Unit: event.Count, Doc: "different images under that name"}
	Bad      = event.Field[string]{Name: "bad", Doc: "digest of the image whose pods are not ready"}
	Good     = event.Field[string]{Name: "good", Doc: "digest of the image whose pods are"}
	BadPods  = event.Field[int64]{Name: "bad_pods", Unit: event.Count, Doc: "pods of the bad one, none of them ready"}
	GoodPods = event.Field[int64]{Name: "good_pods", Unit: event.Count, Doc: "pods of the good one, all of them ready"}
)

// Tool is the field of Keeper: a tool keeps the object as it is and takes back
// edits by hand. Subject is the object. Name is what the tool calls it by.
var Tool = event.Field[string]{Name: "tool", Doc: "Argo CD, Flux, Helm, or the kind of the owner"}

// Values of What, Problem and Used.
const (
	Made   = "made"
	Edit   = "edited"
	Target = "target"
	Metric = "metrics"
	Ask    = "request"
	Limit  = "limit"
	AsEnv  = "env"
	AsFile = "file"
	AsBoth = "both"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "changes",
	Side: observers.Cluster,
	Doc:  "what changed: rollouts and what differs in them, scaling, edits of configuration and policy, and by whom",
	Emits: []observers.Schema{
		{Kind: Rollout, Meaning: "the newest revision of a workload and what differs from the one before", Fields: event.Fields(Revision, Previous, Differs, ImageFrom, ImageTo, NewPods, NewReady, OldPods, OldReady, OldWorked, Overdue, Paused, Back, By, Over)},
		{Kind: Scaled, Meaning: "no pod of a workload is asked for", Fields: event.Fields(Had, Since, Needed, AtBirth, By, Over)},
		{Kind: Edited, Meaning: "a ConfigMap, Secret, quota or policy was made or edited", Fields: event.Fields(What, Kind, Name, Keys, Used, Reload, Follows, By, Over)},
		{Kind: Autoscaler, Meaning: "a HorizontalPodAutoscaler is not in order", Fields: event.Fields(Name, Min, Max, Current, Desired, Reason, Message, Problem, Lacks, Group, Over)},
		{Kind: Blocked, Meaning: "a broken pod keeps a StatefulSet from rolling out", Fields: event.Fields(Pod, Trouble, Revision, Previous, Over)},
		{Kind: TagMoved, Meaning: "pods of one template run different images under one name", Fields: event.Fields(Image, Digests, Bad, Good, BadPods, GoodPods, Over)},
		{Kind: Keeper, Meaning: "a tool keeps an object as it is", Fields: event.Fields(Tool, Name, Over)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "revisions", Optional: true},
		{Type: observers.Verb, Name: "list deployments.apps", Why: "rollouts and replicas", Optional: true},
		{Type: observers.Verb, Name: "list services", Why: "who needs a workload that is scaled to zero", Optional: true},
		{Type: observers.Verb, Name: "list controllerrevisions.apps", Why: "revisions of StatefulSets and DaemonSets", Optional: true},
		{Type: observers.Verb, Name: "list configmaps", Why: "edits of configuration", Optional: true},
		{Type: observers.Verb, Name: "list secrets", Why: "edits of secrets; values stay in the observer", Optional: true},
		{Type: observers.Verb, Name: "list horizontalpodautoscalers.autoscaling", Why: "autoscalers", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 500},
}
