package cluster

import (
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/health"
)

// span is how often and from when to when something was reported.
type span struct {
	count       uint32
	first, last time.Time
}

func (s *span) add(e *corev1.Event) {
	n := int64(e.Count)
	if e.Series != nil {
		n = max(n, int64(e.Series.Count))
	}
	s.count = uint32(min(int64(s.count)+max(n, 1), math.MaxUint32))
	first, last := source.FirstSeen(e), source.LastSeen(e)
	if s.first.IsZero() || !first.IsZero() && first.Before(s.first) {
		s.first = first
	}
	if last.After(s.last) {
		s.last = last
	}
}

// failure is one sort of failure of one probe.
type failure struct {
	span
	what       string
	port, code int64
}

// maxSorts bounds the sorts of failures that are kept of one probe.
const maxSorts = 16

// readEvents files the kubelet's reports by pod, container and probe.
func (v *view) readEvents(events []*corev1.Event) {
	pods := map[string]types.UID{}
	for _, p := range v.pods {
		pods[p.Namespace+"/"+p.Name] = source.UID(p)
	}
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b *corev1.Event) int {
		if c := source.LastSeen(a).Compare(source.LastSeen(b)); c != 0 {
			return c
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	for _, e := range events {
		obj := e.InvolvedObject
		if obj.Kind != "Pod" || e.Reason != "Unhealthy" && e.Reason != "Killing" {
			continue
		}
		uid, ok := pods[obj.Namespace+"/"+obj.Name]
		if !ok || obj.UID != "" && obj.UID != uid {
			continue
		}
		at := slot{pod: uid, container: containerIn(obj.FieldPath)}
		if e.Reason == "Killing" {
			which, container, ok := health.ReadKill(e.Message)
			if !ok {
				continue
			}
			at.which, at.container = which, container
			s := v.kills[at]
			s.add(e)
			v.kills[at] = s
			continue
		}
		r, ok := health.ReadFailure(e.Message)
		if !ok {
			continue
		}
		at.which = r.Which
		if at.container == "" {
			at.container = v.onlyProbed(uid, r)
		}
		v.addFailure(at, r, e)
	}
}

func (v *view) addFailure(at slot, r health.Report, e *corev1.Event) {
	list := v.failures[at]
	i := slices.IndexFunc(list, func(f failure) bool { return f.what == r.What && f.port == r.Port && f.code == r.Code })
	if i < 0 {
		if len(list) == maxSorts {
			return
		}
		list = append(list, failure{what: r.What, port: r.Port, code: r.Code})
		i = len(list) - 1
	}
	list[i].add(e)
	v.failures[at] = list
}

// onlyProbed names the container that a report without a field path is about:
// the only one with such a probe, or the only one probed at the port it names.
func (v *view) onlyProbed(uid types.UID, r health.Report) string {
	p := v.byUID[uid]
	if p == nil {
		return ""
	}
	var all, atPort []string
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for j := range list {
			for _, pr := range probesOf(&list[j]) {
				if pr.which != r.Which {
					continue
				}
				all = append(all, list[j].Name)
				if r.Port != 0 && int64(pr.port) == r.Port {
					atPort = append(atPort, list[j].Name)
				}
			}
		}
	}
	switch {
	case len(atPort) == 1:
		return atPort[0]
	case len(all) == 1:
		return all[0]
	}
	return ""
}

func containerIn(fieldPath string) string {
	_, name, _ := strings.Cut(fieldPath, "{")
	return strings.TrimSuffix(name, "}")
}

func failedFact(at slot, f failure) event.Event {
	e := event.Event{Kind: health.Failed, At: f.first, Span: max(f.last.Sub(f.first), 0), Count: f.count, Refs: refsOf(at)}
	health.Which.Set(&e, at.which)
	health.What.Set(&e, f.what)
	if f.port > 0 {
		health.Port.Set(&e, f.port)
	}
	if f.code > 0 {
		health.Code.Set(&e, f.code)
	}
	return e
}

func killedFact(at slot, s span) event.Event {
	e := event.Event{Kind: health.Killed, At: s.first, Span: max(s.last.Sub(s.first), 0), Count: s.count, Refs: refsOf(at)}
	health.Which.Set(&e, at.which)
	return e
}
