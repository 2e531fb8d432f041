// Package storage holds the facts about volumes as Kubernetes tells them:
// claims that find no volume, field by field, volumes that cannot be mounted or
// are held elsewhere, and what a container may do with what is mounted.
package storage

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Claim     event.Kind = "storage.claim"
	Candidate event.Kind = "storage.candidate"
	Mismatch  event.Kind = "storage.mismatch"
	Mount     event.Kind = "storage.mount"
	Held      event.Kind = "storage.held"
	Access    event.Kind = "storage.access"
	Evicted   event.Kind = "storage.evicted"
)

// The fields in which a volume can differ from what a claim asks for. Each can
// be changed without the others.
const (
	Class      = "class"
	Capacity   = "capacity"
	AccessMode = "access-mode"
	Select     = "selector"
	VolumeMode = "volume-mode"
	Taken      = "taken"    // bound to, or reserved for, another claim
	Released   = "released" // still reserved for a claim that is gone
	OtherName  = "name"     // the claim names another volume
	Unfit      = "failed"   // the volume itself failed or is being deleted
)

// Fields of Claim: a claim that is not bound, or not there, while a pod waits
// for it. Subject is the claim (a Volume key), Peer the pods that use it. The
// facts of one look at a claim share Round; the newest look counts.
var (
	Round       = event.Field[int64]{Name: "round", Unit: event.Count, Doc: "number of the look at the claim"}
	Settled     = event.Field[bool]{Name: "settled", Doc: "the claim is bound by now, or nobody waits for it any more"}
	Phase       = event.Field[string]{Name: "phase", Doc: "status.phase; absent for a claim that is not there"}
	Made        = event.Field[int64]{Name: "created", Unit: event.Seconds, Doc: "creation of the claim, Unix seconds"}
	ClassName   = event.Field[string]{Name: "class_name", Doc: "storage class the claim asks for, the default one included"}
	ClassIs     = event.Field[string]{Name: "class_is", Doc: "what is known of that class: none, absent, static, dynamic or unknown"}
	Provisioner = event.Field[string]{Name: "provisioner", Doc: "who makes volumes of the class"}
	Late        = event.Field[bool]{Name: "late", Doc: "the class binds only once a pod is placed"}
	Size        = event.Field[int64]{Name: "size", Unit: event.Bytes, Doc: "capacity asked for"}
	VolumeName  = event.Field[string]{Name: "volume_name", Doc: "the volume that the claim names"}
	Volumes     = event.Field[int64]{Name: "volumes", Unit: event.Count, Doc: "volumes that were compared or that stand in the same relation; absent when they are unknown"}
	Unknown     = event.Field[string]{Name: "unknown", Doc: "lists that would have been needed and are not known, comma-separated"}
	Told        = event.Field[string]{Name: "told", Doc: "reason of the newest Event about the claim that is no success"}
	Trouble     = event.Field[string]{Name: "trouble", Doc: "what was recognised in that Event"}
)

// Fields of Candidate: volumes that differ from the claim in the same fields.
// Subject is the claim. Round and Volumes as above.
var (
	Against = event.Field[string]{Name: "against", Doc: "the fields that differ, sorted and comma-separated"}
	Example = event.Field[string]{Name: "example", Doc: "name of one of them, the nearest"}
)

// Fields of Mismatch: one field tried alone. Subject is the claim. Round,
// Volumes and Example as above.
var (
	Field   = event.Field[string]{Name: "field", Doc: "which field"}
	Frees   = event.Field[int64]{Name: "frees", Unit: event.Count, Doc: "volumes that would do if only this field were different"}
	Wants   = event.Field[string]{Name: "wants", Doc: "what the claim asks for"}
	Has     = event.Field[string]{Name: "has", Doc: "what the nearest volume has"}
	Largest = event.Field[int64]{Name: "largest", Unit: event.Bytes, Doc: "largest capacity among volumes that differ in nothing else"}
	Holder  = event.Field[string]{Name: "holder", Doc: "claim that has the volume, as namespace/name"}
)

// Fields of Mount: a volume of a placed pod that does not come up while its
// containers wait. Subject is the pod, Device the claim where there is one,
// Host the node. Trouble as above.
var (
	Volume  = event.Field[string]{Name: "volume", Doc: "name of the volume in the pod's spec"}
	Source  = event.Field[string]{Name: "source", Doc: "what the volume is: configMap, secret, persistentVolumeClaim, hostPath, nfs, csi, projected or another"}
	Object  = event.Field[string]{Name: "object", Doc: "what the source names: an object, a path, a server with its path, or a driver"}
	Times   = event.Field[int64]{Name: "times", Unit: event.Count, Doc: "how often the kubelet told of it"}
	Message = event.Field[string]{Name: "message", Doc: "message as Kubernetes gives it"}
)

