package cluster

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/event"
)

// named is an address in a container's configuration.
type named struct {
	topology.Host
	where, from string
}

// hostsOf lists the addresses that a container's environment, command and
// arguments name. A port in a variable of its own belongs to the host variable
// with the same beginning.
func hostsOf(c *corev1.Container, env []value) []named {
	var out []named
	for _, v := range env {
		for _, h := range topology.Hosts(v.name, v.text) {
			if h.Port == 0 {
				h.Port = portBeside(v.name, env)
			}
			out = append(out, named{h, v.where(), v.from})
		}
	}
	for where, list := range map[string][]string{"command": c.Command, "args": c.Args} {
		key := ""
		for _, s := range list {
			for _, h := range topology.Hosts(key, s) {
				out = append(out, named{Host: h, where: where})
			}
			key = ""
			if strings.HasPrefix(s, "-") && !strings.ContainsAny(s, "= ") {
				key = s
			}
		}
	}
	slices.SortStableFunc(out, func(a, b named) int { return strings.Compare(a.where, b.where) })
	return slices.CompactFunc(out, func(a, b named) bool { return a == b })
}

// portBeside is the port that stands in the variable beside a host variable:
// DB_PORT beside DB_HOST.
func portBeside(host string, env []value) int {
	base := base(host)
	for _, v := range env {
		if v.name == base+"_PORT" || v.name == base+"PORT" && base != "" && strings.HasSuffix(base, "_") || v.name == base+".port" {
			if n, err := strconv.ParseUint(v.text, 10, 16); err == nil && n > 0 {
				return int(n)
			}
		}
	}
	return 0
}

// base is what a host variable's name begins with: DB of DB_HOST.
func base(name string) string {
	if i := strings.LastIndexAny(name, "_.-"); i > 0 {
		return name[:i]
	}
	return ""
}

// wrongAddresses lists the addresses in the configuration of the target's pods
// that no Service has.
func (o *observer) wrongAddresses(pods []*corev1.Pod) ([]event.Event, error) {
	if !o.src.Knows(source.Services) {
		return nil, nil
	}
	list, err := o.src.Services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	pl := &places{services: topology.NewServices(list), list: list, namespaces: map[string]bool{}, named: map[string]map[event.Key]bool{}}
	for _, s := range list {
		pl.namespaces[s.Namespace] = true
	}
	for _, p := range pods {
		o.wantValues(p)
		for i := range p.Spec.Containers {
			c := &p.Spec.Containers[i]
			for _, h := range hostsOf(c, o.env(p, c)) {
				pl.note(o.src, p, h)
			}
		}
	}
	history, err := o.src.History()
	if err != nil {
		return nil, err
	}
	var out []event.Event
	for _, p := range pods {
		if !o.src.Scope.Has(p) || over(p) {
			continue
		}
		before := history.Before(p)
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			told := map[string]bool{}
			for _, h := range hostsOf(&c, o.env(p, &c)) {
				e, ok := pl.wrong(o, p, &c, h, before)
				if id := h.Name + ":" + strconv.Itoa(h.Port); ok && !told[id] {
					told[id] = true
					out = append(out, e)
				}
			}
		}
	}
	return out, nil
}

// over tells whether the pod has ended or is asked to.
func over(p *corev1.Pod) bool {
	return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// wantValues asks for the objects that hold the environment of the target's
// pods: Secrets only of pods that are not well.
func (o *observer) wantValues(p *corev1.Pod) {
	if !o.src.Scope.Has(p) || over(p) {
		return
	}
	for _, r := range refsOf(p) {
		switch {
		case r.container == "" || !r.once:
		case r.object == configMap:
			o.Want(o.src, source.ConfigMaps)
		case unwell(p):
			o.Want(o.src, source.Secrets)
		}
	}
}

// unwell tells whether the pod is not ready or has restarted.
func unwell(p *corev1.Pod) bool {
	return !topology.Ready(p) || slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.RestartCount > 0 })
}
