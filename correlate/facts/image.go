package facts

import (
	"github.com/yairfalse/tapio/observers"
	"github.com/yairfalse/tapio/observers/event"
	"github.com/yairfalse/tapio/observers/image"
	"github.com/yairfalse/tapio/observers/lifecycle"
)

// Pull describes an image that cannot be had.
type Pull struct {
	Image, Reason, Class        string // Reason "" is ImagePullBackOff
	PullSecrets                 int64
	SecretAbsent, SecretForeign string
	OtherImage                  string
	SameRepository, WithSecrets int64
	Earlier                     string
	EarlierRuns                 bool
}

// WaitsForImage adds the pod as one that waits for its container's image.
func (s *Set) WaitsForImage(p Pod, at float64, x Pull) {
	if x.Reason == "" {
		x.Reason = "ImagePullBackOff"
	}
	s.Pod(p, at, State{State: lifecycle.Waiting, Reason: x.Reason})
	e := event.Event{Kind: image.Failed, At: At(at), Refs: []event.Ref{
		{Role: event.Subject, Key: p.App()}, {Role: event.Owner, Key: p.Key()}, {Role: event.Host, Key: event.NodeKey("n1")},
	}}
	if x.SecretAbsent != "" {
		e.Refs = append(e.Refs, event.Ref{Role: event.Peer, Key: event.Key{Type: event.Config, ID: "Secret/" + p.Namespace + "/" + x.SecretAbsent}})
	}
	ref, _ := image.Parse(x.Image)
	for f, v := range map[event.Field[string]]string{
		image.Image: x.Image, image.Registry: ref.Registry, image.Repository: ref.Repository, image.Tag: ref.Tag,
		image.Reason: x.Reason, image.Class: x.Class, image.SecretAbsent: x.SecretAbsent, image.SecretForeign: x.SecretForeign,
		image.OtherImage: x.OtherImage, image.Earlier: x.Earlier,
	} {
		if v != "" {
			f.Set(&e, v)
		}
	}
	image.PullSecrets.Set(&e, x.PullSecrets)
	image.SameRepository.Set(&e, x.SameRepository)
	image.WithSecrets.Set(&e, x.WithSecrets)
	image.Official.Set(&e, ref.Official())
	if x.Earlier != "" {
		old, _ := image.Parse(x.Earlier)
		image.EarlierHost.Set(&e, old.Registry == ref.Registry)
		image.EarlierRuns.Set(&e, x.EarlierRuns)
	}
	s.add(observers.Cluster, e)
}
