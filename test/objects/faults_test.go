package objects

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/yairfalse/tapio/correlate"
	"github.com/yairfalse/tapio/correlate/rule"
)

// fault is one thing broken in the world and what the story must say.
type fault struct {
	name  string
	brk   func(*world)
	cause string
	at    string // kind and name of the workload, or of the entity when it has none
}

// of lists the pods of an app.
func (w *world) of(app string) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(w.pods), func(p *corev1.Pod) bool { return p.Namespace != ns || p.Labels["app"] != app })
}

func (w *world) deployment(name string) *appsv1.Deployment {
	for _, d := range w.deployments {
		if d.Namespace == ns && d.Name == name {
			return d
		}
	}
	panic("no deployment " + name)
}

func (w *world) service(name string) *corev1.Service {
	for _, s := range w.services {
		if s.Namespace == ns && s.Name == name {
			return s
		}
	}
	panic("no service " + name)
}

// spec changes a container everywhere it is written: in the Deployment, its
// newest ReplicaSet and its pods.
func (w *world) spec(app string, change func(*corev1.Container)) {
	d := w.deployment(app)
	change(&d.Spec.Template.Spec.Containers[0])
	for _, rs := range w.sets {
		if rs.Namespace == ns && metav1.IsControlledBy(rs, d) {
			rs.Spec.Template.Spec = *d.Spec.Template.Spec.DeepCopy()
		}
	}
	for _, p := range w.of(app) {
		p.Spec.Containers[0] = *d.Spec.Template.Spec.Containers[0].DeepCopy()
	}
}

// unready marks what depends on it for a pod that is not ready.
func (w *world) unready(p *corev1.Pod, since time.Duration) {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady || c.Type == corev1.ContainersReady {
			c.Status, c.Reason, c.LastTransitionTime = corev1.ConditionFalse, "ContainersNotReady", ago(since)
		}
	}
	for i := range p.Status.ContainerStatuses {
		p.Status.ContainerStatuses[i].Ready = false
	}
	w.count()
}

// count brings the numbers of the controllers in line with the pods.
func (w *world) count() {
	for _, rs := range w.sets {
		var all, good int32
		for _, p := range w.pods {
			if metav1.IsControlledBy(p, rs) {
				all++
				if ready(p) {
					good++
				}
			}
		}
		rs.Status.Replicas, rs.Status.ReadyReplicas, rs.Status.AvailableReplicas = all, good, good
	}
	for _, d := range w.deployments {
		var all, good int32
		for _, rs := range w.sets {
			if metav1.IsControlledBy(rs, d) {
				all += rs.Status.Replicas
				good += rs.Status.ReadyReplicas
			}
		}
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas = all, all, good, good
		d.Status.UnavailableReplicas = max(*d.Spec.Replicas-good, 0)
		if good < *d.Spec.Replicas {
			d.Status.Conditions[0].Status, d.Status.Conditions[0].Reason, d.Status.Conditions[0].LastTransitionTime = corev1.ConditionFalse, "MinimumReplicasUnavailable", ago(12*time.Minute)
		}
	}
	for _, s := range w.stateful {
		s.Status.ReadyReplicas, s.Status.AvailableReplicas = 0, 0
		for _, p := range w.pods {
			if metav1.IsControlledBy(p, s) && ready(p) {
				s.Status.ReadyReplicas++
				s.Status.AvailableReplicas++
			}
		}
	}
}

// renew makes the pods of an app as if they had been made a short while ago.
func (w *world) renew(app string, age time.Duration) {
	for _, p := range w.of(app) {
		p.CreationTimestamp = ago(age)
		started := ago(age - 2*time.Second)
		p.Status.StartTime = &started
		for i := range p.Status.Conditions {
			p.Status.Conditions[i].LastTransitionTime = started
		}
		for i := range p.Status.ContainerStatuses {
			if r := p.Status.ContainerStatuses[i].State.Running; r != nil {
				r.StartedAt = started
			}
		}
	}
}

