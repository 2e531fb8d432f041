package cluster

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Newest is the newest time that the objects tell of something that happened:
// creations, edits, conditions, container starts and ends, Events, leases.
// Times that lie ahead by nature, such as a deletion's end, are not among them.
// Without any it is the zero time.
func Newest(objs []runtime.Object) time.Time {
	var times []time.Time
	for _, obj := range flatten(objs) {
		times = append(times, Happened(obj))
	}
	return Latest(times)
}

// farAhead is by how much one object alone may be ahead of all others. A clock
// that is wrong is usually wrong by years.
const farAhead = 366 * 24 * time.Hour

// Latest is the newest of the times of objects, each of which may be zero. One
// that is more than a year ahead of all others counts as wrong.
func Latest(times []time.Time) time.Time {
	var first, second time.Time
	for _, t := range times {
		switch {
		case t.After(first):
			first, second = t, first
		case t.After(second):
			second = t
		}
	}
	if !second.IsZero() && first.Sub(second) > farAhead {
		return second
	}
	return first
}

// Happened is the newest time that one object tells of something that happened.
func Happened(obj runtime.Object) time.Time {
	var t time.Time
	if m, err := meta.Accessor(obj); err == nil {
		t = later(t, m.GetCreationTimestamp().Time)
		for _, f := range m.GetManagedFields() {
			t = later(t, at(f.Time))
		}
		if s, ok := m.GetAnnotations()[corev1.EndpointsLastChangeTriggerTime]; ok {
			if changed, err := time.Parse(time.RFC3339Nano, s); err == nil {
				t = later(t, changed)
			}
		}
	}
	for _, happened := range moments(obj) {
		t = later(t, happened)
	}
	return t
}

// moments are the times in the part of an object that its kind alone has.
func moments(obj runtime.Object) []time.Time {
	switch o := obj.(type) {
	case *corev1.Pod:
		return momentsOfPod(o)
	case *corev1.Node:
		return each(o.Status.Conditions, func(c corev1.NodeCondition) time.Time {
			return later(c.LastTransitionTime.Time, c.LastHeartbeatTime.Time)
		})
	case *corev1.Event:
		return []time.Time{LastSeen(o)}
	case *eventsv1.Event:
		return []time.Time{LastSeen(fromEventsAPI(o))}
	case *coordinationv1.Lease:
		return []time.Time{micro(o.Spec.RenewTime), micro(o.Spec.AcquireTime)}
	case *corev1.PersistentVolumeClaim:
		return each(o.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) time.Time {
			return later(c.LastTransitionTime.Time, c.LastProbeTime.Time)
		})
	case *corev1.PersistentVolume:
		return []time.Time{at(o.Status.LastPhaseTransitionTime)}
	case *corev1.Namespace:
		return each(o.Status.Conditions, func(c corev1.NamespaceCondition) time.Time { return c.LastTransitionTime.Time })
	case *corev1.Service:
		return each(o.Status.Conditions, changed)
	case *policyv1.PodDisruptionBudget:
		return each(o.Status.Conditions, changed)
	case *autoscalingv2.HorizontalPodAutoscaler:
		return append(each(o.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) time.Time {
			return c.LastTransitionTime.Time
		}), at(o.Status.LastScaleTime))
	case *storagev1.VolumeAttachment:
		return momentsOfAttachment(o)
	case *discoveryv1.EndpointSlice, *corev1.Endpoints:
		return nil // its annotation was read
	}
	return momentsOfWorkload(obj)
}

func momentsOfWorkload(obj runtime.Object) []time.Time {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return each(o.Status.Conditions, func(c appsv1.DeploymentCondition) time.Time {
			return later(c.LastUpdateTime.Time, c.LastTransitionTime.Time)
		})
	case *appsv1.ReplicaSet:
		return each(o.Status.Conditions, func(c appsv1.ReplicaSetCondition) time.Time { return c.LastTransitionTime.Time })
	case *appsv1.StatefulSet:
		return each(o.Status.Conditions, func(c appsv1.StatefulSetCondition) time.Time { return c.LastTransitionTime.Time })
	case *appsv1.DaemonSet:
		return each(o.Status.Conditions, func(c appsv1.DaemonSetCondition) time.Time { return c.LastTransitionTime.Time })
	case *batchv1.Job:
		return append(each(o.Status.Conditions, func(c batchv1.JobCondition) time.Time {
			return later(c.LastProbeTime.Time, c.LastTransitionTime.Time)
		}), at(o.Status.StartTime), at(o.Status.CompletionTime))
	case *batchv1.CronJob:
		return []time.Time{at(o.Status.LastScheduleTime), at(o.Status.LastSuccessfulTime)}
	}
	return nil
}

func momentsOfPod(p *corev1.Pod) []time.Time {
	out := append(each(p.Status.Conditions, func(c corev1.PodCondition) time.Time {
		return later(c.LastTransitionTime.Time, c.LastProbeTime.Time)
	}), at(p.Status.StartTime))
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for _, c := range list {
			for _, st := range []corev1.ContainerState{c.State, c.LastTerminationState} {
				if st.Running != nil {
					out = append(out, st.Running.StartedAt.Time)
				}
				if st.Terminated != nil {
					out = append(out, st.Terminated.FinishedAt.Time)
				}
			}
		}
	}
	return out
}

func momentsOfAttachment(a *storagev1.VolumeAttachment) []time.Time {
	var out []time.Time
	for _, e := range []*storagev1.VolumeError{a.Status.AttachError, a.Status.DetachError} {
		if e != nil {
			out = append(out, e.Time.Time)
		}
	}
	return out
}

func each[T any](list []T, of func(T) time.Time) []time.Time {
	out := make([]time.Time, 0, len(list))
	for _, item := range list {
		out = append(out, of(item))
	}
	return out
}

func changed(c metav1.Condition) time.Time { return c.LastTransitionTime.Time }

func at(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func micro(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
