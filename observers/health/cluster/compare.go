package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

// maxText bounds every text taken from a spec, in bytes.
const maxText = 256

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
	}
}

func setNumber(f event.Field[int64], e *event.Event, n int64) {
	if n != 0 {
		f.Set(e, n)
	}
}

func setFlag(f event.Field[bool], e *event.Event, b bool) {
	if b {
		f.Set(e, b)
	}
}

// probeFact sets a probe against everything else that is known of the container.
func (o *observer) probeFact(v *view, p *corev1.Pod, c *corev1.Container, pr probe, status *corev1.ContainerStatus) event.Event {
	e := event.Event{Kind: health.Probe, At: startOf(p, status), Refs: refsOf(slot{source.UID(p), c.Name, pr.which})}
	setText(health.Which, &e, pr.which)
	setText(health.Method, &e, pr.method)
	setText(health.Asks, &e, pr.asks)
	setNumber(health.Port, &e, int64(pr.port))
	setText(health.PortName, &e, pr.portName)
	setFlag(health.Unnamed, &e, pr.unnamed)
	setText(health.Path, &e, pr.path)
	health.Delay.Set(&e, pr.delay)
	health.Period.Set(&e, pr.period)
	health.Timeout.Set(&e, pr.timeout)
	health.Threshold.Set(&e, pr.threshold)
	health.Budget.Set(&e, pr.budget())
	setFlag(health.Passes, &e, o.passes(v, p, c, pr, status))
	setFlag(health.Startup, &e, c.StartupProbe != nil)
	o.comparePorts(v, p, c, pr, status, &e)
	o.compareSpeech(v, p, c, pr, status, &e)
	o.compareRevision(v, p, c, pr, &e)
	setNumber(health.Took, &e, o.took(v, p, c))
	return e
}

func startOf(p *corev1.Pod, s *corev1.ContainerStatus) time.Time {
	if s != nil && s.State.Running != nil && !s.State.Running.StartedAt.IsZero() {
		return s.State.Running.StartedAt.Time
	}
	return p.CreationTimestamp.Time
}

// passes tells whether a probe passes now. Readiness and startup show in the
// container's status; liveness only in that the container is let live.
func (o *observer) passes(v *view, p *corev1.Pod, c *corev1.Container, pr probe, s *corev1.ContainerStatus) bool {
	if s == nil || s.State.Running == nil {
		return false
	}
	switch pr.which {
	case health.Readiness:
		return s.Ready
	case health.StartupKind:
		return s.Started != nil && *s.Started
	}
	began := s.State.Running.StartedAt.Time
	for _, f := range v.failures[slot{source.UID(p), c.Name, pr.which}] {
		if f.last.After(began) {
			return false
		}
	}
	room := time.Duration(pr.budget()+pr.period+pr.timeout) * time.Second
	return o.src.Now().Sub(began) > room
}

// sources counts who says that the container listens on which port.
type sources map[int32][]string

func (s sources) add(port int32, from string) {
	if port > 0 && !slices.Contains(s[port], from) {
		s[port] = append(s[port], from)
	}
}

// best is the port other than not that the most sources name.
func (s sources) best(not int32) int32 {
	var list []int32
	for port := range s {
		if port != not {
			list = append(list, port)
		}
	}
	slices.SortFunc(list, func(a, b int32) int { return cmp.Or(cmp.Compare(len(s[b]), len(s[a])), cmp.Compare(a, b)) })
	if len(list) == 0 {
		return 0
	}
	return list[0]
}

func (o *observer) comparePorts(v *view, p *corev1.Pod, c *corev1.Container, pr probe, status *corev1.ContainerStatus, e *event.Event) {
	mine, others := sources{}, sources{}
	for _, x := range ports.OfPod(&p.Spec) {
		if x.Protocol != corev1.ProtocolTCP {
			continue
		}
		if x.Container == c.Name {
			mine.add(x.Port, x.From)
		} else {
			others.add(x.Port, x.From+" of "+x.Container)
		}
	}
	for _, svc := range v.services[source.UID(p)] {
		for _, sp := range svc.Spec.Ports {
			if n := int32(sp.TargetPort.IntValue()); n > 0 && sp.Protocol != corev1.ProtocolUDP && len(p.Spec.Containers) > 0 {
				mine.add(n, "Service "+svc.Name)
			}
		}
	}
	if was, _, ok := v.before(p, c.Name, pr.which); ok && was.port != pr.port {
		mine.add(was.port, "previous revision's "+pr.which+" probe")
	}
	for _, x := range probesOf(c) {
		// A probe that fails proves nothing of its port by itself.
		if x.which != pr.which && (o.passes(v, p, c, x, status) || x.port != pr.port && len(mine[x.port]) > 0) {
			mine.add(x.port, x.which+" probe")
		}
	}
	known := append(slices.Clone(mine[pr.port]), others[pr.port]...)
	health.Known.Set(e, int64(len(known)))
	if best := mine.best(pr.port); best > 0 {
		health.Wanted.Set(e, int64(best))
		health.WantedN.Set(e, int64(len(mine[best])))
		setText(health.WantedFrom, e, strings.Join(mine[best][:min(3, len(mine[best]))], ", "))
	}
	if len(known) == 0 && pr.port > 0 {
		setNumber(health.Elsewhere, e, int64(v.elsewhere(p, pr.port)))
	}
}

