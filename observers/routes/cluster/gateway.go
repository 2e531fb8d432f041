package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/routes"
)

// maxConfigs bounds the ConfigMaps of which routes are read.
const maxConfigs = 200

// lookGateways reads the routes in ConfigMaps that living pods mount.
func (o *observer) lookGateways(v *view, emit func(event.Event)) {
	mounted := map[string]*corev1.Pod{} // "NAMESPACE/NAME" → the first pod that mounts it
	for _, p := range v.pods {
		for _, name := range configMaps(p) {
			if id := p.Namespace + "/" + name; mounted[id] == nil && len(mounted) < maxConfigs {
				mounted[id] = p
			}
		}
	}
	if len(mounted) == 0 {
		return
	}
	o.Want(o.src, source.ConfigMaps)
	if o.src.Known(source.ConfigMaps) != nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(mounted)) {
		ns, name, _ := strings.Cut(id, "/")
		cm, err := o.src.ConfigMaps.ConfigMaps(ns).Get(name)
		if err != nil || !source.Plausible(name) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
			found := routes.Parse(cm.Data[key], envOf(mounted[id]))
			via := "ConfigMap " + name + " " + key
			o.judge(v, found, gateway{
				namespace: ns, via: via, pod: mounted[id], from: event.Key{Type: event.Config, ID: "ConfigMap/" + ns + "/" + name},
			}, emit)
		}
	}
}

// rootCA is the ConfigMap that every pod mounts.
const rootCA = "kube-root-ca.crt"

// configMaps lists the ConfigMaps that a pod mounts.
func configMaps(p *corev1.Pod) []string {
	var out []string
	add := func(name string) {
		if name != "" && name != rootCA {
			out = append(out, name)
		}
	}
	for _, vol := range p.Spec.Volumes {
		if vol.ConfigMap != nil {
			add(vol.ConfigMap.Name)
		}
		if vol.Projected != nil {
			for _, s := range vol.Projected.Sources {
				if s.ConfigMap != nil {
					add(s.ConfigMap.Name)
				}
			}
		}
	}
	return out
}

// envOf looks up literal environment values of a pod.
func envOf(p *corev1.Pod) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := range p.Spec.Containers {
			for _, e := range p.Spec.Containers[i].Env {
				if e.Name == name && e.ValueFrom == nil {
					return e.Value, true
				}
			}
		}
		return "", false
	}
}

// gateway is what holds routes.
type gateway struct {
	namespace, via string
	pod            *corev1.Pod // nil for an Ingress
	from           event.Key   // the ConfigMap, zero for an Ingress
	certain        bool        // each target must be a Service: an Ingress's
}

// judge tells of the routes that lead to no Service, to no port of it, or to
// another than they tell.
func (o *observer) judge(v *view, found []routes.Found, g gateway, emit func(event.Event)) {
	if len(found) == 0 {
		return
	}
	var names []string
	for _, s := range v.services {
		if s.Namespace == g.namespace {
			names = append(names, s.Name)
		}
	}
	service := func(host string) string {
		if s := v.index.Lookup(g.namespace, host); s != nil && s.Namespace == g.namespace {
			return s.Name
		}
		return ""
	}
	oddities := routes.Oddities(found, names, service)
	for i, r := range found {
		svc := v.index.Lookup(g.namespace, r.Host)
		id := fmt.Sprintf("%s %s %d", g.namespace, g.via, i)
		switch {
		case svc == nil && (g.certain || r.Bound && ofCluster(r.Host)):
			name, ns, _ := strings.Cut(r.Host, ".")
			ns, _, _ = strings.Cut(ns, ".")
			if ns != "" && ns != g.namespace {
				continue // of another namespace, which is not known
			}
			e := o.astray(v, g, r, routes.NoService, event.ServiceKey(g.namespace, name))
			setText(routes.Similar, &e, similar(name, names))
			o.tell(id, e, emit)
		case svc != nil && r.Bound && r.Port > 0 && !hasPort(svc, r.Port):
			e := o.astray(v, g, r, routes.NoPort, event.ServiceKey(svc.Namespace, svc.Name))
			setText(routes.Ports, &e, portsOf(svc))
			o.tell(id, e, emit)
		}
	}
	for _, odd := range oddities {
		e := o.astray(v, g, odd.Found, routes.Pattern, event.ServiceKey(g.namespace, odd.Service))
		if to := service(odd.Host); to != "" {
			e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.ServiceKey(g.namespace, to)})
		}
		routes.Siblings.Set(&e, int64(odd.Siblings))
		routes.Breaks.Set(&e, int64(odd.Breaks))
		o.tell(g.namespace+" "+g.via+" odd "+odd.Service, e, emit)
	}
}

