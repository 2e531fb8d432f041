package cluster

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/nodes"
)

// managerName is the name of the controller manager's lease, and of its pods
// where the control plane runs in pods.
const managerName = "kube-controller-manager"

// unheeded is how long a controller may leave a change alone: it acts within a
// second, a busy one within some.
const unheeded = 15 * time.Second

// leaseTolerance is for how long a leader may leave its lease alone: twice the
// default duration.
const leaseTolerance = 30 * time.Second

// tellIgnored tells of controllers' objects whose wanted state nobody has acted
// on. That, or pods that are missing, is the reason to look at the controller
// manager itself.
func (o *observer) tellIgnored() {
	ignored := false
	deployments, _ := o.src.Deployments.List(labels.Everything())
	for _, d := range sorted(deployments) {
		ignored = o.tellGeneration("Deployment", d, d.Status.ObservedGeneration) || ignored
	}
	sets, _ := o.src.StatefulSets.List(labels.Everything())
	for _, s := range sorted(sets) {
		ignored = o.tellGeneration("StatefulSet", s, s.Status.ObservedGeneration) || ignored
	}
	daemons, _ := o.src.DaemonSets.List(labels.Everything())
	for _, d := range sorted(daemons) {
		ignored = o.tellGeneration("DaemonSet", d, d.Status.ObservedGeneration) || ignored
	}
	if ignored || o.lacksPods() {
		o.tellManager()
	}
}

func (o *observer) tellGeneration(kind string, m metav1.Object, observed int64) bool {
	at := source.LastAuthor(m).At
	if at.IsZero() {
		at = m.GetCreationTimestamp().Time
	}
	if m.GetGeneration() == 0 || observed >= m.GetGeneration() || m.GetDeletionTimestamp() != nil || o.src.Now().Sub(at) < unheeded || !source.Plausible(m.GetName(), m.GetNamespace()) {
		return false
	}
	e := about(nodes.Ignored, at, event.WorkloadKey(kind, m.GetNamespace(), m.GetName()))
	nodes.Generation.Set(&e, m.GetGeneration())
	nodes.Observed.Set(&e, observed)
	o.tell(e.Subject().ID, e)
	return true
}

// lacksPods tells whether a ReplicaSet has fewer pods than it asks for.
func (o *observer) lacksPods() bool {
	if o.src.OneNode() || o.src.Known(source.ReplicaSets) != nil {
		return false
	}
	owned := map[string]int64{}
	pods, _ := o.src.Pods.List(labels.Everything())
	for _, p := range pods {
		if ref := metav1.GetControllerOfNoCopy(p); ref != nil && ref.Kind == "ReplicaSet" && p.DeletionTimestamp == nil {
			owned[p.Namespace+"/"+ref.Name]++
		}
	}
	sets, _ := o.src.ReplicaSets.List(labels.Everything())
	for _, rs := range sets {
		if rs.Spec.Replicas != nil && int64(*rs.Spec.Replicas) > owned[rs.Namespace+"/"+rs.Name] {
			return true
		}
	}
	return false
}

// tellManager tells when the controller manager does not renew its lease, or
// its pod does not run. A managed control plane shows no pod; its lease is
// there all the same.
func (o *observer) tellManager() {
	sys := o.src.System()
	o.Want(sys, source.Pods)
	o.Want(o.src, source.SystemLeases)
	where := event.Key{Type: event.Namespace, ID: metav1.NamespaceSystem}
	var name, down string
	if sys.Known(source.Pods) == nil {
		pods, _ := sys.Pods.Pods(metav1.NamespaceSystem).List(labels.Everything())
		for _, p := range sorted(pods) {
			if !strings.HasPrefix(p.Name, managerName) && p.Labels["component"] != managerName {
				continue
			}
			name, down = p.Name, ""
			if p.Spec.NodeName != "" {
				where = event.NodeKey(p.Spec.NodeName)
			}
			if p.Status.Phase != corev1.PodRunning || !allReady(p) {
				down = troubleOf(p)
				continue
			}
			break
		}
	}
	var renewed time.Time
	if o.src.Known(source.SystemLeases) == nil {
		l, err := o.src.SystemLeases.Leases(metav1.NamespaceSystem).Get(managerName)
		if err == nil && l.Spec.RenewTime != nil && o.src.Now().Sub(l.Spec.RenewTime.Time) > leaseTolerance {
			renewed = l.Spec.RenewTime.Time
		}
	}
	if renewed.IsZero() && down == "" || !source.Plausible(name) {
		return
	}
	e := about(nodes.Manager, renewed, where)
	setText(nodes.PodName, &e, name)
	setText(nodes.Down, &e, down)
	setTime(nodes.Renewed, &e, renewed)
	o.tell(managerName, e)
}

func allReady(p *corev1.Pod) bool {
	for _, c := range p.Status.ContainerStatuses {
		if !c.Ready {
			return false
		}
	}
	return true
}