// probed is a port at which pods of a namespace are probed.
type probed struct {
	namespace string
	port      int32
}

// elsewhere counts ready pods of other owners that are probed at the port
// although no container of theirs declares it: something that the spec does not
// show listens there, as a mesh's proxy does.
func (v *view) elsewhere(than *corev1.Pod, port int32) int {
	if v.hidden == nil {
		v.hidden = map[probed]map[string]int{}
		for _, p := range v.pods {
			if allReady(p) {
				v.noteHidden(p)
			}
		}
	}
	n := 0
	for owner, pods := range v.hidden[probed{than.Namespace, port}] {
		if owner != ownerOf(than) {
			n += pods
		}
	}
	return n
}

// noteHidden notes the ports at which a pod is probed and that it does not
// declare.
func (v *view) noteHidden(p *corev1.Pod) {
	declared := map[int32]bool{0: true}
	for _, c := range ports.OfPod(&p.Spec) {
		declared[c.Port] = true
	}
	for i := range p.Spec.Containers {
		for _, x := range probesOf(&p.Spec.Containers[i]) {
			if declared[x.port] {
				continue
			}
			declared[x.port] = true
			at := probed{p.Namespace, x.port}
			if v.hidden[at] == nil {
				v.hidden[at] = map[string]int{}
			}
			v.hidden[at][ownerOf(p)]++
		}
	}
}

func ownerOf(p *corev1.Pod) string {
	for _, r := range p.OwnerReferences {
		if r.Controller != nil && *r.Controller {
			return r.Kind + "/" + r.Name
		}
	}
	return p.Name
}

func allReady(p *corev1.Pod) bool {
	if len(p.Status.ContainerStatuses) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return !s.Ready })
}

// compareSpeech tells what the probe's port speaks by other sources.
func (o *observer) compareSpeech(v *view, p *corev1.Pod, c *corev1.Container, pr probe, status *corev1.ContainerStatus, e *event.Event) {
	said := map[string][]string{}
	say := func(what, from string) {
		if what != "" && !slices.Contains(said[what], from) {
			said[what] = append(said[what], from)
		}
	}
	for _, x := range probesOf(c) {
		if x.which != pr.which && x.port == pr.port && (o.passes(v, p, c, x, status) || len(v.failures[slot{source.UID(p), c.Name, x.which}]) == 0) {
			say(x.asks, x.which+" probe")
		}
	}
	for _, x := range c.Ports {
		if x.ContainerPort == pr.port && x.Name != "" {
			say(ports.Speaks(x.Name), "port name "+x.Name)
		}
	}
	for _, svc := range v.services[source.UID(p)] {
		for _, sp := range svc.Spec.Ports {
			n := int32(sp.TargetPort.IntValue())
			if n == 0 {
				n, _ = ports.Named(c, sp.TargetPort.StrVal)
			}
			if n != pr.port || n == 0 {
				continue
			}
			if a := ports.Application(sp.AppProtocol); a != "" {
				say(a, "appProtocol of Service "+svc.Name)
			} else {
				say(ports.Speaks(sp.Name), "port of Service "+svc.Name)
			}
		}
	}
	if was, _, ok := v.before(p, c.Name, pr.which); ok && was.port == pr.port {
		say(was.asks, "previous revision's "+pr.which+" probe")
	}
	best := ""
	for what, from := range said {
		if best == "" || len(from) > len(said[best]) || len(from) == len(said[best]) && what < best {
			best = what
		}
	}
	if best != "" {
		setText(health.Speaks, e, best)
		health.SpeaksN.Set(e, int64(len(said[best])))
		setText(health.SpeaksFrom, e, strings.Join(said[best][:min(3, len(said[best]))], ", "))
	}
}
