package cluster

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/topology"
	"github.com/yairfalse/tapio/observers/config"
	"github.com/yairfalse/tapio/observers/event"
)

// wrongCredentials compares what the target's containers give a server with
// what the server was told, and with what its other clients give.
func (o *observer) wrongCredentials(pods []*corev1.Pod) ([]event.Event, error) {
	if !o.src.Knows(source.Services) {
		return nil, nil
	}
	list, err := o.src.Services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var endpoints []*discoveryv1.EndpointSlice
	if o.src.Known(source.EndpointSlices) == nil {
		if endpoints, err = o.src.EndpointSlices.List(labels.Everything()); err != nil {
			return nil, err
		}
	}
	services := topology.NewServices(list)
	byService := map[event.Key][]client{}
	var mine []client
	for _, p := range pods {
		if over(p) {
			continue
		}
		for i := range p.Spec.Containers {
			c := &p.Spec.Containers[i]
			for _, cl := range clientsOf(p, c.Name, o.env(p, c), services) {
				byService[cl.service] = append(byService[cl.service], cl)
				if o.src.Scope.Has(p) {
					mine = append(mine, cl)
				}
			}
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	known := map[event.Key][]login{}
	for _, sel := range topology.Select(list, pods, endpoints) {
		if len(byService[sel.Key()]) == 0 {
			continue
		}
		for _, p := range sel.Pods {
			o.wantServer(p)
			for i := range p.Spec.Containers {
				known[sel.Key()] = append(known[sel.Key()], accounts(o.env(p, &p.Spec.Containers[i]))...)
			}
		}
	}
	var out []event.Event
	for _, c := range mine {
		if e, ok := o.differs(c, known[c.service], byService[c.service]); ok {
			out = append(out, e)
		}
	}
	return out, nil
}

// wantServer asks for the objects that hold a server's own accounts.
func (o *observer) wantServer(p *corev1.Pod) {
	for _, r := range refsOf(p) {
		if r.container != "" && r.once {
			o.Want(o.src, listOf(r.object))
		}
	}
}

// differs tells in what a client's login is not the server's, or not that of
// the other clients, which must be at least two and agree.
func (o *observer) differs(c client, known []login, all []client) (event.Event, bool) {
	own, _ := o.src.Workload(c.pod)
	type given struct{ user, password string }
	agree := map[given]map[event.Key]bool{}
	for _, other := range all {
		wl, ok := o.src.Workload(other.pod)
		if !ok {
			wl = event.PodKey(string(source.UID(other.pod)))
		}
		if wl == own || other.pod == c.pod {
			continue
		}
		g := given{other.user.text, other.password.text}
		if agree[g] == nil {
			agree[g] = map[event.Key]bool{}
		}
		agree[g][wl] = true
	}
	same := len(agree[given{c.user.text, c.password.text}])
	if same > 0 {
		return event.Event{}, false // another program logs in just so
	}
	part, server, ok := mismatch(c.login, known)
	others := 0
	for g, wls := range agree {
		if g.user == c.user.text && g.password != c.password.text {
			others = max(others, len(wls))
		}
	}
	if !ok && (others < 2 || len(known) > 0 && part == "") {
		return event.Event{}, false
	}
	v := c.password
	switch {
	case !ok:
		part = config.Password
	case part == config.User:
		v = c.user
	}
	e := about(config.Credentials, c.pod, c.container)
	e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: c.service})
	setText(config.Where, &e, v.where())
	setText(config.From, &e, v.from)
	setText(config.Differs, &e, part)
	if ok {
		setText(config.Server, &e, server.where())
		setText(config.ServerObj, &e, server.from)
	}
	config.Others.Set(&e, int64(others))
	return e, true
}

// mismatch compares a client's login with the accounts that the server was
// told: the same user with another password, or the same password with another
// user. A login that fits one of them is right; a user of whom the server was
// not told may have been made by other means.
func mismatch(c login, known []login) (part string, server value, ok bool) {
	if len(known) == 0 {
		return "", value{}, false
	}
	slices.SortStableFunc(known, func(a, b login) int { return cmp.Compare(a.password.name, b.password.name) })
	for _, k := range known {
		if k.password.text == c.password.text && (c.user.text == "" || k.user.text == "" || k.user.text == c.user.text) {
			return "", value{}, false
		}
	}
	for _, k := range known {
		switch {
		case c.user.text == "" || k.user.text == "" || k.user.text == c.user.text:
			return config.Password, k.password, true
		case k.password.text == c.password.text:
			return config.User, k.user, true
		}
	}
	return config.User, known[0].user, false
}
