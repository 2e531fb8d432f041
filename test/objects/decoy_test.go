package objects

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/yairfalse/tapio/correlate/story"
)

// decoys are things that catch the eye and break nothing.
var decoys = []struct {
	name string
	add  func(*world)
}{
	{"a quota with room", func(w *world) {
		q := &corev1.ResourceQuota{ObjectMeta: meta(ns, "roomy", 20*day)}
		q.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("50"), corev1.ResourceRequestsCPU: resource.MustParse("20"), corev1.ResourceServices: resource.MustParse("20")}
		q.Status.Hard = q.Spec.Hard
		q.Status.Used = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4"), corev1.ResourceRequestsCPU: resource.MustParse("400m"), corev1.ResourceServices: resource.MustParse("3")}
		w.more = append(w.more, q)
	}},
	{"an innocent rollout", func(w *world) {
		d := w.deploy("side", 1, 9000)
		d.Annotations["deployment.kubernetes.io/revision"] = "4"
		old := w.sets[len(w.sets)-1]
		w.pods = w.pods[:len(w.pods)-1]
		none := int32(0)
		old.Spec.Replicas = &none
		d.Spec.Template.Spec.Containers[0].Image = "registry.example/side:1.5.0"
		w.replicaSet(d, "66c8d9d7f4", 1, 9*time.Minute)
		w.count()
	}},
	{"a cordoned node", func(w *world) {
		w.node("n4", false)
		n := w.nodes[len(w.nodes)-1]
		n.Spec.Unschedulable = true
		n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}}
	}},
	{"warnings of the start", func(w *world) {
		for _, rs := range w.sets {
			if rs.Namespace == ns {
				w.event("ReplicaSet", rs.Name, string(rs.UID), "FailedCreate", `Error creating: pods "`+rs.Name+`-" is forbidden: error looking up service account `+ns+`/default: serviceaccount "default" not found`, "replicaset-controller", 2*day, 2*day-time.Minute, 12)
			}
		}
		for _, p := range w.pods {
			if p.Namespace == ns && p.Spec.NodeName != "" {
				w.event("Pod", p.Name, string(p.UID), "FailedScheduling", "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu.", "default-scheduler", 2*day, 2*day-time.Minute, 3)
				w.event("Pod", p.Name, string(p.UID), "Unhealthy", "Readiness probe failed: dial tcp: connection refused", "kubelet", 2*day, 2*day-time.Minute, 2)
			}
		}
	}},
	{"a finished Job and one that failed last week", func(w *world) {
		for _, failed := range []bool{false, true} {
			name, phase, condition, age := "migrate", corev1.PodSucceeded, batchv1.JobComplete, 3*time.Hour
			if failed {
				name, phase, condition, age = "report", corev1.PodFailed, batchv1.JobFailed, 7*day
			}
			j := &batchv1.Job{ObjectMeta: meta(ns, name, age)}
			one := int32(1)
			j.Spec.Completions, j.Spec.Parallelism = &one, &one
			j.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: ago(age - time.Minute)}}
			p := w.pod(ns, name+"-abcde", "n1", age, corev1.Container{Name: "main", Image: "registry.example/job:1"})
			p.ObjectMeta = owned(p.ObjectMeta, "Job", name)
			p.OwnerReferences[0].APIVersion = "batch/v1"
			p.Status.Phase = phase
			code, reason := int32(0), "Completed"
			if failed {
				code, reason, j.Status.Failed = 1, "Error", 1
			} else {
				j.Status.Succeeded = 1
			}
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, StartedAt: ago(age), FinishedAt: ago(age - time.Minute)}}
			p.Status.ContainerStatuses[0].Ready = false
			p.Status.Conditions = nil
			w.more = append(w.more, j)
		}
	}},
	{"restarts of last week", func(w *world) {
		for _, p := range w.of("web") {
			p.Status.ContainerStatuses[0].RestartCount = 3
			p.Status.ContainerStatuses[0].LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 1, Reason: "Error", StartedAt: ago(8 * day), FinishedAt: ago(7 * day),
			}}
		}
	}},
	{"an evicted pod that was replaced", func(w *world) {
		for _, rs := range w.sets {
			if rs.Namespace == ns && rs.Labels["app"] == "web" {
				p := w.pod(ns, rs.Name+"-evict", "n2", 3*day)
				p.ObjectMeta = owned(p.ObjectMeta, "ReplicaSet", rs.Name)
				p.Labels = rs.Labels
				p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
				p.Status.Conditions, p.Status.PodIP, p.Status.PodIPs = nil, "", nil
			}
		}
	}},
	{"a Deployment and a Service that nobody uses", func(w *world) {
		d := w.deploy("old", 0, 7000)
		d.Status.Conditions = d.Status.Conditions[:1]
		w.expose("older", 80, 7000)
	}},
}

// What catches the eye and breaks nothing changes nothing.
func TestDecoys(t *testing.T) {
	for _, f := range append([]fault{{name: "nothing broken", brk: func(*world) {}}}, allFaults...) {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld()
			f.brk(w)
			plain := tell(t, w.all(), w.logs, ns)
			all := newWorld()
			f.brk(all)
			for _, d := range decoys {
				one := newWorld()
				f.brk(one)
				d.add(one)
				d.add(all)
				same(t, d.name, plain, tell(t, one.all(), one.logs, ns))
			}
			same(t, "all of them", plain, tell(t, all.all(), all.logs, ns))
		})
	}
}

func same(t *testing.T, decoy string, plain, s *story.Story) {
	t.Helper()
	if brief(s) != brief(plain) || supported(s.Hypotheses) != supported(plain.Hypotheses) {
		t.Errorf("with %s: %s (%s), without: %s (%s)\n%s", decoy, brief(s), causes(s.Hypotheses), brief(plain), causes(plain.Hypotheses), full(s))
	}
}

func causes(hs []story.Hypothesis) string {
	var out []string
	for _, h := range hs {
		out = append(out, h.Cause)
	}
	return strings.Join(out, " ")
}

// supported are the causes that are said with some confidence: a decoy may make
// a guess of itself.
func supported(hs []story.Hypothesis) string {
	var out []string
	for _, h := range hs {
		if h.Status == "supported" {
			out = append(out, h.Cause)
		}
	}
	return strings.Join(out, " ")
}
