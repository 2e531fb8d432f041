package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	source "github.com/yairfalse/tapio/observers/cluster"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/image"
)

// said is what the kubelet wrote of the pull beside the container's state.
type said struct {
	message string    // the newest that tells why
	first   time.Time // of the failures
	secrets bool      // it could not read some of the pull secrets
}

// saidOf reads the Events about the container and its pod.
func saidOf(w waiting, reports []*corev1.Event) said {
	var out said
	var newest time.Time
	for _, r := range reports {
		obj := r.InvolvedObject
		if obj.Kind != "Pod" || obj.Namespace != w.pod.Namespace || obj.Name != w.pod.Name || obj.UID != "" && obj.UID != source.UID(w.pod) {
			continue
		}
		if r.Reason == "FailedToRetrieveImagePullSecret" {
			out.secrets = true
		}
		about := obj.FieldPath == "" || strings.HasSuffix(obj.FieldPath, "{"+w.name+"}")
		if !about || !tellsOfPull(r, w.image) {
			continue
		}
		if t := source.FirstSeen(r); out.first.IsZero() || t.Before(out.first) {
			out.first = t
		}
		if t := source.LastSeen(r); image.ClassOf("", r.Message) != image.Unknown && !t.Before(newest) {
			newest, out.message = t, r.Message
		}
	}
	return out
}

func tellsOfPull(r *corev1.Event, name string) bool {
	switch r.Reason {
	case "Failed", "InspectFailed", "ErrImageNeverPull":
		return strings.Contains(r.Message, "mage") && (name == "" || strings.Contains(r.Message, name))
	}
	return false
}

// secrets tells whether the pull secrets that the pod names are there, and
// whether one of them knows the registry. What they hold stays here.
func (o *observer) secrets(e *event.Event, w waiting, said said, set func(event.Field[string], string)) error {
	names := w.pod.Spec.ImagePullSecrets
	image.PullSecrets.Set(e, int64(len(names)))
	if len(names) == 0 {
		return nil
	}
	if o.src.Known(source.Secrets) != nil {
		if said.secrets && len(names) == 1 { // the kubelet looked, and there is no other
			o.absent(e, w, names[0].Name, set)
		}
		return nil
	}
	readable, knows := false, false
	for _, ref := range names {
		s, err := o.src.Secrets.Secrets(w.pod.Namespace).Get(ref.Name)
		if apierrors.IsNotFound(err) {
			o.absent(e, w, ref.Name, set)
			continue
		}
		if err != nil {
			return fmt.Errorf("secrets cannot be read: %w", err)
		}
		hosts, ok := registriesOf(s)
		readable = readable || ok
		knows = knows || !ok || serves(hosts, w.ref)
	}
	if readable && !knows && w.parsed {
		set(image.SecretForeign, names[0].Name)
	}
	return nil
}

func (o *observer) absent(e *event.Event, w waiting, name string, set func(event.Field[string], string)) {
	if _, told := image.SecretAbsent.Get(*e); told || !source.Plausible(name) {
		return
	}
	set(image.SecretAbsent, name)
	e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.Key{Type: event.Config, ID: "Secret/" + w.pod.Namespace + "/" + name}})
}

// registriesOf lists the registries for which a pull secret has credentials; ok
// is false when it cannot be read, because its values are not part of the input
// or its form is another.
func registriesOf(s *corev1.Secret) (hosts []string, ok bool) {
	raw, wrapped := s.Data[corev1.DockerConfigJsonKey], true
	if len(raw) == 0 {
		raw, wrapped = s.Data[corev1.DockerConfigKey], false
	}
	var auths map[string]json.RawMessage
	if wrapped {
		var doc struct {
			Auths map[string]json.RawMessage `json:"auths"`
		}
		if json.Unmarshal(raw, &doc) != nil {
			return nil, false
		}
		auths = doc.Auths
	} else if json.Unmarshal(raw, &auths) != nil {
		return nil, false
	}
	for h := range auths {
		hosts = append(hosts, h)
	}
	return hosts, len(raw) > 0
}

// serves tells whether one of the entries of a pull secret is for the image's
// registry: "host", "https://host/v1/", "host/path" or "*.host".
func serves(hosts []string, ref image.Reference) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		_, rest, ok := strings.Cut(h, "://")
		if ok {
			h = rest
		}
		h, path, _ := strings.Cut(h, "/")
		path = strings.TrimSuffix(path, "/")
		if h == "index.docker.io" || h == "registry-1.docker.io" {
			h = "docker.io"
		}
		if path != "" && path != "v1" && path != "v2" && !strings.HasPrefix(ref.Repository+"/", path+"/") {
			return false
		}
		if suffix, wild := strings.CutPrefix(h, "*"); wild {
			return strings.HasSuffix(ref.Registry, suffix)
		}
		return h == ref.Registry
	})
}

// earlier tells which image the container had in the revision before.
func earlier(e *event.Event, w waiting, history source.History, running []instance, set func(event.Field[string], string)) {
	before := history.Before(w.pod)
	if before == nil {
		return
	}
	for _, c := range slices.Concat(before.Spec.InitContainers, before.Spec.Containers) {
		if c.Name != w.name || c.Image == w.image {
			continue
		}
		set(image.Earlier, c.Image)
		old, ok := image.Parse(c.Image)
		image.EarlierHost.Set(e, ok && w.parsed && old.Registry == w.ref.Registry)
		image.EarlierRuns.Set(e, slices.ContainsFunc(running, func(r instance) bool { return r.image == c.Image }))
	}
}
