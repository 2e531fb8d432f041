package objects

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// noNode is the scheduler's message of a pod that fits nowhere.
func noNode(reasons string) string {
	return "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, " + reasons + ". preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
}

// podSpec changes the pod part of a spec everywhere it is written.
func (w *world) podSpec(app string, change func(*corev1.PodSpec)) {
	d := w.deployment(app)
	change(&d.Spec.Template.Spec)
	for _, rs := range w.sets {
		if rs.Namespace == ns && metav1.IsControlledBy(rs, d) {
			change(&rs.Spec.Template.Spec)
		}
	}
	for _, p := range w.of(app) {
		change(&p.Spec)
	}
}

func affinity(key, value string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}}},
	}}}
}

func apart(app string) *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, TopologyKey: "kubernetes.io/hostname",
	}}}}
}

// workers are the nodes that take ordinary pods.
func (w *world) workers() []*corev1.Node { return w.nodes[:2] }

// unbound leaves the database's claim without a volume, and its pod without a
// node.
func (w *world) unbound(change func(*corev1.PersistentVolumeClaim, *corev1.PersistentVolume)) {
	c, v := w.claims[0], w.volumes[0]
	c.Spec.VolumeName, c.Status = "", corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
	v.Spec.ClaimRef, v.Status.Phase = nil, corev1.VolumeAvailable
	c.CreationTimestamp = ago(12 * time.Minute)
	change(c, v)
	message := noNode("2 node(s) didn't find available persistent volumes to bind")
	w.unplaced("db", message)
	w.event("PersistentVolumeClaim", c.Name, string(c.UID), "FailedBinding", "no persistent volumes available for this claim and no storage class is set", "persistentvolume-controller", 12*time.Minute, 15*time.Second, 40)
}

