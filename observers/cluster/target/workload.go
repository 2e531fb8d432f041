package target

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers/event"
)

// controller is what the kinds that control pods have in common here.
type controller struct {
	kind     string
	meta     metav1.ObjectMeta
	selector *metav1.LabelSelector // nil for a CronJob, whose Jobs have them
}

// controller gets one of a built-in kind.
func (r *resolver) controller(k kind, name string) (*controller, error) {
	if !k.workload {
		return nil, fmt.Errorf("a %s controls no pods", k.name)
	}
	obj, err := r.from.get(r.ctx, k.name, r.namespace, name)
	if err != nil {
		return nil, err
	}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return &controller{k.name, o.ObjectMeta, o.Spec.Selector}, nil
	case *appsv1.StatefulSet:
		return &controller{k.name, o.ObjectMeta, o.Spec.Selector}, nil
	case *appsv1.DaemonSet:
		return &controller{k.name, o.ObjectMeta, o.Spec.Selector}, nil
	case *appsv1.ReplicaSet:
		return &controller{k.name, o.ObjectMeta, o.Spec.Selector}, nil
	case *batchv1.Job:
		return &controller{k.name, o.ObjectMeta, o.Spec.Selector}, nil
	case *batchv1.CronJob:
		return &controller{k.name, o.ObjectMeta, nil}, nil
	}
	return nil, fmt.Errorf("the answer for %s %q is a %T", k.name, name, obj)
}

// workload finds a controller's pods: those that its selector matches and whose
// owner is it, or a ReplicaSet or Job of it. A pod that only carries the labels
// belongs to someone else.
func (r *resolver) workload(c *controller) (*Target, error) {
	ns := c.meta.Namespace
	t := &Target{Kind: c.kind, Namespace: ns, Name: c.meta.Name, Workload: event.WorkloadKey(c.kind, ns, c.meta.Name)}
	between, err := r.between(c)
	if err != nil {
		return nil, err
	}
	var sel labels.Selector
	query := ""
	if c.selector != nil {
		if sel, err = metav1.LabelSelectorAsSelector(c.selector); err != nil {
			return nil, fmt.Errorf("the selector of %s %q is not valid: %w", strings.ToLower(c.kind), c.meta.Name, err)
		}
		query = sel.String()
	}
	t.match = func(p *corev1.Pod) bool {
		if p.Namespace != ns || sel != nil && !sel.Matches(labels.Set(p.Labels)) {
			return false
		}
		ref := metav1.GetControllerOf(p)
		return ref != nil && (c.is(ref) || between.holds(ref))
	}
	pods, err := r.pods(ns, query, "")
	if err != nil {
		return nil, err
	}
	t.Pods = filter(pods, t.match)
	return t, nil
}

// is tells whether an owner reference means this controller. Files may lack
// uids; then kind and name decide.
func (c *controller) is(ref *metav1.OwnerReference) bool {
	return ref.Kind == c.kind && ref.Name == c.meta.Name && sameUID(ref.UID, c.meta.UID)
}

func sameUID(a, b types.UID) bool { return a == "" || b == "" || a == b }

// middle tells which controllers stand between a workload and its pods.
type middle struct {
	held map[holder]types.UID
	// kind and prefix are how those look that are made later, or that may not
	// be listed: the Deployment controller names a ReplicaSet after itself and
	// the CronJob controller a Job after itself.
	kind, prefix string
}

type holder struct{ kind, name string }

func (m middle) holds(ref *metav1.OwnerReference) bool {
	if uid, ok := m.held[holder{ref.Kind, ref.Name}]; ok && sameUID(uid, ref.UID) {
		return true
	}
	rest, ok := strings.CutPrefix(ref.Name, m.prefix)
	return m.kind != "" && ref.Kind == m.kind && ok && rest != "" && !strings.Contains(rest, "-")
}

// between lists the ReplicaSets of a Deployment or the Jobs of a CronJob.
func (r *resolver) between(c *controller) (middle, error) {
	m := middle{held: map[holder]types.UID{}}
	o := metav1.ListOptions{Limit: podPage}
	switch c.kind {
	case "Deployment":
		m.kind, m.prefix = "ReplicaSet", c.meta.Name+"-"
		if c.selector != nil {
			o.LabelSelector = metav1.FormatLabelSelector(c.selector)
		}
	case "CronJob":
		m.kind, m.prefix = "Job", c.meta.Name+"-"
	default:
		return m, nil
	}
	l, _, err := r.from.list(r.ctx, m.kind, c.meta.Namespace, o)
	if err != nil && !unreadable(err) {
		return m, r.explain(err, m.kind, "")
	}
	for _, obj := range l {
		o, err := meta.Accessor(obj)
		if err != nil {
			continue
		}
		if ref := metav1.GetControllerOfNoCopy(o); ref != nil && c.is(ref) {
			m.held[holder{m.kind, o.GetName()}] = o.GetUID()
		}
	}
	return m, nil
}

// kindBySelector joins the workloads of a kind that a selector matches.
func (r *resolver) kindBySelector(k kind, sel labels.Selector) (*Target, error) {
	if k.name == "Pod" {
		return r.everything(r.namespace, sel.String())
	}
	names, err := r.named(k, metav1.ListOptions{LabelSelector: sel.String(), Limit: podPage})
	if err != nil {
		return nil, r.explain(err, k.name, "")
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no %s in namespace %q matches the selector %q", strings.ToLower(k.name), r.namespace, sel)
	}
	slices.Sort(names)
	var out []name
	for _, n := range names {
		out = append(out, name{k.name, n})
	}
	return r.all(out)
}

// named lists the names of the objects of a kind.
func (r *resolver) named(k kind, o metav1.ListOptions) ([]string, error) {
	ns := r.namespace
	if k.name == "Node" || k.name == "Namespace" {
		ns = ""
	}
	l, _, err := r.from.list(r.ctx, k.name, ns, o)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, obj := range l {
		if m, err := meta.Accessor(obj); err == nil {
			out = append(out, m.GetName())
		}
	}
	return out, nil
}
