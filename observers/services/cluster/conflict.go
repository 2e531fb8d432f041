package cluster

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/yairfalse/tapio/observers/cluster/ports"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/services"
)

// maxClaims bounds the claims of a pod that are set against each other.
const maxClaims = 512

// lookConflicts tells of two containers of a pod that claim the same port.
func (o *observer) lookConflicts(p *corev1.Pod, emit func(event.Event)) {
	if len(p.Spec.Containers)+len(p.Spec.InitContainers) < 2 {
		return
	}
	list := ports.OfPod(&p.Spec)
	list = list[:min(len(list), maxClaims)]
	told := map[string]bool{}
	for i, a := range list {
		for _, b := range list[i+1:] {
			pair := fmt.Sprintf("%s %s %d/%s", a.Container, b.Container, a.Port, a.Protocol)
			if a.Container == b.Container || a.Port != b.Port || a.Protocol != b.Protocol || told[pair] {
				continue
			}
			told[pair] = true
			x, y := strongest(list, a), strongest(list, b)
			if worse(p, y.Container) && !worse(p, x.Container) {
				x, y = y, x
			}
			uid := string(uidOf(p))
			e := event.Event{Kind: services.Conflict, At: p.CreationTimestamp.Time, Refs: []event.Ref{
				{Role: event.Subject, Key: event.ContainerKey(uid, x.Container)},
				{Role: event.Owner, Key: event.PodKey(uid)},
				{Role: event.Peer, Key: event.ContainerKey(uid, y.Container)},
			}}
			services.Port.Set(&e, int64(x.Port))
			setText(services.Protocol, &e, string(x.Protocol))
			setText(services.Mine, &e, x.From)
			setText(services.Theirs, &e, y.From)
			services.Configured.Set(&e, !x.Declared || !y.Declared)
			o.tell("conflict "+uid+" "+strconv.Itoa(int(x.Port))+pair, e, emit)
		}
	}
}

// strongest is the claim of the same container and port that is a setting, if
// there is one, else the declaration.
func strongest(list []ports.Claim, than ports.Claim) ports.Claim {
	for _, c := range list {
		if c.Container == than.Container && c.Port == than.Port && c.Protocol == than.Protocol && !c.Declared {
			return c
		}
	}
	return than
}

// worse tells whether a container is not ready or was started again.
func worse(p *corev1.Pod, container string) bool {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for _, s := range list {
			if s.Name == container {
				return !s.Ready || s.RestartCount > 0
			}
		}
	}
	return false
}