func (o *observer) astray(v *view, g gateway, r routes.Found, problem string, subject event.Key) event.Event {
	e := event.Event{Kind: routes.Astray, At: o.src.Now(), Refs: []event.Ref{{Role: event.Subject, Key: subject}}}
	if g.pod != nil {
		e.At = g.pod.CreationTimestamp.Time
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: v.owner[g.pod]})
	}
	if !g.from.IsZero() {
		e.Refs = append(e.Refs, event.Ref{Role: event.Device, Key: g.from})
	}
	setText(routes.Problem, &e, problem)
	setText(routes.Via, &e, g.via)
	setText(routes.Route, &e, r.Name)
	setText(routes.Path, &e, r.Path)
	target := r.Host
	if r.Port > 0 {
		target += ":" + strconv.Itoa(r.Port)
	}
	setText(routes.Target, &e, target)
	return e
}

// ofCluster tells whether a host can only be a name of the cluster: one label,
// or a name below svc.
func ofCluster(host string) bool {
	return !strings.Contains(host, ".") && host != "localhost" || strings.HasSuffix(host, ".svc") || strings.Contains(host, ".svc.")
}

// similar is the Service whose name differs in separators or a letter only.
func similar(name string, names []string) string {
	drop := strings.NewReplacer("-", "", "_", "", ".", "")
	for _, n := range names {
		if n != name && drop.Replace(n) == drop.Replace(name) {
			return n
		}
	}
	return ""
}

func hasPort(svc *corev1.Service, port int) bool {
	if len(svc.Spec.Ports) == 0 || svc.Spec.ClusterIP == corev1.ClusterIPNone || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return true // calls to such a Service meet the pods' own ports
	}
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port })
}

func portsOf(svc *corev1.Service) string {
	var out []string
	for _, p := range svc.Spec.Ports[:min(len(svc.Spec.Ports), 8)] {
		out = append(out, strconv.Itoa(int(p.Port)))
	}
	return strings.Join(out, ", ")
}

// lookIngresses reads the routes of Ingresses.
func (o *observer) lookIngresses(v *view, emit func(event.Event)) {
	if len(v.services) == 0 {
		return
	}
	o.Want(o.src, source.Ingresses)
	if o.src.Known(source.Ingresses) != nil {
		return
	}
	list, err := o.src.Ingresses.List(labels.Everything())
	if err != nil {
		return
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b *networkingv1.Ingress) int {
		return cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	for _, ing := range list {
		if source.Plausible(ing.Name, ing.Namespace) {
			o.judge(v, v.ingressRoutes(ing), gateway{namespace: ing.Namespace, via: "Ingress " + ing.Name, certain: true}, emit)
		}
	}
}

// ingressRoutes lists the routes of an Ingress; a port that is given by name is
// looked up, and one that does not exist reads as port 1, which no Service has.
func (v *view) ingressRoutes(ing *networkingv1.Ingress) []routes.Found {
	var out []routes.Found
	add := func(path string, b networkingv1.IngressBackend) {
		if b.Service == nil || b.Service.Name == "" || len(out) == 512 {
			return
		}
		f := routes.Found{Path: path, Host: strings.ToLower(b.Service.Name), Port: int(b.Service.Port.Number), Bound: true}
		if name := b.Service.Port.Name; name != "" {
			f.Port = 1
			if svc := v.index.Lookup(ing.Namespace, f.Host); svc != nil {
				for _, p := range svc.Spec.Ports {
					if p.Name == name {
						f.Port = int(p.Port)
					}
				}
			}
		}
		out = append(out, f)
	}
	if ing.Spec.DefaultBackend != nil {
		add("/", *ing.Spec.DefaultBackend)
	}
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, p := range rule.HTTP.Paths {
			add(p.Path, p.Backend)
		}
	}
	return out
}
