// Package cluster tells from Kubernetes objects why pods have no node.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/scheduling"
)

// maxEvaluated bounds for how many pods of the scope all nodes are tried; pods
// of one workload wait for the same reason.
const maxEvaluated = 24

type observer struct {
	*source.Loop
	src   source.Source
	told  map[string]uint64 // what was told, by subject, as a hash
	pods  map[types.UID]*memory
	round uint64
}

// memory is what was told of a waiting pod.
type memory struct {
	looks int64
	hash  uint64
	round uint64
	pod   *corev1.Pod
}

// Open makes the observer. It needs the list of pods; all else is optional and
// read only once a pod waits.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, scheduling.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, told: map[string]uint64{}, pods: map[types.UID]*memory{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

func (o *observer) look(emit func(event.Event)) error {
	if o.src.Known(source.Pods) != nil {
		return nil //nolint:nilerr // Gaps tell why
	}
	o.round++
	pods, err := o.src.Pods.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	reports, err := o.reports()
	if err != nil {
		return err
	}
	o.lookDisplaced(pods, reports, emit)
	var waiting []*corev1.Pod
	for _, p := range pods {
		if waits(p) && o.src.Scope.Has(p) {
			waiting = append(waiting, p)
		}
	}
	if err := o.lookWaiting(waiting, reports, emit); err != nil {
		return err
	}
	o.lookGuards(pods, emit)
	o.lookPlaced(emit)
	return nil
}

// waits tells whether a pod has no node and should have one.
func waits(p *corev1.Pod) bool {
	return p.Spec.NodeName == "" && p.DeletionTimestamp == nil && !ended(p) && p.Status.Phase != corev1.PodRunning
}

// lookWaiting tries all nodes for the pods that wait.
func (o *observer) lookWaiting(waiting []*corev1.Pod, reports []*corev1.Event, emit func(event.Event)) error {
	if len(waiting) == 0 {
		return nil
	}
	wanted := []source.Resource{source.Nodes, source.AllPods}
	for _, p := range waiting {
		if slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return claimName(p, v) != "" }) {
			wanted = append(wanted, source.Claims, source.Volumes, source.StorageClasses)
			break
		}
	}
	if slices.ContainsFunc(waiting, asksNamespaces) {
		wanted = append(wanted, source.Namespaces)
	}
	o.Want(o.src, wanted...)
	w, err := o.world()
	if err != nil {
		return err
	}
	silent := false
	for i, p := range waiting {
		f := o.describe(p, reports)
		if w != nil && i < maxEvaluated && len(f.gates) == 0 {
			v := evaluate(w, p)
			if len(v.leaves) > 0 {
				o.Want(o.src, source.Budgets)
			}
			f.verdict = &v
		}
		silent = silent || !f.asked && len(f.gates) == 0
		o.tell(p, f, emit)
	}
	if silent {
		o.lookScheduler(emit)
	}
	return nil
}

// asksNamespaces tells whether a term of the pod selects namespaces by label.
func asksNamespaces(p *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(antiTerms(p), affinityTerms(p)), func(t peerTerm) bool { return t.spaces != nil && !t.spaces.Empty() })
}

// world is nil when the nodes are unknown.
func (o *observer) world() (*world, error) {
	if o.src.Known(source.Nodes) != nil {
		return nil, nil //nolint:nilnil,nilerr // unknown nodes are no failure
	}
	nodes, err1 := o.src.Nodes.List(labels.Everything())
	pods, lister, known := []*corev1.Pod(nil), o.src.Pods, false
	if o.src.Known(source.AllPods) == nil {
		lister, known = o.src.AllPods, true
	}
	pods, err2 := lister.List(labels.Everything())
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("objects cannot be read: %w", err)
	}
	w := newWorld(nodes, pods, known)
	w.namespaces = func(name string) map[string]string {
		if o.src.Known(source.Namespaces) != nil {
			return nil
		}
		ns, err := o.src.Namespaces.Get(name)
		if err != nil {
			return nil
		}
		return ns.Labels
	}
	w.claims = o.claim
	return w, nil
}

// reports are the Events, oldest first; none when they are unknown.
func (o *observer) reports() ([]*corev1.Event, error) {
	if o.src.Known(source.Events) != nil {
		return nil, nil //nolint:nilerr // Gaps tell why
	}
	all, err := o.src.Events.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("objects cannot be read: %w", err)
	}
	slices.SortFunc(all, func(a, b *corev1.Event) int {
		return cmp.Or(source.LastSeen(a).Compare(source.LastSeen(b)), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	return all, nil
}

// lookPlaced tells of pods that waited in an earlier look and have a node now.
func (o *observer) lookPlaced(emit func(event.Event)) {
	var uids []types.UID
	for uid, m := range o.pods {
		if m.round != o.round {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	for _, uid := range uids {
		m := o.pods[uid]
		delete(o.pods, uid)
		e := o.about(scheduling.Unplaced, m.pod, o.src.Now())
		scheduling.Round.Set(&e, m.looks+1)
		scheduling.Placed.Set(&e, true)
		emit(e)
	}
}

// about makes an event about a pod with its workload.
func (o *observer) about(kind event.Kind, p *corev1.Pod, at time.Time) event.Event {
	e := event.Event{Kind: kind, At: at, Refs: []event.Ref{{Role: event.Subject, Key: event.PodKey(string(source.UID(p)))}}}
	if wl, ok := o.src.Workload(p); ok {
		e.Refs = append(e.Refs, event.Ref{Role: event.Owner, Key: wl})
	}
	return e
}

// changed tells whether a subject has something new to say.
func (o *observer) changed(subject string, state ...any) bool {
	h := fnv.New64a()
	fmt.Fprint(h, state...)
	if old, ok := o.told[subject]; ok && old == h.Sum64() {
		return false
	}
	o.told[subject] = h.Sum64()
	return true
}

// maxText bounds every text of a fact, in bytes.
const maxText = 512

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText-3] + "..."
	}
	return strings.ToValidUTF8(s, "")
}

func setText(f event.Field[string], e *event.Event, s string) {
	if s != "" {
		f.Set(e, clip(s))
	}
}