// waits leaves the pods of an app waiting.
func (w *world) waits(app, reason, message string) {
	w.renew(app, 12*time.Minute)
	for _, p := range w.of(app) {
		p.Status.Phase = corev1.PodPending
		no := false
		s := &p.Status.ContainerStatuses[0]
		s.ContainerID, s.ImageID, s.Started = "", "", &no
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
		w.unready(p, 12*time.Minute)
	}
}

// crashes leaves the pods of an app in a crash loop whose runs ended so.
func (w *world) crashes(app, reason, message string, code int32, life time.Duration) {
	w.renew(app, 12*time.Minute)
	for _, p := range w.of(app) {
		s := &p.Status.ContainerStatuses[0]
		s.RestartCount = 6
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting failed container"}}
		s.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, Message: message, StartedAt: ago(time.Minute + life), FinishedAt: ago(time.Minute), ContainerID: "containerd://" + p.Name + "-6",
		}}
		w.unready(p, 12*time.Minute)
	}
}

// unplaced leaves the pods of an app without a node.
func (w *world) unplaced(app, message string) {
	w.renew(app, 12*time.Minute)
	for _, p := range w.of(app) {
		p.Spec.NodeName, p.Status.Phase, p.Status.PodIP, p.Status.PodIPs, p.Status.StartTime, p.Status.ContainerStatuses = "", corev1.PodPending, "", nil, nil, nil
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message, LastTransitionTime: ago(12 * time.Minute)}}
		w.event("Pod", p.Name, string(p.UID), "FailedScheduling", message, "default-scheduler", 12*time.Minute, 30*time.Second, 4)
	}
	w.count()
}

// missing takes the pods of an app away, refused with this message.
func (w *world) missing(app, message string) {
	w.pods = slices.DeleteFunc(w.pods, func(p *corev1.Pod) bool { return p.Namespace == ns && p.Labels["app"] == app })
	for _, rs := range w.sets {
		if rs.Namespace == ns && rs.Labels["app"] == app {
			rs.Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message, LastTransitionTime: ago(12 * time.Minute)}}
			w.event("ReplicaSet", rs.Name, string(rs.UID), "FailedCreate", "Error creating: "+message, "replicaset-controller", 12*time.Minute, 20*time.Second, 9)
		}
	}
	d := w.deployment(app)
	d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message, LastTransitionTime: ago(12 * time.Minute), LastUpdateTime: ago(12 * time.Minute)})
	w.count()
}

func (w *world) event(kind, name, uid, reason, message, component string, first, last time.Duration, count int32) {
	w.eventOf(corev1.EventTypeWarning, kind, name, uid, reason, message, component, first, last, count)
}

func (w *world) eventOf(typ, kind, name, uid, reason, message, component string, first, last time.Duration, count int32) {
	e := &corev1.Event{ObjectMeta: meta(ns, fmt.Sprintf("%s.%x", name, len(w.events)+0x17a0), first)}
	e.InvolvedObject = corev1.ObjectReference{Kind: kind, Namespace: ns, Name: name, UID: types.UID(uid)}
	e.Type, e.Reason, e.Message, e.Count = typ, reason, message, count
	e.FirstTimestamp, e.LastTimestamp, e.Source.Component = ago(first), ago(last), component
	w.events = append(w.events, e)
}

