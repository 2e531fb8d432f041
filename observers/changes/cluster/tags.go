package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yairfalse/tapio/observers/changes"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
)

// crew is the pods of one template that run one image of one name.
type crew struct {
	pods  []*corev1.Pod
	ready int
}

// tellTags tells when siblings of one template run different images under one
// name, and all of one image are ready and none of the other: the tag was moved
// between their starts.
func (o *observer) tellTags(pods []*corev1.Pod) {
	type key struct{ set, container, image string }
	groups := map[key]map[string]*crew{}
	owners := map[key]*corev1.Pod{}
	for _, p := range pods {
		ref := metav1.GetControllerOfNoCopy(p)
		if ref == nil || !o.src.Scope.Has(p) {
			continue
		}
		set := p.Namespace + "/" + ref.Kind + "/" + ref.Name + "/" + p.Labels[hashLabel]
		for _, c := range p.Spec.Containers {
			i := slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
			if i < 0 || p.Status.ContainerStatuses[i].ImageID == "" || strings.Contains(c.Image, "@") {
				continue
			}
			s := p.Status.ContainerStatuses[i]
			k := key{set, c.Name, c.Image}
			if groups[k] == nil {
				groups[k] = map[string]*crew{}
				owners[k] = p
			}
			g := groups[k][digest(s.ImageID)]
			if g == nil {
				g = &crew{}
				groups[k][digest(s.ImageID)] = g
			}
			g.pods = append(g.pods, p)
			if s.Ready {
				g.ready++
			}
		}
	}
	for k, byDigest := range groups {
		var bad, good string
		for _, d := range slices.Sorted(maps.Keys(byDigest)) {
			switch g := byDigest[d]; {
			case g.ready == 0:
				bad = d
			case g.ready == len(g.pods):
				good = d
			}
		}
		owner, ok := o.src.Workload(owners[k])
		if len(byDigest) < 2 || bad == "" || good == "" || !ok {
			continue
		}
		var failing []event.Key
		at := byDigest[bad].pods[0].CreationTimestamp.Time
		for _, p := range byDigest[bad].pods {
			failing = append(failing, event.PodKey(string(source.UID(p))))
		}
		e := about(changes.TagMoved, at, owner, peers(failing)...)
		setText(changes.Image, &e, k.image)
		setText(changes.Bad, &e, bad)
		setText(changes.Good, &e, good)
		changes.Digests.Set(&e, int64(len(byDigest)))
		changes.BadPods.Set(&e, int64(len(byDigest[bad].pods)))
		changes.GoodPods.Set(&e, int64(len(byDigest[good].pods)))
		o.tell(owner.ID+"\x00"+k.container, e)
	}
}

// digest is the image's own name: what follows the repository.
func digest(id string) string {
	if _, d, ok := strings.Cut(id, "@"); ok {
		return d
	}
	return id
}
