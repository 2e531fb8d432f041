// Package objects runs the whole way from Kubernetes objects to the story, on
// objects made here: every observer of the catalog, every rule.
package objects

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// now is when every story is told.
var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

const (
	ns  = "shop"
	day = 24 * time.Hour
)

// world is a small cluster: three nodes, the cluster's own components, and a
// shop of web, which calls api, which calls db.
type world struct {
	nodes       []*corev1.Node
	leases      []*coordinationv1.Lease
	pods        []*corev1.Pod
	deployments []*appsv1.Deployment
	sets        []*appsv1.ReplicaSet
	stateful    []*appsv1.StatefulSet
	daemons     []*appsv1.DaemonSet
	services    []*corev1.Service
	claims      []*corev1.PersistentVolumeClaim
	volumes     []*corev1.PersistentVolume
	configs     []*corev1.ConfigMap
	secrets     []*corev1.Secret
	accounts    []*corev1.ServiceAccount
	events      []*corev1.Event
	more        []runtime.Object
	logs        map[string]string // by "namespace/pod/container"
}

func newWorld() *world {
	w := &world{logs: map[string]string{}}
	for i, name := range []string{"n1", "n2", "n3"} {
		w.node(name, i == 2)
	}
	for _, n := range []string{"kube-system", "default", ns} {
		w.more = append(w.more, &corev1.Namespace{ObjectMeta: meta("", n, 90*day), Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}})
		w.accounts = append(w.accounts, &corev1.ServiceAccount{ObjectMeta: meta(n, "default", 90*day)})
	}
	w.system()
	w.configs = append(w.configs, &corev1.ConfigMap{ObjectMeta: meta(ns, "api-config", 20*day), Data: map[string]string{"mode": "fast"}})
	w.secrets = append(w.secrets, &corev1.Secret{ObjectMeta: meta(ns, "db-creds", 20*day), Data: map[string][]byte{"password": []byte("s3cret")}})
	w.deploy("web", 1, 8000, env("API_ADDR", "api:8080"))
	w.deploy("api", 2, 8080, env("DB_HOST", "db"), env("DB_PORT", "5432"), func(c *corev1.Container) {
		c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "api-config"}}}}
		c.Env = append(c.Env, corev1.EnvVar{Name: "DB_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "db-creds"}, Key: "password",
		}}})
	})
	w.database()
	w.expose("web", 80, 8000)
	w.expose("api", 8080, 8080)
	w.expose("db", 5432, 5432)
	return w
}

func meta(namespace, name string, age time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name), CreationTimestamp: ago(age)}
}

func owned(m metav1.ObjectMeta, kind, name string) metav1.ObjectMeta {
	yes := true
	m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("uid-" + m.Namespace + "-" + name), Controller: &yes}}
	return m
}