var faults = []fault{
	{
		name: "the command is not in the image", cause: "exit/command-not-found", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) { c.Command = []string{"/bin/nope"} })
			w.crashes("api", "StartError", `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/bin/nope": stat /bin/nope: no such file or directory`, 128, 0)
		},
	},
	{
		name: "OOM-killed at its limit", cause: "memory/limit-oom", at: "Deployment api",
		brk: func(w *world) { w.crashes("api", "OOMKilled", "", 137, 4*time.Minute) },
	},
	{
		name: "the image's tag does not exist", cause: "image/not-found", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) { c.Image = "registry.example/api:9.9.9" })
			message := `rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/api:9.9.9": failed to resolve reference "registry.example/api:9.9.9": registry.example/api:9.9.9: not found`
			w.waits("api", "ImagePullBackOff", `Back-off pulling image "registry.example/api:9.9.9": ErrImagePull: `+message)
			for _, p := range w.of("api") {
				w.event("Pod", p.Name, string(p.UID), "Failed", `Failed to pull image "registry.example/api:9.9.9": `+message, "kubelet", 12*time.Minute, time.Minute, 6)
			}
		},
	},
	{
		name: "a Secret is not there", cause: "config/object-missing", at: "Deployment api",
		brk: func(w *world) {
			w.secrets = nil
			w.waits("api", "CreateContainerConfigError", `secret "db-creds" not found`)
		},
	},
	{
		name: "a key of a Secret is not there", cause: "config/key-missing", at: "Deployment api",
		brk: func(w *world) {
			w.secrets[0].Data = map[string][]byte{"user": []byte("app")}
			w.waits("api", "CreateContainerConfigError", `couldn't find key password in Secret shop/db-creds`)
		},
	},
	{
		name: "the readiness probe asks another port", cause: "probe/readiness-port", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) { c.ReadinessProbe.TCPSocket.Port = intstr.FromInt32(9090) })
			w.renew("api", 12*time.Minute)
			for _, p := range w.of("api") {
				w.unready(p, 12*time.Minute)
				w.event("Pod", p.Name, string(p.UID), "Unhealthy", `Readiness probe failed: dial tcp `+p.Status.PodIP+`:9090: connect: connection refused`, "kubelet", 12*time.Minute, 5*time.Second, 70)
			}
		},
	},
}

// allFaults are those of every file.
var allFaults = known(slices.Concat(faults, placeFaults, callFaults))

// known leaves out the faults of families that have no rules.
func known(fs []fault) []fault {
	return slices.DeleteFunc(fs, func(f fault) bool {
		return !slices.ContainsFunc(correlate.Rules(), func(r rule.Rule) bool { return string(r.Cause) == f.cause })
	})
}

func TestFaults(t *testing.T) {
	for _, f := range allFaults {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld()
			f.brk(w)
			s := tell(t, w.all(), w.logs, ns)
			kind, name, _ := strings.Cut(f.at, " ")
			want := strings.Join([]string{"explained", f.cause, kind, ns, name}, " ")
			if f.at == "" {
				want = "explained " + f.cause
				if len(s.Hypotheses) > 0 {
					want = brief(s)
				}
				if len(s.Hypotheses) == 0 || s.Hypotheses[0].Cause != f.cause {
					t.Fatalf("%s, want %s\n%s", brief(s), f.cause, full(s))
				}
			}
			if kind == "Namespace" || kind == "Node" {
				want = strings.Join([]string{"explained", f.cause, kind, "", name}, " ")
			}
			if got := brief(s); got != want {
				t.Fatalf("%s, want %s\n%s", got, want, full(s))
			}
			for _, h := range s.Hypotheses {
				if len(h.Evidence) == 0 || len(h.Chain) == 0 {
					t.Errorf("%s at %+v has no evidence or no chain", h.Cause, h.Entity)
				}
			}
			if n := len(s.Hypotheses); n != 1 {
				t.Errorf("%d hypotheses for one fault: %s", n, full(s))
			}
			if s.State == "recovered" {
				t.Errorf("told as over: %s", s.Now)
			}
		})
	}
}

// awaited are the causes of faults here that no rule gives yet.
var awaited = []string{
	"storage/pvc-capacity", "storage/pvc-access-mode", "storage/pvc-class", "storage/pvc-selector", "storage/pv-taken",
	"network/selector-mismatch", "network/target-port", "network/service-protocol", "change/scaled-to-zero",
	"admission/quota-pods", "admission/quota-memory", "admission/quota-cpu", "admission/quota-services", "admission/service-account-missing",
	"node/kubelet-down", "node/scheduler-down",
}

// Every fault here is of a cause that a rule gives, or that is awaited: a slip
// in a code would leave its fault out.
func TestFaultsNameKnownCauses(t *testing.T) {
	codes := awaited
	for _, r := range correlate.Rules() {
		codes = append(codes, string(r.Cause))
	}
	for _, f := range slices.Concat(faults, placeFaults, callFaults) {
		if !slices.Contains(codes, f.cause) {
			t.Errorf("%s: no rule gives %s", f.name, f.cause)
		}
	}
}
