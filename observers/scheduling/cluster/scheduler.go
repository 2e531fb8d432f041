package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// schedulerName is the name of the default scheduler's lease, and of its pods
// where the control plane runs in pods.
const schedulerName = "kube-scheduler"

// lookScheduler looks for the scheduler itself, because a pod waits of which it
// says nothing. Managed control planes show no pod: that is absent, and proves
// nothing; their lease is there all the same.
func (o *observer) lookScheduler(emit func(event.Event)) {
	system := o.src.System()
	o.Want(system, source.Pods)
	o.Want(o.src, source.SystemLeases)
	e := event.Event{Kind: scheduling.Scheduler, At: o.src.Now()}
	where := event.Key{Type: event.Namespace, ID: metav1.NamespaceSystem}
	state, detail, name := scheduling.Maybe, "", ""
	if system.Known(source.Pods) == nil {
		state = scheduling.Gone
		pods, err := system.Pods.Pods(metav1.NamespaceSystem).List(labels.Everything())
		if err != nil {
			return
		}
		slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
		for _, p := range pods {
			if !isScheduler(p) {
				continue
			}
			name, where = p.Name, event.NodeKey(p.Spec.NodeName)
			state, detail = schedulerState(p)
			if state == scheduling.Running {
				break
			}
		}
	}
	if state != scheduling.Running && state != scheduling.Failing {
		if n := o.onlyControlPlane(); n != "" {
			where = event.NodeKey(n)
		}
	}
	renewed := int64(0)
	if o.src.Known(source.SystemLeases) == nil {
		if l, err := o.src.SystemLeases.Leases(metav1.NamespaceSystem).Get(schedulerName); err == nil && l.Spec.RenewTime != nil {
			renewed = l.Spec.RenewTime.Unix()
		}
	}
	// A lease is renewed every few seconds: only that it stands still is news.
	stale := renewed > 0 && o.src.Now().Unix()-renewed > leaseTolerance
	if !o.changed("scheduler", state, detail, name, where, stale) || where.ID == "" {
		return
	}
	e.Refs = []event.Ref{{Role: event.Subject, Key: where}}
	setText(scheduling.State, &e, state)
	setText(scheduling.PodName, &e, name)
	setText(scheduling.Detail, &e, detail)
	if renewed > 0 {
		scheduling.Renewed.Set(&e, renewed)
	}
	emit(e)
}

// leaseTolerance is for how many seconds a leader may leave its lease alone:
// twice the default duration.
const leaseTolerance = 30

func isScheduler(p *corev1.Pod) bool {
	return p.Labels["component"] == schedulerName || p.Name == schedulerName || strings.HasPrefix(p.Name, schedulerName+"-")
}

func schedulerState(p *corev1.Pod) (state, detail string) {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			return scheduling.Failing, c.State.Waiting.Reason
		case c.State.Terminated != nil:
			return scheduling.Failing, c.State.Terminated.Reason
		case !c.Ready:
			return scheduling.Failing, "not ready"
		}
	}
	if p.Status.Phase != "" && p.Status.Phase != corev1.PodRunning {
		return scheduling.Failing, string(p.Status.Phase)
	}
	return scheduling.Running, ""
}

// onlyControlPlane names the control-plane node when there is exactly one.
func (o *observer) onlyControlPlane() string {
	if o.src.Known(source.Nodes) != nil {
		return ""
	}
	nodes, err := o.src.Nodes.List(labels.Everything())
	if err != nil {
		return ""
	}
	nodes = slices.DeleteFunc(nodes, func(n *corev1.Node) bool { return !isControlPlane(n) })
	if len(nodes) != 1 {
		return ""
	}
	return nodes[0].Name
}
