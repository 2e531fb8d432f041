package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/admission"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// difference is one part of a container that is not as the template says.
type difference struct {
	part, template, actual string
	lowered                bool
}

// maxMutated bounds the pods that are told of in one look.
const maxMutated = 50

// tellMutated compares the target's pods with the template of the controller
// that made them. What limit ranges fill in is part of the rules of the
// namespace and told as such; what else differs somebody changed on the way.
func (o *observer) tellMutated() {
	n := 0
	for _, p := range o.pods() {
		if !o.src.Scope.Has(p) || n == maxMutated {
			continue
		}
		t := o.templateOf(p)
		if t == nil {
			continue
		}
		told := false
		for i := range p.Spec.Containers {
			c := &p.Spec.Containers[i]
			j := slices.IndexFunc(t.Spec.Containers, func(x corev1.Container) bool { return x.Name == c.Name })
			if j < 0 || !source.Plausible(c.Name) {
				continue // an injected sidecar changes no container of the template
			}
			for _, d := range differences(&t.Spec.Containers[j], c) {
				told = true
				o.tellDifference(p, c.Name, d)
			}
		}
		if told {
			n++
		}
	}
}

// templateOf is the template that the pod was made from, nil when it is not
// known for sure.
func (o *observer) templateOf(p *corev1.Pod) *corev1.PodTemplateSpec {
	ref := metav1.GetControllerOfNoCopy(p)
	if ref == nil {
		return nil
	}
	switch ref.Kind {
	case "ReplicaSet":
		if rs, err := o.src.ReplicaSets.ReplicaSets(p.Namespace).Get(ref.Name); err == nil {
			return &rs.Spec.Template
		}
	case "StatefulSet":
		s, err := o.src.StatefulSets.StatefulSets(p.Namespace).Get(ref.Name)
		if err == nil && s.Status.UpdateRevision != "" && p.Labels["controller-revision-hash"] == s.Status.UpdateRevision {
			return &s.Spec.Template
		}
	case "Job":
		if j, err := o.src.Jobs.Jobs(p.Namespace).Get(ref.Name); err == nil {
			return &j.Spec.Template
		}
	}
	return nil
}

// differences compares resources, image, command and arguments. Values of
// commands are not told.
func differences(t, c *corev1.Container) []difference {
	var out []difference
	lists := []struct {
		name     string
		from, to corev1.ResourceList
	}{{"limits.", t.Resources.Limits, c.Resources.Limits}, {"requests.", t.Resources.Requests, c.Resources.Requests}}
	for _, l := range lists {
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			from, had := l.from[r]
			to, has := l.to[r]
			if had == has && from.Cmp(to) == 0 {
				continue
			}
			if l.name == "requests." && !had {
				if limit, ok := t.Resources.Limits[r]; ok && limit.Cmp(to) == 0 {
					continue // a missing request is the limit: the API's own default
				}
			}
			d := difference{part: l.name + string(r)}
			if had {
				d.template = from.String()
			}
			if has {
				d.actual = to.String()
			}
			d.lowered = has && (had && to.Cmp(from) < 0 || !had && l.name == "limits.")
			out = append(out, d)
		}
	}
	if t.Image != c.Image {
		out = append(out, difference{part: "image", template: t.Image, actual: c.Image})
	}
	if !slices.Equal(t.Command, c.Command) || !slices.Equal(t.Args, c.Args) {
		out = append(out, difference{part: "command"})
	}
	return out
}

func (o *observer) tellDifference(p *corev1.Pod, name string, d difference) {
	pod := event.PodKey(string(source.UID(p)))
	e := about(admission.Mutated, p.CreationTimestamp.Time, event.ContainerKey(pod.ID, name), event.Ref{Role: event.Owner, Key: pod})
	setText(admission.Part, &e, d.part)
	setText(admission.Template, &e, d.template)
	setText(admission.Actual, &e, d.actual)
	if d.lowered {
		admission.Lowered.Set(&e, true)
	}
	by := changedBy(p, d)
	setText(admission.By, &e, by)
	if by == "" {
		o.Want(o.src, source.MutatingHooks, source.Namespaces)
		setText(admission.Suspects, &e, strings.Join(o.mutators(p), ", "))
	}
	o.tell(e.Subject().ID+"\x00"+d.part, e)
}

// changedBy is what the pod itself says of who changed it.
func changedBy(p *corev1.Pod, d difference) string {
	isResource := strings.Contains(d.part, ".")
	switch {
	case isResource && p.Generation > 1:
		return admission.ByResize
	case isResource && p.Annotations["vpaUpdates"] != "":
		return admission.ByAutoscaler
	case isResource && d.template == "" && p.Annotations["kubernetes.io/limit-ranger"] != "":
		return admission.ByLimitRange
	}
	return ""
}

// mutators are the mutating webhooks that are asked about the pod.
func (o *observer) mutators(p *corev1.Pod) []string {
	set := labels.Set{}
	if o.src.Known(source.Namespaces) == nil {
		if ns, err := o.src.Namespaces.Get(p.Namespace); err == nil {
			set = ns.Labels
		}
	}
	var out []string
	hooks := o.hooks()
	for _, h := range hooks {
		if h.kind == admission.Mutating && h.seesPods(set, labels.Set(p.Labels)) && source.Plausible(h.name) && len(out) < 5 {
			out = append(out, h.name)
		}
	}
	return out
}
