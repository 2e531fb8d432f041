package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// nearest are the pods of one owner that a selector seems to mean.
type nearest struct {
	owner          event.Key
	pods           []*corev1.Pod
	label          string
	wants, carries string
	score          int
	because        []string
}

// meant is the score from which pods count as meant by a selector that does not
// match them: two signs, one of them strong.
const meant = 4

// lookSelector tells of a selector that matches no pod: which pods it would
// match if one label were another.
func (o *observer) lookSelector(s *scene, sel topology.Selection, emit func(event.Event)) {
	svc := sel.Service
	if len(svc.Spec.Selector) == 0 || len(sel.Pods) > 0 || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	key := sel.Key()
	n := s.near(svc)
	e := o.fault(services.Unmatched, svc, n.owner, n.pods)
	setText(services.Selector, &e, labels.FormatLabels(svc.Spec.Selector))
	if owner, ok := o.templateFor(svc); ok {
		e = o.fault(services.Unmatched, svc, owner, nil)
		setText(services.Selector, &e, labels.FormatLabels(svc.Spec.Selector))
		services.NoPods.Set(&e, true)
	} else if len(n.pods) > 0 {
		setText(services.Label, &e, n.label)
		setText(services.Wants, &e, n.wants)
		setText(services.Carries, &e, n.carries)
		services.Near.Set(&e, int64(len(n.pods)))
		services.NearReady.Set(&e, readyOf(n.pods))
		setText(services.Because, &e, strings.Join(n.because, ", "))
	}
	services.Callers.Set(&e, s.strangersTo(key, n.owner))
	o.tell("unmatched "+key.ID, e, emit)
}

// templateFor finds a workload whose pods the selector would match if it had
// any.
func (o *observer) templateFor(svc *corev1.Service) (event.Key, bool) {
	var found []event.Key
	add := func(kind, name string, l map[string]string) {
		if source.Plausible(name) && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(l)) {
			found = append(found, event.WorkloadKey(kind, svc.Namespace, name))
		}
	}
	all := labels.Everything()
	if ds, err := o.src.Deployments.Deployments(svc.Namespace).List(all); err == nil {
		for _, d := range ds {
			add("Deployment", d.Name, d.Spec.Template.Labels)
		}
	}
	if ss, err := o.src.StatefulSets.StatefulSets(svc.Namespace).List(all); err == nil {
		for _, d := range ss {
			add("StatefulSet", d.Name, d.Spec.Template.Labels)
		}
	}
	if ds, err := o.src.DaemonSets.DaemonSets(svc.Namespace).List(all); err == nil {
		for _, d := range ds {
			add("DaemonSet", d.Name, d.Spec.Template.Labels)
		}
	}
	if len(found) == 0 {
		return event.Key{}, false
	}
	return slices.MinFunc(found, event.Key.Compare), true
}

// near finds the pods that a selector which matches none seems to mean: those
// of one owner that differ from it in exactly one label and show by further
// signs that they are meant.
func (s *scene) near(svc *corev1.Service) nearest {
	groups := map[event.Key]*nearest{}
	for _, p := range s.living[svc.Namespace] {
		label, ok := onlyDifference(svc.Spec.Selector, p.Labels)
		if !ok {
			continue
		}
		g := groups[s.owner[p]]
		if g == nil {
			g = &nearest{owner: s.owner[p], label: label, wants: svc.Spec.Selector[label], carries: p.Labels[label]}
			groups[s.owner[p]] = g
		}
		if g.label == label && g.carries == p.Labels[label] {
			g.pods = append(g.pods, p)
		}
	}
	var list []*nearest
	for _, k := range slices.SortedFunc(maps.Keys(groups), event.Key.Compare) {
		g := groups[k]
		g.rate(s, svc)
		if g.score >= meant {
			list = append(list, g)
		}
	}
	if len(list) == 0 {
		return nearest{}
	}
	slices.SortStableFunc(list, func(a, b *nearest) int { return cmp.Compare(b.score, a.score) })
	if len(list) > 1 && list[0].score == list[1].score {
		return nearest{} // two that are as near: which is meant cannot be told
	}
	return *list[0]
}

// onlyDifference is the one label by which labels differ from a selector.
func onlyDifference(selector, have map[string]string) (string, bool) {
	label, n := "", 0
	for k, v := range selector {
		if got, ok := have[k]; !ok || got != v {
			label = k
			n++
		}
	}
	return label, n == 1
}

// rate adds up the signs that the pods are meant.
func (n *nearest) rate(s *scene, svc *corev1.Service) {
	sign := func(points int, why string) {
		n.score += points
		n.because = append(n.because, why)
	}
	if n.owner.Leaf() == svc.Name {
		sign(3, "name")
	}
	switch {
	case n.carries == "":
	case plain(n.carries) == plain(n.wants):
		sign(3, "spelling")
	case n.carries == svc.Name, plain(n.carries) == plain(svc.Name):
		sign(3, "label is the Service's name")
	case distance(n.carries, n.wants) <= 2 && len(n.wants) > 3:
		sign(2, "spelling")
	}
	if len(svc.Spec.Selector) > 1 {
		sign(2, "other labels")
	}
	if offers(n.pods[0], svc) {
		sign(1, "port")
	}
	orphan := true
	for _, p := range n.pods {
		orphan = orphan && len(s.selectedBy[p]) == 0
	}
	if orphan {
		sign(1, "unselected")
	}
}

// offers tells whether the pod listens on the first target port of the Service.
func offers(p *corev1.Pod, svc *corev1.Service) bool {
	if len(svc.Spec.Ports) == 0 {
		return false
	}
	t := svc.Spec.Ports[0].TargetPort
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		if _, ok := ports.Named(c, t.StrVal); ok {
			return true
		}
		if slices.ContainsFunc(append(ports.Of(c), ports.Probed(c)...), func(x ports.Claim) bool { return int(x.Port) == t.IntValue() }) {
			return true
		}
	}
	return false
}

// plain drops what people write differently: case and separators.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
}

// distance is the number of single-letter edits between two labels, at most 63
// bytes each.
func distance(a, b string) int {
	if len(a) > 63 || len(b) > 63 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			last, row[j] = row[j], min(row[j]+1, row[j-1]+1, last+cost)
		}
	}
	return row[len(b)]
}
