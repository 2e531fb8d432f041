package cluster

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// lookback is how old an edit may be that is told.
const lookback = 24 * time.Hour

// seed makes the hashes of this run; they are compared with each other only.
var seed = maphash.MakeSeed()

// use is how pods use an object of configuration.
type use struct {
	env, file bool
	workloads []event.Key
	oldest    time.Time // start of the oldest pod that has it as environment
	newest    time.Time // start of the newest pod that uses it
}

// tellConfigs tells of ConfigMaps and Secrets of the target's pods that were
// made or edited of late. Values are hashed, never told.
func (o *observer) tellConfigs(pods []*corev1.Pod) {
	uses := o.uses(pods)
	if o.src.Known(source.ConfigMaps) == nil {
		list, _ := o.src.ConfigMaps.List(labels.Everything())
		for _, c := range sorted(list) {
			if u := uses["ConfigMap/"+c.Namespace+"/"+c.Name]; u != nil {
				o.tellConfig("ConfigMap", c, u, hashes(c.Data, c.BinaryData))
			}
		}
	}
	if o.src.Known(source.Secrets) == nil {
		list, _ := o.src.Secrets.List(labels.Everything())
		for _, s := range sorted(list) {
			if u := uses["Secret/"+s.Namespace+"/"+s.Name]; u != nil {
				o.tellConfig("Secret", s, u, hashes(nil, s.Data))
			}
		}
	}
}

// hashes is a hash of each key's value.
func hashes(text map[string]string, binary map[string][]byte) map[string]uint64 {
	out := map[string]uint64{}
	for k, v := range text {
		out[k] = maphash.String(seed, v)
	}
	for k, v := range binary {
		out[k] = maphash.Bytes(seed, v)
	}
	return out
}

func (o *observer) tellConfig(kind string, m metav1.Object, u *use, now map[string]uint64) {
	id := kind + "/" + m.GetNamespace() + "/" + m.GetName()
	a := source.LastAuthor(m)
	at, what := m.GetCreationTimestamp().Time, changes.Made
	if a.At.After(at.Add(2 * time.Second)) {
		at, what = a.At, changes.Edit
	}
	before, seen := o.hashes[id]
	o.hashes[id] = now
	if !source.Plausible(m.GetName()) || at.IsZero() || o.src.Now().Sub(at) > lookback {
		return
	}
	if what == changes.Made && !u.newest.Before(at) {
		return // it was there before they began: no change for them
	}
	e := about(changes.Edited, at, event.Key{Type: event.Config, ID: id}, peers(u.workloads)...)
	setText(changes.What, &e, what)
	setText(changes.Kind, &e, kind)
	setText(changes.Name, &e, m.GetName())
	setText(changes.By, &e, a.Manager)
	setText(changes.Used, &e, u.how())
	if u.env && !u.oldest.IsZero() && u.oldest.Before(at) && what == changes.Edit {
		changes.Reload.Set(&e, true)
	}
	if u.newest.After(at) {
		changes.Follows.Set(&e, true)
	}
	if seen {
		setText(changes.Keys, &e, strings.Join(changed(before, now), ", "))
	}
	o.tell(id, e)
}

// changed names the keys that differ, at most ten.
func changed(before, now map[string]uint64) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(now)) {
		if old, ok := before[k]; (!ok || old != now[k]) && len(out) < 10 {
			out = append(out, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(before)) {
		if _, ok := now[k]; !ok && len(out) < 10 {
			out = append(out, k)
		}
	}
	return out
}

func (u *use) how() string {
	switch {
	case u.env && u.file:
		return changes.AsBoth
	case u.env:
		return changes.AsEnv
	}
	return changes.AsFile
}

// uses finds which ConfigMaps and Secrets the target's pods use, and how.
func (o *observer) uses(pods []*corev1.Pod) map[string]*use {
	out := map[string]*use{}
	for _, p := range pods {
		if !o.src.Scope.Has(p) {
			continue
		}
		owner, ok := o.src.Workload(p)
		if !ok {
			owner = event.PodKey(string(source.UID(p)))
		}
		note := func(kind, name string, env bool) {
			if name == "" {
				return
			}
			id := kind + "/" + p.Namespace + "/" + name
			u := out[id]
			if u == nil {
				u = &use{}
				out[id] = u
			}
			u.env, u.file = u.env || env, u.file || !env
			if !slices.Contains(u.workloads, owner) {
				u.workloads = append(u.workloads, owner)
			}
			began := startOf(p)
			if env && (u.oldest.IsZero() || began.Before(u.oldest)) {
				u.oldest = began
			}
			if began.After(u.newest) {
				u.newest = began
			}
		}
		usesOf(&p.Spec, note)
	}
	return out
}

// startOf is when the pod's newest container instance began: only a new
// instance reads its environment anew.
func startOf(p *corev1.Pod) time.Time {
	t := p.CreationTimestamp.Time
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil && c.State.Running.StartedAt.After(t) {
			t = c.State.Running.StartedAt.Time
		}
	}
	return t
}

func usesOf(spec *corev1.PodSpec, note func(kind, name string, env bool)) {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, f := range c.EnvFrom {
			if f.ConfigMapRef != nil {
				note("ConfigMap", f.ConfigMapRef.Name, true)
			}
			if f.SecretRef != nil {
				note("Secret", f.SecretRef.Name, true)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
				note("ConfigMap", r.Name, true)
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				note("Secret", r.Name, true)
			}
		}
	}
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			note("ConfigMap", v.ConfigMap.Name, false)
		}
		if v.Secret != nil {
			note("Secret", v.Secret.SecretName, false)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				note("ConfigMap", s.ConfigMap.Name, false)
			}
			if s.Secret != nil {
				note("Secret", s.Secret.Name, false)
			}
		}
	}
}

// tellPolicies tells of quotas, limit ranges and network policies that were made
// or edited of late, where others have asked for those lists.
func (o *observer) tellPolicies() {
	if o.src.Known(source.Quotas) == nil {
		list, _ := o.src.Quotas.List(labels.Everything())
		tellPolicy(o, "ResourceQuota", list)
	}
	if o.src.Known(source.LimitRanges) == nil {
		list, _ := o.src.LimitRanges.List(labels.Everything())
		tellPolicy(o, "LimitRange", list)
	}
	if o.src.Known(source.NetworkPolicies) == nil {
		list, _ := o.src.NetworkPolicies.List(labels.Everything())
		tellPolicy(o, "NetworkPolicy", list)
	}
}

func tellPolicy[T metav1.Object](o *observer, kind string, list []T) {
	for _, m := range sorted(list) {
		a := source.LastAuthor(m)
		at, what := m.GetCreationTimestamp().Time, changes.Made
		if a.At.After(at.Add(2 * time.Second)) {
			at, what = a.At, changes.Edit
		}
		if at.IsZero() || o.src.Now().Sub(at) > lookback || !source.Plausible(m.GetName(), m.GetNamespace()) {
			continue
		}
		id := kind + "/" + m.GetNamespace() + "/" + m.GetName()
		e := about(changes.Edited, at, event.Key{Type: event.Config, ID: id})
		setText(changes.What, &e, what)
		setText(changes.Kind, &e, kind)
		setText(changes.Name, &e, m.GetName())
		setText(changes.By, &e, a.Manager)
		o.tell(id, e)
	}
}
