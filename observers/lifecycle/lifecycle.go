// Package lifecycle holds the facts about what Kubernetes did with pods,
// containers and workloads: states, ends, restarts, and the events it wrote.
package lifecycle

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
)

// The kinds.
const (
	Pod       event.Kind = "lifecycle.pod"
	Container event.Kind = "lifecycle.container"
	Ended     event.Kind = "lifecycle.container_ended"
	Workload  event.Kind = "lifecycle.workload"
	Report    event.Kind = "lifecycle.report"
)

// Fields of Pod: a pod as it is. Subject is the pod, Owner its top controller
// (ReplicaSets are skipped in favour of their Deployment), Host its node. At is
// when this state was observed to begin, Created when the pod was made.
var (
	Namespace = event.Field[string]{Name: "namespace", Doc: "namespace of the subject"}
	Name      = event.Field[string]{Name: "name", Doc: "name of the subject"}
	Phase     = event.Field[string]{Name: "phase", Doc: "status.phase"}
	Reason    = event.Field[string]{Name: "reason", Doc: "machine-readable reason as Kubernetes gives it"}
	Message   = event.Field[string]{Name: "message", Doc: "message as Kubernetes gives it"}
	Ready     = event.Field[bool]{Name: "ready", Doc: "whether the subject is ready"}
	Created   = event.Field[int64]{Name: "created", Unit: event.Seconds, Doc: "creation time, Unix seconds"}
	Deleted   = event.Field[int64]{Name: "deleted", Unit: event.Seconds, Doc: "deletion was asked for at this time, Unix seconds"}
	Grace     = event.Field[int64]{Name: "grace", Unit: event.Seconds, Doc: "spec.terminationGracePeriodSeconds: how long a container has from the request to stop to SIGKILL"}
	Gone      = event.Field[bool]{Name: "gone", Doc: "the object was removed while it was watched"}
)

// Finalizers is of Pod too.
var Finalizers = event.Field[string]{Name: "finalizers", Doc: "finalizers of an object whose deletion was asked for, comma-separated"}

// Fields of Container: a container of a pod as it is. Subject is the
// container, Owner the pod.
var (
	ContainerID   = event.Field[string]{Name: "container_id", Doc: "id of the current instance at the runtime, without scheme"}
	Image         = event.Field[string]{Name: "image", Doc: "image as the spec names it"}
	State         = event.Field[string]{Name: "state", Doc: "waiting, running or terminated"}
	Started       = event.Field[int64]{Name: "started", Unit: event.Seconds, Doc: "start of the instance, Unix seconds"}
	Restarts      = event.Field[int64]{Name: "restarts", Unit: event.Count, Doc: "restartCount"}
	MemoryLimit   = event.Field[int64]{Name: "memory_limit", Unit: event.Bytes, Doc: "limits.memory; absent when there is none"}
	MemoryRequest = event.Field[int64]{Name: "memory_request", Unit: event.Bytes, Doc: "requests.memory"}
	Role          = event.Field[string]{Name: "container_role", Doc: "main, init, sidecar or ephemeral"}
	Failure       = event.Field[string]{Name: "failure", Doc: "what the message says of a container that could not be made or started, typed: not-found, not-executable, exec-format, oom, mount, workdir, user, root-refused or no-command"}
	FailureTarget = event.Field[string]{Name: "failure_target", Doc: "command, path or user that such a message names"}
)

// Fields of Ended, the end of one instance of a container, emitted once for
// each instance the API still remembers. At is its end. Role, ContainerID,
// Started, Restarts (how many instances came before it), Reason, Message and
// Failure as above.
var (
	ExitCode = event.Field[int64]{Name: "exit_code", Doc: "exit code; 128 + signal when a signal ended it"}
	Signal   = event.Field[int64]{Name: "signal", Doc: "signal the runtime reports, 0 for none"}
)

// Fields of Workload: a controller. Subject is the workload.
var (
	Desired   = event.Field[int64]{Name: "desired", Unit: event.Count, Doc: "replicas asked for"}
	Available = event.Field[int64]{Name: "available", Unit: event.Count, Doc: "replicas ready"}
	Revision  = event.Field[string]{Name: "revision", Doc: "current revision"}
	Selector  = event.Field[string]{Name: "selector", Doc: "label selector in canonical form"}
)

// Fields of Report: an Event object of Kubernetes. Subject is the object it is
// about, At its first occurrence and Span the time to its last; Count as
// Kubernetes counted. Reason, Message and Failure as above.
var (
	Type      = event.Field[string]{Name: "type", Doc: "Normal or Warning"}
	Component = event.Field[string]{Name: "component", Doc: "who wrote it, for example kubelet"}
	FieldPath = event.Field[string]{Name: "field_path", Doc: "part of the object it is about, as spec.containers{NAME}"}
)

// Values of State and Role.
const (
	Waiting    = "waiting"
	Running    = "running"
	Terminated = "terminated"

	Main      = "main"
	Init      = "init"
	Sidecar   = "sidecar"
	Ephemeral = "ephemeral" // put into a running pod to debug it
)

// Spec declares the observer.
var Spec = observers.Spec{
	Name: "lifecycle",
	Side: observers.Cluster,
	Doc:  "states and ends of pods, containers and workloads, and what Kubernetes wrote about them",
	Emits: []observers.Schema{
		{Kind: Pod, Meaning: "a pod as it is, each time that changes", Fields: event.Fields(Namespace, Name, Phase, Reason, Message, Ready, Created, Deleted, Finalizers, Grace, Gone)},
		{Kind: Container, Meaning: "a container as it is, each time that changes", Fields: event.Fields(Name, Role, Image, ContainerID, State, Reason, Message, Failure, FailureTarget, Ready, Started, Restarts, MemoryLimit, MemoryRequest)},
		{Kind: Ended, Meaning: "an instance of a container ended", Fields: event.Fields(Name, Role, ContainerID, Reason, Message, Failure, FailureTarget, ExitCode, Signal, Started, Restarts)},
		{Kind: Workload, Meaning: "a controller as it is, each time that changes", Fields: event.Fields(Namespace, Name, Desired, Available, Revision, Created, Selector)},
		{Kind: Report, Meaning: "an Event object of Kubernetes", Fields: event.Fields(Namespace, Name, Type, Reason, Message, Failure, FailureTarget, Component, FieldPath)},
	},
	Needs: []observers.Need{
		{Type: observers.Verb, Name: "list pods"},
		{Type: observers.Verb, Name: "list events", Why: "what Kubernetes wrote", Optional: true},
		{Type: observers.Verb, Name: "list deployments.apps", Why: "rollouts and owners", Optional: true},
		{Type: observers.Verb, Name: "list replicasets.apps", Why: "revisions and owners", Optional: true},
	},
	Budget: observers.Budget{EventsPerSecond: 2000},
}