var placeFaults = []fault{
	{
		name: "no node has the label", cause: "scheduling/node-selector", at: "Deployment api",
		brk: func(w *world) {
			w.podSpec("api", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} })
			w.unplaced("api", noNode("2 node(s) didn't match Pod's node affinity/selector"))
		},
	},
	{
		name: "no node meets the affinity", cause: "scheduling/node-affinity", at: "Deployment api",
		brk: func(w *world) {
			w.podSpec("api", func(s *corev1.PodSpec) { s.Affinity = affinity("disk", "ssd") })
			w.unplaced("api", noNode("2 node(s) didn't match Pod's node affinity/selector"))
		},
	},
	{
		name: "a taint nobody tolerates", cause: "scheduling/taint", at: "Deployment api",
		brk: func(w *world) {
			for _, n := range w.workers() {
				n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "dedicated", Value: "batch", Effect: corev1.TaintEffectNoSchedule})
			}
			w.unplaced("api", noNode("2 node(s) had untolerated taint {dedicated: batch}"))
		},
	},
	{
		name: "the nodes are cordoned", cause: "scheduling/cordoned", at: "Deployment api",
		brk: func(w *world) {
			for _, n := range w.workers() {
				n.Spec.Unschedulable = true
				n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule})
			}
			w.unplaced("api", noNode("2 node(s) were unschedulable"))
		},
	},
	{
		name: "bound to a node that is cordoned", cause: "scheduling/cordoned", at: "Deployment api",
		brk: func(w *world) {
			w.podSpec("api", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"kubernetes.io/hostname": "n2"} })
			w.nodes[1].Spec.Unschedulable = true
			w.nodes[1].Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}}
			w.unplaced("api", noNode("1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable"))
		},
	},
	{
		name: "asks for more CPU than there is", cause: "scheduling/insufficient-cpu", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) {
				c.Resources.Requests, c.Resources.Limits = resources("64", "64Mi"), resources("64", "256Mi")
			})
			w.unplaced("api", noNode("2 Insufficient cpu"))
		},
	},
	{
		name: "asks for more memory than there is", cause: "scheduling/insufficient-memory", at: "Deployment api",
		brk: func(w *world) {
			w.spec("api", func(c *corev1.Container) {
				c.Resources.Requests, c.Resources.Limits = resources("100m", "128Gi"), resources("500m", "128Gi")
			})
			w.unplaced("api", noNode("2 Insufficient memory"))
		},
	},
	{
		name: "will not stand beside its like", cause: "scheduling/pod-anti-affinity", at: "Deployment api",
		brk: func(w *world) {
			w.podSpec("api", func(s *corev1.PodSpec) { s.Affinity = apart("side") })
			d := w.deploy("side", 2, 9000)
			d.Status.ObservedGeneration = 1
			w.unplaced("api", noNode("2 node(s) didn't satisfy existing pods anti-affinity rules"))
		},
	},
	{
		name: "the claim asks for more than the volume has", cause: "storage/pvc-capacity", at: "StatefulSet db",
		brk: func(w *world) {
			w.unbound(func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
				c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("100Gi")
			})
		},
	},
	{
		name: "the claim wants another access mode", cause: "storage/pvc-access-mode", at: "StatefulSet db",
		brk: func(w *world) {
			w.unbound(func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
				c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
			})
		},
	},
	{
		name: "the claim names a class that is not there", cause: "storage/pvc-class", at: "StatefulSet db",
		brk: func(w *world) {
			w.more = append(w.more, &storagev1.StorageClass{ObjectMeta: meta("", "standard", 90*day), Provisioner: "example.com/disk"})
			w.unbound(func(c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) {
				fast := "fast"
				c.Spec.StorageClassName = &fast
			})
		},
	},
	{
		name: "the claim selects a volume that is not there", cause: "storage/pvc-selector", at: "StatefulSet db",
		brk: func(w *world) {
			w.unbound(func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
				c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
			})
		},
	},
	{
		name: "another claim holds the volume", cause: "storage/pv-taken", at: "StatefulSet db",
		brk: func(w *world) {
			w.unbound(func(c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) {
				other := c.DeepCopy()
				other.ObjectMeta = meta(ns, "scratch", 3*day)
				other.Spec.VolumeName, other.Status = v.Name, corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}
				v.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: ns, Name: other.Name, UID: other.UID}
				v.Status.Phase = corev1.VolumeBound
				c.Spec.VolumeName = v.Name
				w.claims = append(w.claims, other)
			})
		},
	},
	{
		name: "a quota of pods is used up", cause: "admission/quota-pods", at: "Namespace shop",
		brk: func(w *world) {
			w.quota(corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}, corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")})
			w.missing("api", `pods "api-7d9f5c4b8-" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2`)
		},
	},
	{
		name: "a quota of memory is used up", cause: "admission/quota-memory", at: "Namespace shop",
		brk: func(w *world) {
			w.quota(corev1.ResourceList{corev1.ResourceRequestsMemory: resource.MustParse("150Mi")}, corev1.ResourceList{corev1.ResourceRequestsMemory: resource.MustParse("128Mi")})
			w.missing("api", `pods "api-7d9f5c4b8-" is forbidden: exceeded quota: team, requested: requests.memory=64Mi, used: requests.memory=128Mi, limited: requests.memory=150Mi`)
		},
	},
	{
		name: "a quota of CPU is used up", cause: "admission/quota-cpu", at: "Namespace shop",
		brk: func(w *world) {
			w.quota(corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("250m")}, corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("200m")})
			w.missing("api", `pods "api-7d9f5c4b8-" is forbidden: exceeded quota: team, requested: requests.cpu=100m, used: requests.cpu=200m, limited: requests.cpu=250m`)
		},
	},
	{
		name: "the service account is not there", cause: "admission/service-account-missing", at: "Deployment api",
		brk: func(w *world) {
			w.podSpec("api", func(s *corev1.PodSpec) { s.ServiceAccountName = "robot" })
			w.missing("api", `pods "api-7d9f5c4b8-" is forbidden: error looking up service account shop/robot: serviceaccount "robot" not found`)
		},
	},
	{
		name: "a kubelet stopped", cause: "node/kubelet-down", at: "Node n2",
		brk: func(w *world) {
			stale := metav1.NewMicroTime(now.Add(-11 * time.Minute))
			w.leases[1].Spec.RenewTime = &stale
			n := w.nodes[1]
			for i := range n.Status.Conditions {
				c := &n.Status.Conditions[i]
				c.Status, c.Reason, c.Message = corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status."
				c.LastHeartbeatTime, c.LastTransitionTime = ago(11*time.Minute), ago(10*time.Minute)
			}
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoSchedule}, corev1.Taint{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoExecute})
			for _, p := range w.pods {
				if p.Spec.NodeName == n.Name {
					for i := range p.Status.Conditions {
						if p.Status.Conditions[i].Type == corev1.PodReady {
							p.Status.Conditions[i].Status, p.Status.Conditions[i].LastTransitionTime = corev1.ConditionFalse, ago(10*time.Minute)
						}
					}
				}
			}
			w.count()
		},
	},
	{
		name: "nobody schedules", cause: "node/scheduler-down", at: "",
		brk: func(w *world) {
			w.pods = slices.DeleteFunc(w.pods, func(p *corev1.Pod) bool { return p.Labels["component"] == "kube-scheduler" })
			w.renew("api", 12*time.Minute)
			for _, p := range w.of("api") {
				p.Spec.NodeName, p.Status = "", corev1.PodStatus{Phase: corev1.PodPending}
			}
			w.count()
		},
	},
}

// quota adds a quota with these limits, of which so much is used.
func (w *world) quota(hard, used corev1.ResourceList) {
	q := &corev1.ResourceQuota{ObjectMeta: meta(ns, "team", 20*day)}
	q.Spec.Hard, q.Status.Hard, q.Status.Used = hard, hard, used
	w.more = append(w.more, q)
}
