package target

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
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
	o := metav1.GetOptions{}
	switch k.name {
	case "Deployment":
		d, err := r.client.AppsV1().Deployments(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, d.ObjectMeta, d.Spec.Selector}, nil
	case "StatefulSet":
		s, err := r.client.AppsV1().StatefulSets(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, s.ObjectMeta, s.Spec.Selector}, nil
	case "DaemonSet":
		d, err := r.client.AppsV1().DaemonSets(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, d.ObjectMeta, d.Spec.Selector}, nil
	case "ReplicaSet":
		rs, err := r.client.AppsV1().ReplicaSets(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, rs.ObjectMeta, rs.Spec.Selector}, nil
	case "Job":
		j, err := r.client.BatchV1().Jobs(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, j.ObjectMeta, j.Spec.Selector}, nil
	case "CronJob":
		c, err := r.client.BatchV1().CronJobs(r.namespace).Get(r.ctx, name, o)
		if err != nil {
			return nil, err
		}
		return &controller{k.name, c.ObjectMeta, nil}, nil
	}
	return nil, fmt.Errorf("a %s controls no pods", k.name)
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
		return ref != nil && (ref.UID == c.meta.UID || between.holds(*ref))
	}
	pods, err := r.pods(ns, query, "")
	if err != nil {
		return nil, err
	}
	t.Pods = filter(pods, t.match)
	return t, nil
}

// middle tells which controllers stand between a workload and its pods.
type middle struct {
	uids map[types.UID]bool
	// kind and prefix are how those look that are made later, or that may not
	// be listed: the Deployment controller names a ReplicaSet after itself and
	// the CronJob controller a Job after itself.
	kind, prefix string
}

func (m middle) holds(ref metav1.OwnerReference) bool {
	if m.uids[ref.UID] {
		return true
	}
	rest, ok := strings.CutPrefix(ref.Name, m.prefix)
	return m.kind != "" && ref.Kind == m.kind && ok && rest != "" && !strings.Contains(rest, "-")
}

// between lists the ReplicaSets of a Deployment or the Jobs of a CronJob.
func (r *resolver) between(c *controller) (middle, error) {
	m := middle{uids: map[types.UID]bool{}}
	add := func(o metav1.ObjectMeta) {
		if ref := metav1.GetControllerOfNoCopy(&o); ref != nil && ref.UID == c.meta.UID {
			m.uids[o.UID] = true
		}
	}
	ns, opts := c.meta.Namespace, metav1.ListOptions{Limit: podPage}
	switch c.kind {
	case "Deployment":
		m.kind, m.prefix = "ReplicaSet", c.meta.Name+"-"
		if c.selector != nil {
			opts.LabelSelector = metav1.FormatLabelSelector(c.selector)
		}
		l, err := r.client.AppsV1().ReplicaSets(ns).List(r.ctx, opts)
		if err != nil && !isForbidden(err) {
			return m, r.explain(err, "ReplicaSet", "")
		} else if err == nil {
			for i := range l.Items {
				add(l.Items[i].ObjectMeta)
			}
		}
	case "CronJob":
		m.kind, m.prefix = "Job", c.meta.Name+"-"
		l, err := r.client.BatchV1().Jobs(ns).List(r.ctx, opts)
		if err != nil && !isForbidden(err) {
			return m, r.explain(err, "Job", "")
		} else if err == nil {
			for i := range l.Items {
				add(l.Items[i].ObjectMeta)
			}
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
	var l runtime.Object
	var err error
	switch k.name {
	case "Pod":
		l, err = r.client.CoreV1().Pods(r.namespace).List(r.ctx, o)
	case "Deployment":
		l, err = r.client.AppsV1().Deployments(r.namespace).List(r.ctx, o)
	case "StatefulSet":
		l, err = r.client.AppsV1().StatefulSets(r.namespace).List(r.ctx, o)
	case "DaemonSet":
		l, err = r.client.AppsV1().DaemonSets(r.namespace).List(r.ctx, o)
	case "ReplicaSet":
		l, err = r.client.AppsV1().ReplicaSets(r.namespace).List(r.ctx, o)
	case "Job":
		l, err = r.client.BatchV1().Jobs(r.namespace).List(r.ctx, o)
	case "CronJob":
		l, err = r.client.BatchV1().CronJobs(r.namespace).List(r.ctx, o)
	case "Service":
		l, err = r.client.CoreV1().Services(r.namespace).List(r.ctx, o)
	case "Node":
		l, err = r.client.CoreV1().Nodes().List(r.ctx, o)
	case "Namespace":
		l, err = r.client.CoreV1().Namespaces().List(r.ctx, o)
	}
	if err != nil {
		return nil, err
	}
	var out []string
	err = meta.EachListItem(l, func(obj runtime.Object) error {
		m, err := meta.Accessor(obj)
		if err == nil {
			out = append(out, m.GetName())
		}
		return err
	})
	return out, err
}
