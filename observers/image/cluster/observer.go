// Package cluster tells from Kubernetes objects which images cannot be had.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/yairfalse/tapio/observers"
	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/image"
)

// maxWaiting bounds the containers that are told; those of the target come
// first and what is left out is counted as lost.
const maxWaiting = 200

type observer struct {
	*source.Loop
	src  source.Source
	told map[event.Key]event.Event
}

// Open makes the observer. It needs the list of pods.
func Open(src source.Source) (observers.Observer, error) {
	loop, err := source.NewLoop(src, image.Spec)
	if err != nil {
		return nil, err
	}
	return &observer{Loop: loop, src: src, told: map[event.Key]event.Event{}}, nil
}

// Run implements observers.Observer.
func (o *observer) Run(ctx context.Context, emit func(event.Event)) error {
	emit = o.Counted(emit)
	return o.Follow(ctx, func() error { return o.look(emit) })
}

// waiting is a container that waits for its image.
type waiting struct {
	pod    *corev1.Pod
	name   string
	image  string
	state  *corev1.ContainerStateWaiting
	ref    image.Reference
	parsed bool
}

func (w waiting) key() event.Key { return event.ContainerKey(string(source.UID(w.pod)), w.name) }

func (o *observer) look(emit func(event.Event)) error {
	pods, err := o.src.Pods.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("objects cannot be read: %w", err)
	}
	list := waitingOf(pods)
	if len(list) == 0 {
		clear(o.told)
		return nil
	}
	o.want(list)
	slices.SortFunc(list, func(a, b waiting) int {
		if a, b := o.src.Scope.Has(a.pod), o.src.Scope.Has(b.pod); a != b {
			if a {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.pod.Namespace, b.pod.Namespace), strings.Compare(a.pod.Name, b.pod.Name), strings.Compare(a.name, b.name))
	})
	if len(list) > maxWaiting {
		o.Lost(len(list) - maxWaiting)
		list = list[:maxWaiting]
	}
	reports, err := o.src.Events.List(labels.Everything())
	if err != nil && o.src.Known(source.Events) == nil {
		return fmt.Errorf("events cannot be read: %w", err)
	}
	history, err := o.src.History()
	if err != nil {
		return err
	}
	told := map[event.Key]event.Event{}
	running := runningOf(pods)
	for _, w := range list {
		e, err := o.fact(w, list, running, history, reports)
		if err != nil {
			return err
		}
		if old, ok := o.told[w.key()]; !ok || !reflect.DeepEqual(old, e) {
			emit(e)
		}
		told[w.key()] = e
	}
	o.told = told
	return nil
}

// want asks for the lists that say more about what waits.
func (o *observer) want(list []waiting) {
	for _, w := range list {
		if len(w.pod.Spec.ImagePullSecrets) > 0 {
			o.Want(o.src, source.Secrets)
		}
		if w.pod.Spec.NodeName != "" {
			o.Want(o.src, source.Nodes)
		}
	}
}

// waitingOf lists the containers that wait for an image. Pods that are asked to
// end wait for nothing.
func waitingOf(pods []*corev1.Pod) []waiting {
	var out []waiting
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		images := map[string]string{}
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			images[c.Name] = c.Image
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			name, known := images[s.Name]
			if !known || s.State.Waiting == nil || !image.Concerns(s.State.Waiting.Reason) || !source.Plausible(s.Name) {
				continue
			}
			w := waiting{pod: p, name: s.Name, image: name, state: s.State.Waiting}
			w.ref, w.parsed = image.Parse(name)
			out = append(out, w)
		}
	}
	return out
}

// instance is a container that runs: its image is there.
type instance struct {
	pod   *corev1.Pod
	image string
	ref   image.Reference
}

// runningOf lists the containers that run, in the order of namespace and name.
func runningOf(pods []*corev1.Pod) []instance {
	var out []instance
	for _, p := range pods {
		images := map[string]string{}
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			images[c.Name] = c.Image
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if ref, ok := image.Parse(images[s.Name]); ok && s.State.Running != nil {
				out = append(out, instance{p, images[s.Name], ref})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b instance) int {
		return cmp.Or(strings.Compare(a.pod.Namespace, b.pod.Namespace), strings.Compare(a.pod.Name, b.pod.Name))
	})
	return out
}

func (o *observer) fact(w waiting, all []waiting, running []instance, history source.History, reports []*corev1.Event) (event.Event, error) {
	uid := string(source.UID(w.pod))
	e := event.Event{Kind: image.Failed, At: w.pod.CreationTimestamp.Time, Refs: []event.Ref{
		{Role: event.Subject, Key: w.key()}, {Role: event.Owner, Key: event.PodKey(uid)},
	}}
	if n := w.pod.Spec.NodeName; n != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Host, Key: event.NodeKey(n)})
	}
	set := func(f event.Field[string], s string) {
		if s != "" && len(s) <= maxText {
			f.Set(&e, strings.ToValidUTF8(s, ""))
		}
	}
	set(image.Image, w.image)
	if w.parsed {
		set(image.Registry, w.ref.Registry)
		set(image.Repository, w.ref.Repository)
		set(image.Tag, w.ref.Tag)
		image.Official.Set(&e, w.ref.Official())
	}
	set(image.Reason, w.state.Reason)
	class := image.ClassOf(w.state.Reason, w.state.Message)
	said := saidOf(w, reports)
	if class == image.Unknown {
		class = image.ClassOf(w.state.Reason, said.message)
	}
	set(image.Class, class)
	if !said.first.IsZero() {
		e.At = said.first
	}
	o.others(&e, w, all, running, set)
	earlier(&e, w, history, running, set)
	err := o.secrets(&e, w, said, set)
	if n, found := o.node(w.pod); found {
		set(image.Architecture, n)
	}
	return e, err
}

// maxText bounds every text taken from an object, in bytes.
const maxText = 512

// others tells who runs an image of the repository or the registry, and who
// waits for one, too.
func (o *observer) others(e *event.Event, w waiting, all []waiting, running []instance, set func(event.Field[string], string)) {
	if !w.parsed {
		return
	}
	var repository, registry, secrets, alike int64
	other := ""
	for _, r := range running {
		if r.ref.Registry != w.ref.Registry || source.UID(r.pod) == source.UID(w.pod) {
			continue
		}
		registry++
		if len(r.pod.Spec.ImagePullSecrets) > 0 {
			secrets++
		}
		if r.ref.Same(w.ref) {
			repository++
			if other == "" || other == w.image {
				other = r.image
			}
		}
	}
	for _, a := range all {
		if a.parsed && a.ref.Registry == w.ref.Registry && a.key() != w.key() {
			alike++
		}
	}
	image.SameRepository.Set(e, repository)
	image.SameRegistry.Set(e, registry)
	image.WithSecrets.Set(e, secrets)
	image.AlikeFailing.Set(e, alike)
	set(image.OtherImage, other)
}

// node is the platform of the pod's node.
func (o *observer) node(p *corev1.Pod) (string, bool) {
	if p.Spec.NodeName == "" || o.src.Known(source.Nodes) != nil {
		return "", false
	}
	n, err := o.src.Nodes.Get(p.Spec.NodeName)
	if err != nil || n.Status.NodeInfo.Architecture == "" {
		return "", false
	}
	return n.Status.NodeInfo.OperatingSystem + "/" + n.Status.NodeInfo.Architecture, true
}
