package cluster

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// containerState is what makes a container's fact differ from the one before.
type containerState struct {
	role, image, id, state, reason, message string

	ready          bool
	started        int64
	restarts       int64
	limit, request int64 // bytes; -1 is none
}

func sortUIDs(uids []types.UID) { slices.Sort(uids) }

// lookContainers goes through the containers of the spec and of the status. A
// container without a status (its pod is not placed yet) is told as waiting.
func (o *observer) lookContainers(p *corev1.Pod, m *podMemory, emit func(event.Event)) {
	status := map[string]corev1.ContainerStatus{}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for _, s := range list {
			status[s.Name] = s
		}
	}
	one := func(name, image, role string, res corev1.ResourceRequirements) {
		if name == "" || !source.Plausible(name) {
			return
		}
		s, ok := status[name]
		st := containerStateOf(s, ok, image, role, res)
		key := event.ContainerKey(string(source.UID(p)), name)
		old, seen := m.containers[name]
		if !seen || old != st {
			m.containers[name] = st
			emit(containerEvent(p, key, name, st, o.containerSince(p, s, seen)))
		}
		o.lookEnds(p, m, key, role, s, emit)
	}
	for _, c := range p.Spec.InitContainers {
		role := lifecycle.Init
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			role = lifecycle.Sidecar
		}
		one(c.Name, c.Image, role, c.Resources)
	}
	for _, c := range p.Spec.Containers {
		one(c.Name, c.Image, lifecycle.Main, c.Resources)
	}
	for _, c := range p.Spec.EphemeralContainers {
		one(c.Name, c.Image, lifecycle.Ephemeral, c.Resources)
	}
}

func containerStateOf(s corev1.ContainerStatus, known bool, image, role string, res corev1.ResourceRequirements) containerState {
	st := containerState{role: role, image: clip(image), limit: -1, request: -1, state: lifecycle.Waiting}
	st.limit = bytesOf(res.Limits, st.limit)
	st.request = bytesOf(res.Requests, st.request)
	if !known {
		return st
	}
	if s.Resources != nil { // what the kubelet really applied, after a resize in place
		st.limit = bytesOf(s.Resources.Limits, st.limit)
		st.request = bytesOf(s.Resources.Requests, st.request)
	}
	st.id = runtimeID(s.ContainerID)
	st.ready = s.Ready
	st.restarts = max(int64(s.RestartCount), 0)
	switch {
	case s.State.Running != nil:
		st.state = lifecycle.Running
		st.started = unix(s.State.Running.StartedAt.Time)
	case s.State.Terminated != nil:
		t := s.State.Terminated
		st.state, st.reason, st.message = lifecycle.Terminated, t.Reason, clip(t.Message)
		st.started = unix(t.StartedAt.Time)
	case s.State.Waiting != nil:
		st.reason, st.message = s.State.Waiting.Reason, clip(s.State.Waiting.Message)
	}
	return st
}

// bytesOf reads the memory quantity of a list; def when there is none.
func bytesOf(l corev1.ResourceList, def int64) int64 {
	q, ok := l[corev1.ResourceMemory]
	if !ok || q.Sign() <= 0 {
		return def
	}
	if q.Cmp(*resource.NewQuantity(math.MaxInt64, resource.BinarySI)) >= 0 {
		return math.MaxInt64
	}
	return q.Value()
}

// runtimeID strips the scheme of "containerd://ID".
func runtimeID(id string) string {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		id = rest
	}
	return clip(id)
}

// containerSince is when the container's state began, as far as its status
// tells; a later change without a time of its own happened by now.
func (o *observer) containerSince(p *corev1.Pod, s corev1.ContainerStatus, seen bool) time.Time {
	switch {
	case s.State.Running != nil && unix(s.State.Running.StartedAt.Time) > 0:
		return s.State.Running.StartedAt.Time
	case s.State.Terminated != nil && unix(s.State.Terminated.FinishedAt.Time) > 0:
		return s.State.Terminated.FinishedAt.Time
	case seen:
		return o.src.Now()
	case s.LastTerminationState.Terminated != nil && unix(s.LastTerminationState.Terminated.FinishedAt.Time) > 0:
		return s.LastTerminationState.Terminated.FinishedAt.Time
	}
	return podSince(p)
}