func (w *world) node(name string, control bool) {
	n := &corev1.Node{ObjectMeta: meta("", name, 90*day)}
	n.Labels = map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "disk": "hdd"}
	if control {
		n.Labels["node-role.kubernetes.io/control-plane"] = ""
		n.Spec.Taints = []corev1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: corev1.TaintEffectNoSchedule}}
	}
	n.Status.Capacity = resources("4", "8Gi")
	n.Status.Capacity[corev1.ResourcePods] = resource.MustParse("110")
	n.Status.Allocatable = n.Status.Capacity
	n.Status.NodeInfo = corev1.NodeSystemInfo{Architecture: "amd64", OperatingSystem: "linux", KubeletVersion: "v1.34.0"}
	for _, c := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: c, Status: corev1.ConditionFalse, LastHeartbeatTime: ago(time.Minute), LastTransitionTime: ago(90 * day)})
	}
	n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: ago(time.Minute), LastTransitionTime: ago(90 * day)})
	w.nodes = append(w.nodes, n)
	renewed := metav1.NewMicroTime(now.Add(-4 * time.Second))
	seconds := int32(40)
	l := &coordinationv1.Lease{ObjectMeta: meta(corev1.NamespaceNodeLease, name, 90*day)}
	l.Spec = coordinationv1.LeaseSpec{HolderIdentity: &n.Name, RenewTime: &renewed, LeaseDurationSeconds: &seconds}
	w.leases = append(w.leases, l)
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// system are the components that the cluster runs for itself.
func (w *world) system() {
	for _, name := range []string{"kube-scheduler-n3", "kube-controller-manager-n3", "kube-apiserver-n3"} {
		p := w.pod("kube-system", name, "n3", 30*day, corev1.Container{Name: strings.TrimSuffix(name, "-n3"), Image: "registry.k8s.io/x:v1"})
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n3", UID: "uid--n3", Controller: new(bool)}}
		*p.OwnerReferences[0].Controller = true
		p.Labels = map[string]string{"component": strings.TrimSuffix(name, "-n3"), "tier": "control-plane"}
	}
	for _, n := range w.nodes {
		p := w.pod("kube-system", "kube-proxy-"+n.Name, n.Name, 30*day, corev1.Container{Name: "kube-proxy", Image: "registry.k8s.io/kube-proxy:v1"})
		p.ObjectMeta = owned(p.ObjectMeta, "DaemonSet", "kube-proxy")
		p.Labels = map[string]string{"k8s-app": "kube-proxy"}
	}
	d := &appsv1.DaemonSet{ObjectMeta: meta("kube-system", "kube-proxy", 90*day)}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-proxy"}}
	d.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: 3, CurrentNumberScheduled: 3, NumberReady: 3, NumberAvailable: 3}
	w.daemons = append(w.daemons, d)
	w.deployIn("kube-system", "coredns", 2, 53)
	svc := w.exposeIn("kube-system", "coredns", 53, 53)
	svc.Name, svc.Spec.ClusterIP = "kube-dns", "10.96.0.10"
	svc.Spec.Ports[0].Protocol = corev1.ProtocolUDP
}

// pod is a pod that runs and is ready.
func (w *world) pod(namespace, name, node string, age time.Duration, containers ...corev1.Container) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(namespace, name, age)}
	p.Spec = corev1.PodSpec{
		NodeName: node, Containers: containers, ServiceAccountName: "default", RestartPolicy: corev1.RestartPolicyAlways,
		DNSPolicy: corev1.DNSClusterFirst, SchedulerName: "default-scheduler",
	}
	started := ago(age - 5*time.Second)
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &started, PodIP: fmt.Sprintf("10.0.%d.%d", len(w.pods)/200, len(w.pods)%200+2)}
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	for _, t := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: started})
	}
	yes := true
	for _, c := range containers {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: "sha256:" + c.Name, ContainerID: "containerd://" + name + "-" + c.Name, Ready: true, Started: &yes,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		})
	}
	w.pods = append(w.pods, p)
	return p
}

func env(name, value string) func(*corev1.Container) {
	return func(c *corev1.Container) { c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value}) }
}

func (w *world) deploy(name string, replicas int32, port int32, with ...func(*corev1.Container)) *appsv1.Deployment {
	return w.deployIn(ns, name, replicas, port, with...)
}

// deployIn makes a Deployment with its ReplicaSet and its pods, all of them well.
func (w *world) deployIn(namespace, name string, replicas, port int32, with ...func(*corev1.Container)) *appsv1.Deployment {
	c := container(name, port)
	for _, f := range with {
		f(&c)
	}
	selector := map[string]string{"app": name}
	d := &appsv1.Deployment{ObjectMeta: meta(namespace, name, 20*day)}
	d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "3"}
	d.Spec.Replicas, d.Spec.Selector = &replicas, &metav1.LabelSelector{MatchLabels: selector}
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}, ServiceAccountName: "default", RestartPolicy: corev1.RestartPolicyAlways}}
	d.Status = appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas, ObservedGeneration: 1}
	d.Generation = 1
	d.Status.Conditions = []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable", LastTransitionTime: ago(2 * day), LastUpdateTime: ago(2 * day)},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastTransitionTime: ago(2 * day), LastUpdateTime: ago(2 * day)},
	}
	w.deployments = append(w.deployments, d)
	w.replicaSet(d, "7d9f5c4b8", replicas, 2*day)
	return d
}

func container(name string, port int32) corev1.Container {
	c := corev1.Container{Name: "main", Image: "registry.example/" + name + ":1.4.2"}
	c.Ports = []corev1.ContainerPort{{Name: "main", ContainerPort: port, Protocol: corev1.ProtocolTCP}}
	c.Resources = corev1.ResourceRequirements{Requests: resources("100m", "64Mi"), Limits: resources("500m", "256Mi")}
	c.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}},
		PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1,
	}
	return c
}