// Fields of Held: a claim that one pod has on a node and another waits for.
// Subject is the claim, Peer the pod that waits, Culprit the one that has it,
// Host the node of the latter.
var (
	By        = event.Field[string]{Name: "by", Doc: "what shows it: attachment, event or exclusive (the access mode ReadWriteOncePod)"}
	HolderPod = event.Field[string]{Name: "holder_pod", Doc: "pod that has the volume, as namespace/name; empty when only the attachment is known"}
	WantedOn  = event.Field[string]{Name: "wanted_on", Doc: "node on which it is waited for"}
)

// Fields of Access: what a container of a pod in trouble may do with a mount,
// or with its own root file system. Subject is the container, Owner the pod,
// Device the claim where there is one. Volume, Source and Object as above.
var (
	Path     = event.Field[string]{Name: "path", Doc: "where it is mounted; / for the container's own root"}
	ReadOnly = event.Field[bool]{Name: "read_only", Doc: "nothing may be written there, by the spec"}
	User     = event.Field[int64]{Name: "user", Unit: event.Count, Doc: "runAsUser; absent when the image decides"}
	Group    = event.Field[int64]{Name: "fs_group", Unit: event.Count, Doc: "fsGroup of the pod; absent when there is none"}
	NonRoot  = event.Field[bool]{Name: "non_root", Doc: "the spec forbids to run as root"}
)

// Fields of Evicted: the kubelet evicted a pod for storage. Subject is the pod,
// Owner its workload, Host the node.
var (
	Of    = event.Field[string]{Name: "of", Doc: "what ran out: node, pod, container or emptydir"}
	What  = event.Field[string]{Name: "what", Doc: "name of the container or volume"}
	Limit = event.Field[int64]{Name: "limit", Unit: event.Bytes, Doc: "the limit that was exceeded"}
	Used  = event.Field[int64]{Name: "used", Unit: event.Bytes, Doc: "use at the eviction"}
)

// Values of ClassIs, Trouble, By and Of.
const (
	NoClass      = "none"    // the claim asks for volumes without a class
	ClassAbsent  = "absent"  // there is no such class
	Static       = "static"  // nobody makes volumes of it
	Dynamic      = "dynamic" // a provisioner makes volumes of it
	ClassUnknown = "unknown"

	NotFound    = "not-found"
	Denied      = "denied"
	WrongType   = "wrong-type" // a hostPath is not what its type says
	BadSystem   = "filesystem"
	NoDriver    = "no-driver"
	Stale       = "stale"
	TimedOut    = "timeout"
	MultiAttach = "multi-attach"
	NoKey       = "no-key" // an object lacks a key that the volume names
	Other       = "other"

	ByAttachment = "attachment"
	ByEvent      = "event"
	Exclusive    = "exclusive"

	OfNode      = "node"
	OfPod       = "pod"
	OfContainer = "container"
	OfEmptyDir  = "emptydir"
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "storage",
	Side: observers.Cluster,
	Doc:  "claims against volumes field by field, volumes that cannot be mounted, and what a container may do with its mounts",
	Emits: []observers.Schema{
		{Kind: Claim, Meaning: "a claim that keeps a pod waiting", Fields: event.Fields(Round, Settled, Phase, Made, ClassName, ClassIs, Provisioner, Late, Size, VolumeName, Volumes, Unknown, Told, Trouble)},
		{Kind: Candidate, Meaning: "volumes that differ from a claim in the same fields", Fields: event.Fields(Round, Against, Volumes, Example)},
		{Kind: Mismatch, Meaning: "one field in which volumes differ from a claim, and what changing it alone would do", Fields: event.Fields(Round, Field, Volumes, Frees, Wants, Has, Largest, Holder, Example)},
		{Kind: Mount, Meaning: "a volume of a placed pod does not come up", Fields: event.Fields(Volume, Source, Object, Trouble, Times, Message)},
		{Kind: Held, Meaning: "a claim that one pod has while another waits for it", Fields: event.Fields(By, HolderPod, WantedOn, VolumeName)},
		{Kind: Access, Meaning: "what a container in trouble may do with a mount", Fields: event.Fields(Volume, Source, Object, Path, ReadOnly, User, Group, NonRoot)},
		{Kind: Evicted, Meaning: "the kubelet evicted a pod for storage", Fields: event.Fields(Of, What, Limit, Used)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "what cannot be mounted", Optional: true},
		{Type: observers.Verb, Name: "list persistentvolumeclaims", Why: "claims that keep a pod waiting", Optional: true},
		{Type: observers.Verb, Name: "list persistentvolumes", Why: "what a claim could have", Optional: true},
		{Type: observers.Verb, Name: "list storageclasses.storage.k8s.io", Why: "who makes volumes", Optional: true},
		{Type: observers.Verb, Name: "list volumeattachments.storage.k8s.io", Why: "where volumes are held", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 500},
}
