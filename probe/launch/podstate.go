package launch

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/probe/launch/payload"
)

// Phase is how far a probe's pod has come.
type Phase int

// The phases.
const (
	Absent   Phase = iota // there is no pod
	Starting              // the kubelet works on it, or has not begun
	Running               // the container runs
	NoImage               // the kubelet refuses the image
	Ended                 // the container ended, or the pod is being deleted
)

// PodState is what a probe's pod says about itself.
type PodState struct {
	Phase Phase
	Name  string // of the pod
	UID   string
	Why   string // for NoImage, Ended, and Starting where known: a clause
	Node  string
	// Taken is whether the kubelet has begun with the pod.
	Taken bool
	// Denied is the reason under which the kubelet would not run the pod, or
	// ended it for the node's sake: a key of kubeletDenies.
	Denied string
	// Loader is whether it was the loader that ended the pod, for the way in
	// which the program was delivered.
	Loader bool
	// Doomed is whether the API server has the pod's deletion on record: the
	// kubelet ends and removes it, whatever becomes of the client.
	Doomed bool
}

// imageReasons are the waiting reasons by which the kubelet refuses an image
// (kubelet images package: ErrImageNeverPull covers the credential
// verification of KEP-2535 too).
var imageReasons = map[string]bool{
	"ErrImageNeverPull": true, "ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true,
	"ImageInspectError": true, "RegistryUnavailable": true, "SignatureValidationFailed": true,
}

// kubeletDenies are the reasons under which a kubelet refuses or ends a pod for
// the node's sake (kubelet packages lifecycle, eviction and nodeshutdown), and
// how that reads; %s is the node.
var kubeletDenies = map[string]string{
	"OutOfpods":                          "node %s is full: its kubelet takes no further pod",
	"OutOfcpu":                           "node %s has no CPU left for the probe",
	"OutOfmemory":                        "node %s has no memory left for the probe",
	"OutOfephemeral-storage":             "node %s has no storage left for the probe",
	"Evicted":                            "the kubelet of %s evicted the probe",
	"Preempting":                         "the kubelet of %s gave the probe's place to another pod",
	"NodeShutdown":                       "node %s is shutting down",
	"Terminated":                         "node %s is shutting down",
	"NodeAffinity":                       "the kubelet of %s refuses the probe",
	"UnexpectedAdmissionError":           "the kubelet of %s refuses the probe",
	"TopologyAffinityError":              "the kubelet of %s refuses the probe",
	"AppArmor":                           "the kubelet of %s refuses the probe",
	"SysctlForbidden":                    "the kubelet of %s refuses the probe",
	"PodOSNotSupported":                  "the kubelet of %s refuses the probe",
	"InvalidNodeInfo":                    "the kubelet of %s refuses the probe",
	"PodOSSelectorNodeLabelDoesNotMatch": "the kubelet of %s refuses the probe",
}

// denied is the refusal of a pod that the kubelet would not run; nil when it
// was something else that ended it.
func (st PodState) denied(node string) *Refused {
	what := kubeletDenies[st.Denied]
	if what == "" {
		return nil
	}
	r := &Refused{Reason: BadNode, What: fmt.Sprintf(what, node)}
	switch st.Denied {
	case "OutOfpods", "OutOfcpu", "OutOfmemory", "OutOfephemeral-storage", "Evicted", "Preempting":
		r.Ask = askPriority
	case "NodeShutdown", "Terminated":
	default:
		r.Why = st.Why
	}
	return r
}

// podState reads a pod. It is a pure function, so that every way in which a pod
// can fail to run is a row in a table.
func podState(pod *corev1.Pod) PodState {
	st := PodState{Phase: Starting, Name: pod.Name, UID: string(pod.UID), Node: pod.Spec.NodeName, Doomed: pod.DeletionTimestamp != nil}
	var state corev1.ContainerState
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == ContainerName {
			state = c.State
		}
	}
	st.Taken = pod.Status.StartTime != nil || len(pod.Status.ContainerStatuses) > 0 || len(pod.Status.Conditions) > 0
	if pod.Status.Phase == corev1.PodFailed && kubeletDenies[pod.Status.Reason] != "" {
		st.Denied = pod.Status.Reason
	}
	switch {
	case state.Terminated != nil:
		st.Phase, st.Why = Ended, endedWhy(state.Terminated)
		_, st.Loader = payload.ExitReason(state.Terminated.ExitCode)
	case pod.Status.Phase == corev1.PodFailed, pod.Status.Phase == corev1.PodSucceeded:
		st.Phase, st.Why = Ended, reasonText(pod.Status.Reason, pod.Status.Message, "the pod ended")
	case pod.DeletionTimestamp != nil:
		st.Phase, st.Why = Ended, "the pod was deleted"
	case state.Running != nil && pod.Status.Phase == corev1.PodRunning:
		st.Phase = Running
	case state.Waiting != nil && imageReasons[state.Waiting.Reason]:
		st.Phase, st.Why = NoImage, reasonText(state.Waiting.Reason, state.Waiting.Message, "")
	case state.Waiting != nil && state.Waiting.Message != "":
		st.Why = reasonText(state.Waiting.Reason, state.Waiting.Message, "")
	}
	return st
}

// endedWhy says how a container ended, with its last line where it wrote one.
func endedWhy(t *corev1.ContainerStateTerminated) string {
	how := "exit code " + strconv.Itoa(int(t.ExitCode))
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		how = t.Reason + ", " + how
	}
	if reason, ok := payload.ExitReason(t.ExitCode); ok {
		return reason
	}
	if line := lastLine(t.Message); line != "" {
		return how + ": " + line
	}
	return how
}

// reasonText joins a status's reason and message.
func reasonText(reason, message, otherwise string) string {
	switch {
	case reason == "" && message == "":
		return otherwise
	case message == "":
		return clean(reason)
	case reason == "":
		return clean(message)
	}
	return fmt.Sprintf("%s: %s", clean(reason), clean(message))
}

// maxStatusText bounds what is read of a status's message: the kubelet writes
// at most 4 KiB of it.
const maxStatusText = 4 << 10

// lastLine returns the last line of a message that has any text.
func lastLine(message string) string {
	if len(message) > maxStatusText {
		message = message[len(message)-maxStatusText:]
	}
	end := len(message)
	for i := len(message) - 1; i >= -1; i-- {
		if i >= 0 && message[i] != '\n' {
			continue
		}
		if line := clean(message[i+1 : end]); line != "" {
			return line
		}
		end = max(i, 0)
	}
	return ""
}