// replicaSet makes one revision of a Deployment with pods that are well.
func (w *world) replicaSet(d *appsv1.Deployment, hash string, replicas int32, age time.Duration) *appsv1.ReplicaSet {
	labels := map[string]string{"pod-template-hash": hash}
	for k, v := range d.Spec.Selector.MatchLabels {
		labels[k] = v
	}
	rs := &appsv1.ReplicaSet{ObjectMeta: owned(meta(d.Namespace, d.Name+"-"+hash, age), "Deployment", d.Name)}
	rs.Labels, rs.Annotations = labels, map[string]string{"deployment.kubernetes.io/revision": d.Annotations["deployment.kubernetes.io/revision"]}
	rs.Spec.Replicas, rs.Spec.Selector, rs.Spec.Template = &replicas, &metav1.LabelSelector{MatchLabels: labels}, d.Spec.Template
	rs.Spec.Template.Labels = labels
	rs.Status = appsv1.ReplicaSetStatus{Replicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas, FullyLabeledReplicas: replicas}
	w.sets = append(w.sets, rs)
	for i := range replicas {
		name := fmt.Sprintf("%s-%s", rs.Name, []string{"x2v4q", "k8tmz", "p5wls"}[i])
		p := w.pod(d.Namespace, name, []string{"n1", "n2"}[int(i)%2], age, d.Spec.Template.Spec.Containers...)
		p.ObjectMeta = owned(p.ObjectMeta, "ReplicaSet", rs.Name)
		p.Labels = labels
	}
	return rs
}

// database is a StatefulSet of one pod with a bound claim.
func (w *world) database() {
	one := int32(1)
	c := container("db", 5432)
	c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	selector := map[string]string{"app": "db"}
	s := &appsv1.StatefulSet{ObjectMeta: meta(ns, "db", 20*day)}
	s.Spec.Replicas, s.Spec.Selector, s.Spec.ServiceName = &one, &metav1.LabelSelector{MatchLabels: selector}, "db"
	s.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
	s.Status = appsv1.StatefulSetStatus{Replicas: 1, ReadyReplicas: 1, CurrentReplicas: 1, UpdatedReplicas: 1, UpdateRevision: "db-1", CurrentRevision: "db-1"}
	w.stateful = append(w.stateful, s)
	p := w.pod(ns, "db-0", "n1", 2*day, c)
	p.ObjectMeta = owned(p.ObjectMeta, "StatefulSet", "db")
	p.Labels = map[string]string{"app": "db", "controller-revision-hash": "db-1"}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-db-0"}}}}
	class := ""
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta(ns, "data-db-0", 20*day)}
	claim.Spec = corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class, VolumeName: "pv-1",
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}},
	}
	claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests}
	w.claims = append(w.claims, claim)
	pv := &corev1.PersistentVolume{ObjectMeta: meta("", "pv-1", 20*day)}
	pv.Spec = corev1.PersistentVolumeSpec{
		Capacity: claim.Spec.Resources.Requests.DeepCopy(), AccessModes: claim.Spec.AccessModes, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/mnt/1"}},
		ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: ns, Name: claim.Name, UID: claim.UID},
	}
	pv.Status.Phase = corev1.VolumeBound
	w.volumes = append(w.volumes, pv)
}

func (w *world) expose(app string, port, targetPort int32) *corev1.Service {
	return w.exposeIn(ns, app, port, targetPort)
}

// exposeIn makes a Service of the app and its endpoints as they are.
func (w *world) exposeIn(namespace, app string, port, targetPort int32) *corev1.Service {
	s := &corev1.Service{ObjectMeta: meta(namespace, app, 20*day)}
	s.Spec = corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIP: fmt.Sprintf("10.96.1.%d", len(w.services)+1), Selector: map[string]string{"app": app},
		Ports: []corev1.ServicePort{{Name: "main", Port: port, TargetPort: intstr.FromInt32(targetPort), Protocol: corev1.ProtocolTCP}},
	}
	w.services = append(w.services, s)
	return s
}