func containerEvent(p *corev1.Pod, key event.Key, name string, st containerState, at time.Time) event.Event {
	e := event.Event{Kind: lifecycle.Container, At: at, Refs: []event.Ref{
		{Role: event.Subject, Key: key},
		{Role: event.Owner, Key: event.PodKey(string(source.UID(p)))},
	}}
	setText(lifecycle.Name, &e, name)
	setText(lifecycle.Role, &e, st.role)
	setText(lifecycle.Image, &e, st.image)
	setText(lifecycle.ContainerID, &e, st.id)
	setText(lifecycle.State, &e, st.state)
	setText(lifecycle.Reason, &e, st.reason)
	setText(lifecycle.Message, &e, st.message)
	setFailure(&e, st.reason, st.message)
	lifecycle.Ready.Set(&e, st.ready)
	lifecycle.Restarts.Set(&e, st.restarts)
	if st.started > 0 {
		lifecycle.Started.Set(&e, st.started)
	}
	if st.limit >= 0 {
		lifecycle.MemoryLimit.Set(&e, st.limit)
	}
	if st.request >= 0 {
		lifecycle.MemoryRequest.Set(&e, st.request)
	}
	return e
}

// lookEnds tells each end of an instance once: the API remembers the current
// instance's and the one before.
func (o *observer) lookEnds(p *corev1.Pod, m *podMemory, key event.Key, role string, s corev1.ContainerStatus, emit func(event.Event)) {
	restarts := max(int64(s.RestartCount), 0)
	if t := s.LastTerminationState.Terminated; t != nil {
		o.end(p, m, key, role, t, max(restarts-1, 0), emit)
	}
	if t := s.State.Terminated; t != nil {
		o.end(p, m, key, role, t, restarts, emit)
	}
}

func (o *observer) end(p *corev1.Pod, m *podMemory, key event.Key, role string, t *corev1.ContainerStateTerminated, before int64, emit func(event.Event)) {
	name := key.Leaf()
	instance := name + "\x00" + t.ContainerID
	if t.ContainerID == "" {
		instance = fmt.Sprintf("%s\x00%d", name, t.FinishedAt.Unix())
	}
	if m.ended[instance] {
		return
	}
	m.ended[instance] = true
	at := t.FinishedAt.Time
	if unix(at) <= 0 { // the kubelet lost the instance and knows no time
		at = podSince(p)
	}
	e := event.Event{Kind: lifecycle.Ended, At: at, Refs: []event.Ref{
		{Role: event.Subject, Key: key},
		{Role: event.Owner, Key: event.PodKey(string(source.UID(p)))},
	}}
	if p.Spec.NodeName != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(p.Spec.NodeName)})
	}
	setText(lifecycle.Name, &e, name)
	setText(lifecycle.Role, &e, role)
	setText(lifecycle.ContainerID, &e, runtimeID(t.ContainerID))
	setText(lifecycle.Reason, &e, t.Reason)
	setText(lifecycle.Message, &e, t.Message)
	setFailure(&e, t.Reason, t.Message)
	lifecycle.ExitCode.Set(&e, int64(t.ExitCode))
	lifecycle.Signal.Set(&e, int64(t.Signal))
	setTime(lifecycle.Started, &e, t.StartedAt.Time)
	lifecycle.Restarts.Set(&e, before)
	emit(e)
}

// startFailures are the reasons under which the kubelet tells why a container
// could not be made or started; messages of others are the program's own.
var startFailures = map[string]bool{
	"StartError": true, "RunContainerError": true, "CreateContainerError": true, "CreateContainerConfigError": true,
	"ContainerCannotRun": true,
	// Reasons of Events.
	"FailedCreatePodSandBox": true, "Failed": true,
}

func setFailure(e *event.Event, reason, message string) {
	if !startFailures[reason] {
		return
	}
	what, target := lifecycle.FailureOf(message)
	setText(lifecycle.Failure, e, what)
	setText(lifecycle.FailureTarget, e, target)
}
