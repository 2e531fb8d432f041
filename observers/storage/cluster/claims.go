package cluster

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/storage"
)

// maxClaims bounds how many claims are compared in one look.
const maxClaims = 64

// claimName is the claim that a volume of a pod uses, "" for none. The claim of
// an ephemeral volume has the name of pod and volume.
func claimName(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

// claimKey is the key of a claim.
func claimKey(namespace, name string) event.Key {
	return event.Key{Type: event.Volume, ID: namespace + "/" + name}
}

// lookClaims compares the claims of pods that wait with all volumes.
func (o *observer) lookClaims(pods []*corev1.Pod, reports []*corev1.Event, emit func(event.Event)) error {
	users := map[string][]*corev1.Pod{}
	var ids []string
	for _, p := range pods {
		if p.Status.Phase != corev1.PodPending && p.Status.Phase != "" || p.DeletionTimestamp != nil {
			continue
		}
		for _, v := range p.Spec.Volumes {
			name := claimName(p, v)
			if name == "" || !source.Plausible(name, p.Namespace) {
				continue
			}
			id := p.Namespace + "/" + name
			if users[id] == nil {
				ids = append(ids, id)
			}
			users[id] = append(users[id], p)
		}
	}
	slices.Sort(ids)
	if len(ids) > 0 {
		o.Want(o.src, source.Claims, source.Volumes, source.StorageClasses)
	}
	if len(ids) == 0 || o.src.Known(source.Claims) != nil {
		o.settleClaims(nil, emit)
		return nil //nolint:nilerr // an unknown list is a gap
	}
	var pvs []*corev1.PersistentVolume
	if o.src.Known(source.Volumes) == nil {
		var err error
		if pvs, err = o.src.Volumes.List(labels.Everything()); err != nil {
			return fmt.Errorf("objects cannot be read: %w", err)
		}
		slices.SortFunc(pvs, func(a, b *corev1.PersistentVolume) int { return strings.Compare(a.Name, b.Name) })
	}
	waiting := map[string]bool{}
	for i, id := range ids {
		if i == maxClaims {
			o.Lost(len(ids) - maxClaims)
			break
		}
		ns, name, _ := strings.Cut(id, "/")
		pvc, err := o.src.Claims.PersistentVolumeClaims(ns).Get(name)
		if apierrors.IsNotFound(err) {
			if mine := o.src.Namespace(); mine != "" && mine != ns {
				continue
			}
			waiting[id] = true
			o.tellClaim(id, users[id], nil, pvs, reports, emit)
			continue
		}
		if err != nil {
			return fmt.Errorf("objects cannot be read: %w", err)
		}
		if pvc.Status.Phase == corev1.ClaimBound {
			continue
		}
		waiting[id] = true
		o.tellClaim(id, users[id], pvc, pvs, reports, emit)
	}
	o.settleClaims(waiting, emit)
	return nil
}

// claimMemory is what was told of a claim.
type claimMemory struct {
	looks int64
	hash  uint64
}

// settleClaims tells of claims that kept somebody waiting and do so no more.
func (o *observer) settleClaims(waiting map[string]bool, emit func(event.Event)) {
	var ids []string
	for id := range o.claims {
		if !waiting[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		ns, name, _ := strings.Cut(id, "/")
		e := event.Event{Kind: storage.Claim, At: o.src.Now(), Refs: []event.Ref{{Role: event.Subject, Key: claimKey(ns, name)}}}
		storage.Round.Set(&e, o.claims[id].looks+1)
		storage.Settled.Set(&e, true)
		emit(e)
		delete(o.claims, id)
	}
}

// tellClaim emits all facts of one look at a claim, unless they are those of
// the last look. pvc is nil when it is not there.
func (o *observer) tellClaim(id string, users []*corev1.Pod, pvc *corev1.PersistentVolumeClaim, pvs []*corev1.PersistentVolume, reports []*corev1.Event, emit func(event.Event)) {
	events := o.claimFacts(id, users, pvc, pvs, reports)
	h := fnv.New64a()
	for _, e := range events {
		fmt.Fprint(h, e.Kind, e.Refs, e.Attrs)
	}
	m := o.claims[id]
	if m == nil {
		m = &claimMemory{}
		o.claims[id] = m
	} else if m.hash == h.Sum64() {
		return
	}
	m.hash = h.Sum64()
	m.looks++
	for _, e := range events {
		storage.Round.Set(&e, m.looks)
		if m.looks > 1 {
			e.At = o.src.Now()
		}
		emit(e)
	}
}

// claimFacts ends with the one about the claim itself: who has that has all.
func (o *observer) claimFacts(id string, users []*corev1.Pod, pvc *corev1.PersistentVolumeClaim, pvs []*corev1.PersistentVolume, reports []*corev1.Event) []event.Event {
	ns, name, _ := strings.Cut(id, "/")
	subject := []event.Ref{{Role: event.Subject, Key: claimKey(ns, name)}}
	e := event.Event{Kind: storage.Claim, At: users[0].CreationTimestamp.Time, Refs: subject}
	slices.SortFunc(users, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range users[:min(len(users), maxUsers)] {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.PodKey(string(source.UID(p)))})
	}
	if pvc == nil {
		return []event.Event{e}
	}
	if pvc.CreationTimestamp.After(e.At) {
		e.At = pvc.CreationTimestamp.Time
	}
	phase := string(pvc.Status.Phase)
	if phase == "" {
		phase = string(corev1.ClaimPending)
	}
	setText(storage.Phase, &e, phase)
	if s := pvc.CreationTimestamp.Unix(); s > 0 {
		storage.Made.Set(&e, s)
	}
	class := o.class(pvc)
	setText(storage.ClassName, &e, class.name)
	setText(storage.ClassIs, &e, class.is)
	setText(storage.Provisioner, &e, class.provisioner)
	storage.Late.Set(&e, class.late)
	storage.Size.Set(&e, requested(pvc))
	setText(storage.VolumeName, &e, pvc.Spec.VolumeName)
	o.tellTrouble(&e, ns, name, reports)
	unknown := class.unknown
	var out []event.Event
	if o.src.Known(source.Volumes) != nil {
		unknown = append(unknown, string(source.Volumes))
	} else {
		c := compare(pvc, class.name, pvs)
		storage.Volumes.Set(&e, int64(c.total))
		out = append(out, comparisonFacts(c, subject, e)...)
	}
	setText(storage.Unknown, &e, strings.Join(unknown, ","))
	return append(out, e)
}

// maxUsers bounds the pods named in one fact.
const maxUsers = 32

func comparisonFacts(c comparison, subject []event.Ref, claim event.Event) []event.Event {
	var out []event.Event
	for _, g := range c.groups {
		e := event.Event{Kind: storage.Candidate, At: claim.At, Refs: subject}
		storage.Against.Set(&e, strings.Join(g.fields, ","))
		storage.Volumes.Set(&e, int64(len(g.volumes)))
		setText(storage.Example, &e, g.volumes[0])
		out = append(out, e)
	}
	for _, m := range c.mismatches {
		e := event.Event{Kind: storage.Mismatch, At: claim.At, Refs: subject}
		storage.Field.Set(&e, m.field)
		storage.Volumes.Set(&e, int64(m.volumes))
		storage.Frees.Set(&e, int64(m.frees))
		setText(storage.Wants, &e, m.wants)
		setText(storage.Has, &e, m.has)
		setText(storage.Holder, &e, m.holder)
		setText(storage.Example, &e, m.example)
		if m.field == storage.Capacity && m.largest > 0 {
			storage.Largest.Set(&e, m.largest)
		}
		out = append(out, e)
	}
	return out
}

// class is what is known of the storage class of a claim.
type class struct {
	name, is, provisioner string
	late                  bool
	unknown               []string
}

// noProvisioner is the provisioner of classes whose volumes are made by hand.
const noProvisioner = "kubernetes.io/no-provisioner"

func (o *observer) class(pvc *corev1.PersistentVolumeClaim) class {
	name := ""
	if pvc.Spec.StorageClassName != nil {
		name = *pvc.Spec.StorageClassName
	} else if old, ok := pvc.Annotations[oldClass]; ok {
		name = old
	}
	if name == "" {
		return class{is: storage.NoClass}
	}
	c := class{name: name, is: storage.ClassUnknown}
	if o.src.Known(source.StorageClasses) != nil {
		c.unknown = append(c.unknown, string(source.StorageClasses))
		return c
	}
	sc, err := o.src.StorageClasses.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		c.is = storage.ClassAbsent
	case err != nil:
	case sc.Provisioner == noProvisioner || sc.Provisioner == "":
		c.is = storage.Static
	default:
		c.is, c.provisioner = storage.Dynamic, sc.Provisioner
	}
	if err == nil {
		c.late = sc.VolumeBindingMode != nil && *sc.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	}
	return c
}

// tellTrouble adds the newest Event about the claim that is no success.
func (o *observer) tellTrouble(e *event.Event, ns, name string, reports []*corev1.Event) {
	for _, r := range slices.Backward(reports) {
		obj := r.InvolvedObject
		if obj.Kind != "PersistentVolumeClaim" || obj.Namespace != ns || obj.Name != name {
			continue
		}
		if r.Type == corev1.EventTypeWarning || r.Reason == "FailedBinding" {
			setText(storage.Told, e, r.Reason)
			storage.Trouble.Set(e, storage.ReadFailure(r.Message).Trouble)
		}
		return
	}
}

// sorted orders Events from old to new.
func sorted(reports []*corev1.Event) {
	slices.SortFunc(reports, func(a, b *corev1.Event) int {
		return cmp.Or(source.LastSeen(a).Compare(source.LastSeen(b)), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
}
